"""Tables of the paper, submitted together. Most tests share one service, since counting networks takes seconds."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ablate.cli.app import status_of
from ablate.study.paper_tables import list_tables
from ablate.trials.trial import Outcome
from service.address import published
from service.api.examples import PAPERS
from service.cli import main
from service.context import Context, open_context
from service.dispatch.interface import Ticket, TrialMessage
from service.running.scheduler import Scheduler
from service.settings import Settings
from service.studies.paper import LIMIT_GPU_HOURS
from tests.service.api.conftest import Here, calling, serving

ROOT = Path(__file__).parents[3]
PAPER = "/api/v1/paper"
ELSEWHERE = "ray://elsewhere:10001"
"""A cluster whose machines may have the data; nothing connects to it here."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    home = tmp_path_factory.mktemp("paper")
    context = open_context(Settings(home=home, tracking_uri="off", ray_address=ELSEWHERE))
    yield context
    context.close()


@pytest.fixture(scope="module")
def api(desk: Context) -> Iterator[TestClient]:
    with calling(desk) as client:
        yield client


@pytest.fixture(scope="module")
def url(desk: Context) -> Iterator[str]:
    assert main.main
    with serving(desk) as served:
        yield served.url


def studies_of(client: TestClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/studies", params={"limit": 200}).json()["items"]
    return found


def post(client: TestClient, path: str = PAPER, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(path, json=body, headers=headers)


@pytest.mark.parametrize(
    ("body", "pointer", "code", "word"),
    [
        ({"tables": ["T5", "T77"]}, "/tables/1", "unknown_table", "'T7'"),
        ({"tables": ["nothing"]}, "/tables/0", "unknown_table", "T5"),
        ({"tables": ["T5", "T5"]}, "/tables/1", "duplicate", "is repeated; name it once"),
        ({"tables": "T5"}, "/tables", "invalid", "list"),
        ({"table": ["T5"]}, "/table", "unknown_field", "tables"),
        ({"seeds": 0}, "/seeds", "invalid", "greater"),
        ({"tables": ["T5"], "seeds": 5_000}, "/tables/0", "too_many", "T5: the study expands to 25,000 trials"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    api: TestClient, body: dict[str, Any], pointer: str, code: str, word: str
) -> None:
    for path in (PAPER, f"{PAPER}/plan"):
        answer = api.post(path, json=body)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)
        assert word in error["message"]


def test_an_unknown_scale_names_every_table_that_lacks_it(api: TestClient) -> None:
    before = len(studies_of(api))
    errors = post(api, tables=["T7", "T5"], scale="medium").json()["errors"]
    assert [error["pointer"] for error in errors] == ["/scale", "/scale"]
    assert [error["message"].split(":")[0] for error in errors] == ["T7", "T5"]
    assert all("allowed: mini, lab, paper, released-code" in error["message"] for error in errors)
    assert len(studies_of(api)) == before


def test_a_plan_counts_what_tables_share_once_and_stores_nothing(api: TestClient) -> None:
    before = len(studies_of(api))
    plan = post(api, f"{PAPER}/plan", tables=["T5", "T7"], seeds=3).json()
    assert [(item["id"], item["rows"], item["trials"]) for item in plan["items"]] == [("T5", 5, 15), ("T7", 6, 18)]
    assert (plan["rows"], plan["trials"]) == (11, 33)
    assert plan["distinct"] == 30  # A of Table 5 is B of Table 7
    assert not plan["needs_confirmation"]
    assert 0 < plan["gpu_hours"] < sum(item["gpu_hours"] for item in plan["items"])
    assert len(studies_of(api)) == before


def test_what_takes_weeks_has_to_be_confirmed(api: TestClient) -> None:
    plan = post(api, f"{PAPER}/plan", tables=["T5"], scale="paper", seeds=1).json()
    assert plan["needs_confirmation"]
    assert plan["limit_gpu_hours"] == LIMIT_GPU_HOURS < plan["gpu_hours"]
    # five trainings of a network as large as ResNet-50: 120 x 1.28 M images at 938 a second are 45.5 hours
    assert plan["gpu_hours"] == pytest.approx(5 * 45.5, rel=0.1)
    before = len(studies_of(api))
    answer = post(api, tables=["T5"], scale="paper", seeds=1)
    assert answer.status_code == 422
    [error] = [error for error in answer.json()["errors"] if error["code"] == "needs_confirmation"]
    assert error["pointer"] == "/confirm"
    assert f"about {plan['gpu_hours']:,.0f} GPU-hours" in error["message"]
    assert len(studies_of(api)) == before
    assert "needs_confirmation" not in post(api, tables=["T5"], scale="paper", seeds=1, confirm=True).text


def test_tables_are_submitted_together_and_a_key_gives_them_again(api: TestClient) -> None:
    headers = {"Idempotency-Key": "k" * 255}
    answer = post(api, headers=headers, tables=["T7", "T5"], seeds=2, priority=3)
    assert answer.status_code == 201
    paper = answer.json()
    assert [study["name"] for study in paper["items"]] == ["table07", "table05"]
    assert [study["priority"] for study in paper["items"]] == [3, 3]
    assert [study["progress"]["trials"] for study in paper["items"]] == [12, 10]
    assert [study["progress"]["shared"] for study in paper["items"]] == [0, 2]
    assert [paper[name] for name in ("rows", "trials", "distinct", "known")] == [11, 22, 20, 0]

    again = post(api, headers=headers, priority=3, seeds=2, tables=["T7", "T5"])
    assert again.status_code == 200
    assert again.json() == paper
    other = post(api, headers=headers, tables=["T7"], seeds=2)
    assert (other.status_code, other.json()["type"]) == (422, "urn:ablate:problem:key-reused")


def test_equal_posts_at_once_give_the_tables_once(api: TestClient) -> None:
    before, start, answers = len(studies_of(api)), threading.Barrier(4), []

    def submit() -> None:
        start.wait()
        answers.append(post(api, headers={"Idempotency-Key": "once"}, tables=["T5", "T7"], seeds=1))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({tuple(study["id"] for study in answer.json()["items"]) for answer in answers}) == 1
    assert len(studies_of(api)) == before + 2


@pytest.mark.slow
def test_every_example_works_as_it_stands(api: TestClient) -> None:
    for example in PAPERS.values():
        answer = api.post(PAPER, json=example["value"])
        assert answer.status_code == 201, answer.text
    assert [study["name"] for study in answer.json()["items"]] == [table.name for table in list_tables()]


def test_without_the_data_nothing_is_queued(desk: Context, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    here = replace(desk, settings=desk.settings.model_copy(update={"ray_address": None}))
    with calling(here) as client:
        before = len(studies_of(client))
        errors = post(client, tables=["T5", "T7"], seeds=1).json()["errors"]
        plan = post(client, f"{PAPER}/plan", tables=["T5"], seeds=1).json()
        assert len(studies_of(client)) == before
    found = [(error["pointer"], error["code"]) for error in errors]
    assert found == [("/tables/0", "no_data"), ("/tables/1", "no_data")]
    assert errors[1]["message"].startswith("T7 (base.dataset): data set 'fashion-mnist' is not on this machine")
    assert "no_data" in [warning["code"] for warning in plan["items"][0]["warnings"]]


def test_the_command_prints_a_line_a_table_and_what_all_are(
    api: TestClient, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["paper", "t7", "T5", "--seeds", "2", "--url", url]) == 0
    said = capsys.readouterr()
    newest = [study["id"] for study in studies_of(api)[:2]][::-1]
    head, *lines, total = said.out.splitlines()
    assert head.split() == ["table", "id", "rows", "trials", "known", "link"]
    links = [f"{url}/api/v1/studies/{study_id}/table" for study_id in newest]
    assert [line.split() for line in lines] == [
        ["T7", newest[0], "6", "12", "0", links[0]], ["T5", newest[1], "5", "10", "0", links[1]],
    ]  # fmt: skip
    assert total == "11 rows, 22 trials, 20 distinct, 0 known"
    assert f"ablate watch {newest[0]}" in said.err
    assert "warning: T7, T5: 2 seeds: nothing is decided" in said.err


@pytest.fixture
def own(desk: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a service of this machine and state directory that has no data."""
    home = tmp_path / "home"
    monkeypatch.setenv("ABLATE_HOME", str(home))
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    context = replace(open_context(Settings(home=home, tracking_uri="off")), costs=desk.costs)
    with serving(context) as served, published(home, served.url):
        yield served.url
    context.store.close()


@pytest.mark.slow
def test_data_that_this_machines_own_service_misses_are_fetched(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = status_of(["paper", "T5", "--seeds", "1"]), capsys.readouterr().err
    if "could not be fetched" in said:
        pytest.skip(f"no Fashion-MNIST here: {said}")
    assert status == 0
    assert "fashion-mnist: 4 files verified" in said
    assert "ablate data fetch" not in said
    shutil.rmtree(tmp_path / "data")
    assert status_of(["submit", str(ROOT / "studies/table07.toml"), "--seeds", "1"]) == 0
    assert "fashion-mnist: 4 files verified" in capsys.readouterr().err


def test_nothing_is_fetched_that_the_service_does_not_miss(
    desk: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machines of a cluster may have the data, wherever they are not here."""
    home = tmp_path / "home"
    monkeypatch.setenv("ABLATE_HOME", str(home))
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    settings = Settings(home=home, tracking_uri="off", ray_address=ELSEWHERE)
    context = replace(open_context(settings), costs=desk.costs)
    with serving(context) as served, published(home, served.url):
        assert status_of(["paper", "T5", "--seeds", "1"]) == 0
    context.store.close()
    assert not (tmp_path / "data").exists()


def test_of_data_that_nobody_can_fetch_it_is_told_where_they_were_looked_for(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["paper", "T5", "--scale", "paper", "--yes"]) == 2
    said = capsys.readouterr().err
    assert f"on this machine: data set 'imagenet': {tmp_path / 'data/imagenet/train'} cannot be listed" in said
    assert "error: /tables/0: T5 (base.dataset): data set 'imagenet' is not on this machine" in said


def test_nothing_is_fetched_for_a_service_that_looks_elsewhere(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = {"ABLATE_HOME": str(tmp_path / "other"), "ABLATE_DATA": str(tmp_path / "others")}
    for name, value in elsewhere.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            for command in (["paper", "T5"], ["submit", str(ROOT / "studies/table05.toml")]):
                assert status_of([*command, "--seeds", "1", "--url", own]) == 2
                assert "fetch it with: ablate data fetch fashion-mnist" in capsys.readouterr().err
    assert not [*tmp_path.glob("data/*"), *tmp_path.glob("others/*")]


def test_where_none_is_named_the_tables_are_those_that_have_the_scale(
    api: TestClient, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = post(api, f"{PAPER}/plan", scale="released-code", seeds=1).json()
    assert [table["id"] for table in plan["items"]] == ["T1", "T5", "T6", "T7", "T9", "T10"]
    assert plan["left_out"] == ["T2", "T3", "T4", "T8"]
    assert post(api, f"{PAPER}/plan", scale="mini", seeds=1).json()["left_out"] == []
    [error] = post(api, f"{PAPER}/plan", tables=["T2"], scale="released-code").json()["errors"]
    assert (error["pointer"], error["code"]) == ("/scale", "unknown_scale")
    assert status_of(["paper", "--scale", "released-code", "--url", url]) == 2
    assert "left out, because they have no scale 'released-code': T2, T3, T4, T8" in capsys.readouterr().err


def test_the_command_gives_the_answer_as_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["paper", "T5", "T7", "--seeds", "1", "--json", "--url", url]) == 0
    said = capsys.readouterr()
    answer = json.loads(said.out)
    assert (answer["rows"], [study["name"] for study in answer["items"]]) == (11, ["table05", "table07"])
    assert "warning: T5, T7: with 1 seed the table has no standard deviation" in said.err


def test_the_command_lists_the_tables_without_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["paper", "--list", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert [item["id"] for item in items] == [table.id for table in list_tables()]
    assert status_of(["paper", "T7", "--list"]) == 0
    assert capsys.readouterr().out.startswith("T7    6 rows  Does a larger window help")


def test_without_a_terminal_the_command_wants_yes(
    api: TestClient, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(studies_of(api))
    assert status_of(["paper", "T5", "--scale", "paper", "--url", url]) == 2
    said = capsys.readouterr().err
    assert "arithmetic, not a measurement" in said
    assert "nothing was submitted; give --yes" in said
    assert len(studies_of(api)) == before


def test_on_a_terminal_the_command_asks(api: TestClient, url: str) -> None:
    before = len(studies_of(api))
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "service.cli.main", "paper", "T5", "--scale", "paper", "--url", url]
    os.write(terminal, b"n\n")
    done = subprocess.run(command, stdin=inside, capture_output=True, text=True)
    os.close(terminal), os.close(inside)
    assert done.returncode == 2
    assert "GPU-hours? [y/N]" in done.stderr
    assert done.stderr.endswith("error: nothing was submitted\n")
    assert len(studies_of(api)) == before


class Told(Here):
    """Trains nothing: a trial of Table 1 ends with a number that depends on its activation and seed."""

    def submit(self, ticket: Ticket) -> None:
        level = {"relu": 24.0, "prelu": 23.7, "swish": 23.5}.get(ticket.trial.recipe["activation"], 22.4)
        metrics = {"top1_error_pct": level + 0.1 * ticket.trial.seed}
        self.reports.append(
            TrialMessage(ticket, Outcome(status="succeeded", metrics=metrics, train_s=1.0), {"host": "here"})
        )


@contextmanager
def ticking(context: Context) -> Iterator[None]:
    """The scheduler runs in parallel, and every trial ends immediately."""
    scheduler, end = Scheduler(context, Told), threading.Event()

    def run() -> None:
        scheduler.start()
        while not end.is_set():
            scheduler.tick()
        scheduler.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    end.set()
    context.changed.set()
    thread.join()


def test_the_command_waits_for_every_table(desk: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = replace(open_context(desk.settings.model_copy(update={"home": tmp_path})), costs=desk.costs)
    with ticking(context), serving(context) as served:
        assert status_of(["paper", "T5", "T7", "--seeds", "1", "--wait", "--url", served.url]) == 0
        text = capsys.readouterr().out
        assert status_of(["paper", "T5", "T7", "--seeds", "1", "--wait", "--json", "--url", served.url]) == 0
        tables = json.loads(capsys.readouterr().out)["items"]
    context.store.close()
    assert text.index("A Max(x, ParamPool(x)) (baseline)") < text.index("B 3x3 (baseline)")
    assert [table["study"] for table in tables] == ["table05", "table07"]
    assert [len(table["rows"]) for table in tables] == [5, 6]


GAINS = f"{PAPER}/gains"


@pytest.fixture
def table1(document: dict[str, Any]) -> dict[str, Any]:
    """Rows of Table 1 at scale mini, on digits."""
    names = {"ReLU": "relu", "PReLU": "prelu", "Swish": "swish", "FReLU": "frelu"}
    rows = [{"label": f"resnet50 / {name}", "set": {"activation": value}} for name, value in names.items()]
    return document | {"rows": rows, "table": {"published": "T1"}, "scales": {"mini": {"batch_size": 128}}}


@pytest.mark.slow
def test_the_figure_has_what_is_trained(client: TestClient, context: Context, table1: dict[str, Any]) -> None:
    before = client.get(f"{GAINS}.svg")
    assert before.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in before.headers["content-security-policy"]
    study = client.post("/api/v1/studies", json={"study": table1}).json()
    assert client.get(f"{GAINS}.svg").content == before.content
    scheduler = Scheduler(context, Told)
    scheduler.start()
    while client.get(study["links"]["self"]).json()["state"] != "succeeded":
        scheduler.tick()
    scheduler.close()
    assert client.get(f"{GAINS}.svg").content != before.content
    assert client.get(f"{GAINS}.png").content.startswith(b"\x89PNG")
    assert client.get(f"{GAINS}.svg", params={"scale": "paper"}).status_code == 200


def test_the_figure_of_an_unknown_scale_or_format_names_the_nearest(api: TestClient) -> None:
    [error] = api.get(f"{GAINS}.svg", params={"scale": "minni"}).json()["errors"]
    assert (error["pointer"], error["code"]) == ("/scale", "unknown_scale")
    assert "did you mean 'mini'?" in error["message"]
    assert api.get(f"{GAINS}.gif").status_code == 404


@pytest.mark.slow
def test_the_command_draws_the_figure(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figure1.png"
    assert status_of(["paper", "--gains", str(file), "--url", url]) == 0
    assert file.read_bytes().startswith(b"\x89PNG")
    assert status_of(["paper", "--gains", str(tmp_path / "figure1.gif"), "--url", url]) == 2
    assert "should end in .pdf, .svg or .png" in capsys.readouterr().err
