"""The client as a person uses it from Python: what needs no service, and a session with a real one."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ablate.bundle.verify import verify
from ablate.errors import StudyError
from ablate.remote.client import Client
from ablate.remote.documents.events import ProgressEvent
from ablate.remote.errors import RefusedError, UnreachableError
from ablate.study.document import Study
from ablate.study.source import document_of
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.selection import Selection
from tests.service.processes import Running, install_task, serving


def toys(name: str = "toys", gate: str = "", **fields: Any) -> dict[str, Any]:
    rows = [{"label": "plain"}, {"label": "other", "set": {"offset": 1.0}}]
    return {"name": name, "seeds": 2, "base": {"task": "gated", "gate": gate}, "rows": rows, **fields}


def test_a_study_is_a_path_a_mapping_or_a_document(tmp_path: Path) -> None:
    (tmp_path / "toys.json").write_text(json.dumps(toys()))
    (tmp_path / "toys.toml").write_text('name = "toys"\nseeds = [3, 5]\n')
    assert document_of(tmp_path / "toys.json") == document_of(str(tmp_path / "toys.json")) == document_of(toys())
    assert document_of(tmp_path / "toys.toml") == {"name": "toys", "seeds": [3, 5]}
    assert document_of(Study.parse(toys())) == toys()


def test_a_closed_client_and_a_key_that_cannot_be_sent_are_refused() -> None:
    client = Client("http://127.0.0.1:1")
    with pytest.raises(RefusedError, match="the idempotency key cannot be sent"):
        client.submit(toys(), key="a\nb")
    client.close()
    with pytest.raises(RefusedError, match="the client is closed"):
        client.ready()
    with pytest.raises(RefusedError, match="the API key cannot be sent"):
        Client("http://127.0.0.1:1", api_key="é")
    with pytest.raises(RefusedError, match="is not an http"):
        Client("http://127.0.0.1:1/?x=1")


def test_a_study_file_that_does_not_exist_is_named() -> None:
    with pytest.raises(StudyError, match=r"cannot read study file 'none\.toml'"):
        Client("http://127.0.0.1:1").submit("none.toml")


def test_the_address_is_given_or_of_the_environment_or_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABLATE_URL", raising=False)
    assert Client().url == "http://127.0.0.1:8080"
    monkeypatch.setenv("ABLATE_URL", "")
    assert Client().url == "http://127.0.0.1:8080"
    monkeypatch.setenv("ABLATE_URL", "https://ablate.example/")
    assert Client().url == "https://ablate.example"
    assert repr(Client("http://127.0.0.1:1")) == "Client('http://127.0.0.1:1')"
    assert Client(" http://127.0.0.1:1\r\n", api_key="abl_x\n").url == "http://127.0.0.1:1"
    with pytest.raises(RefusedError, match="'nonsense', which is not an http:// or https:// address; give one such"):
        Client("nonsense")


def test_a_password_in_the_address_is_sent_and_never_shown() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        client = Client(f"http://me:s3cr@t@127.0.0.1:{port}/")
        assert (client.url, repr(client)) == (f"http://127.0.0.1:{port}", f"Client('http://127.0.0.1:{port}')")
        with pytest.raises(UnreachableError, match=f"no answer from http://127.0.0.1:{port} ") as caught:
            client.studies()
    assert "s3cr" not in str(caught.value)
    for wrong in (
        "htp://me:s3cr@t@host",
        "http://me:s3cr t@host",
        "me:s3cr@host",
        "http://host/?key=s3cr",
        "http://h#s3cr",
    ):
        with pytest.raises(RefusedError, match=r"\*\*\*.* is not an http:// or https:// address") as refused:
            Client(wrong)
        assert "s3cr" not in str(refused.value)


def test_without_a_service_it_is_not_ready_and_a_call_tells_how_to_start_one() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = Client(f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert client.ready() is False
        with pytest.raises(UnreachableError, match="start the service with `ablate serve`"):
            client.studies()


@pytest.mark.parametrize("name", ["a b", "../studies", "a?b=c", ""])
def test_a_name_that_cannot_be_one_is_refused_before_a_path_is_made_of_it(name: str) -> None:
    client = Client("http://127.0.0.1:1")
    with pytest.raises(RefusedError, match="is not the name of a schedule"):
        client.schedules.get(name)
    with pytest.raises(RefusedError, match="is not the key of a trial"):
        client.trial(name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("client")
    options = {"ABLATE_DISPATCHER": "inline", "ABLATE_TRACKING_URI": "off", "ABLATE_WORKERS": "2"}
    with serving(folder / "home", install_task(folder / "site"), **options) as running:
        yield running


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    with Client(running.client.url) as client:
        yield client


@pytest.mark.slow
def test_a_session_submits_waits_and_reads_the_table(client: Client, tmp_path: Path) -> None:
    plan = client.plan(toys(), seeds=3)
    assert (plan.trials, plan.known, [row.label for row in plan.rows]) == (6, 0, ["plain", "other"])
    assert client.studies(name="toys").items == []

    study = client.submit(Study.parse(toys()), priority=7, key="once")
    assert client.submit(toys(), priority=7, key="once").id == study.id
    assert (study.name, study.priority, study.progress.trials) == ("toys", 7, 4)
    seen: list[ProgressEvent] = []
    done = client.wait(study, progress=seen.append)
    assert (done.state, done.progress.succeeded, seen[-1].ended, seen[-1].trials) == ("succeeded", 4, 4, 4)

    table = client.table("toys")
    assert table.row("other").cells["error"].values == pytest.approx({0: 2.0, 1: 2.1})
    assert table.provisional is False
    assert json.loads(client.table_text(study, "json")) == table.to_json()
    assert "| other " in client.table_text(study, columns=["params"], digits=1)
    ours = Selection(rows=("other", "!plain"), order="name", rename={"other": "ours, now"})
    assert json.loads(client.table_text(study, "json", selection=ours))["rows"][0]["label"] == "ours, now"
    latex = LatexOptions(label="tab:mine", delta=True)
    assert client.table_text(study, "tex", latex=latex) == table.to_latex(label="tab:mine", delta=True)
    assert client.compare(study, "other", "plain").seeds[1].difference == pytest.approx(1.0)
    assert client.seeds(study).startswith("row,group,seed,metric,value,key,status")
    with (tmp_path / "out.zip").open("wb") as file:
        client.download_bundle(study, file)
    assert verify(tmp_path / "out.zip").is_equal
    assert client.plot(study, "forest").startswith(b"<?xml")
    with pytest.raises(StudyError, match="missing"):
        client.compare(study, "missing", "plain")

    cells = client.trials(study)
    assert [(cell.row, cell.seed, cell.state) for cell in cells] == [
        ("plain", 0, "succeeded"), ("other", 0, "succeeded"), ("plain", 1, "succeeded"), ("other", 1, "succeeded"),
    ]  # fmt: skip
    trial = client.trial(cells[1].key[:12])
    assert (trial.key, trial.recipe["offset"], trial.metrics["error"]) == (cells[1].key, 1.0, 2.0)
    assert "the task says hello" in client.log(trial.key)
    items = client.items(cells[1].key[:12])
    assert (items.key, items.n, items.correct) == (trial.key, 10, 6)
    assert items.bits == base64.b64encode(bytes([0b00111_001, 0b11_000000])).decode()
    with pytest.raises(RefusedError, match="no trial with that key"):
        client.items("0" * 64)


@pytest.mark.slow
def test_a_study_is_paused_resumed_extended_cancelled_and_retried(running: Running, client: Client) -> None:
    study = client.submit(toys("gated", gate="session"))
    assert client.find("gated") == client.find(study) == client.find(study.id) == study.id
    states = [getattr(client, verb)("gated").state for verb in ("pause", "resume", "cancel")]
    assert (states[0], states[2]) == ("paused", "cancelled")
    assert client.wait(study).state == "cancelled"
    with pytest.raises(RefusedError):
        client.extend(study, 3)
    client.retry(study)
    assert client.extend(study, 3).progress.trials == 6
    assert client.extend(study, [7], rows=[{"label": "more", "set": {"offset": 2.0}}]).progress.trials == 12
    running.open_gate("session")
    assert client.wait("gated").progress.succeeded == 12
    with pytest.raises(RefusedError, match="no study has the id or the name 'nothing'"):
        client.study("nothing")


@pytest.mark.slow
def test_every_problem_of_a_study_is_in_one_error(client: Client) -> None:
    with pytest.raises(StudyError) as error:
        client.submit(toys(seeds=0, rows=[{"label": "plain", "set": {"offset": "much"}}]))
    assert [problem.pointer for problem in error.value.problems] == ["/seeds", "/rows/0/set/offset"]
    with pytest.raises(StudyError) as error:
        client.plan(toys(rows=[{"label": "plain", "set": {"offset": "much"}}]))
    assert [problem.pointer for problem in error.value.problems] == ["/rows/0/set/offset"]


@pytest.mark.slow
def test_schedules_and_the_paper_are_called_by_their_nouns(running: Running, client: Client) -> None:
    schedules = client.schedules
    added = schedules.add("nightly", "0 2 * * *", toys("repeated"), tz="Europe/Berlin", mode="fresh")
    assert (added.name, added.tz, added.mode, added.state) == ("nightly", "Europe/Berlin", "fresh", "active")
    assert schedules.change("nightly", seeds=1, tz="UTC").seeds == 1
    assert (schedules.pause("nightly").state, schedules.resume("nightly").state) == ("paused", "active")
    assert [one.name for one in schedules.all()] == ["nightly"]
    firing = schedules.trigger("nightly")
    assert client.wait(firing.study_id or "").state == "succeeded"
    assert [one.id for one in schedules.history("nightly").items] == [firing.id]
    assert schedules.plot("nightly", "png").startswith(b"\x89PNG")
    today = client.today(datetime.now(UTC) - timedelta(hours=1))
    assert firing.study_id in [study.id for study in today.finished]
    schedules.remove("nightly")
    with pytest.raises(RefusedError, match="no schedule has the name 'nightly'; `ablate schedule list` lists them"):
        schedules.get("nightly")
    assert [table.id for table in client.paper.plan(["T5"], scale="mini", seeds=1).items] == ["T5"]
