"""A script that an operator registers: studies name it over REST, whatever happens to the script later."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from ablate.cli.app import status_of
from ablate.errors import StudyError
from ablate.remote.client import Client
from ablate.study.plan import plan_document
from ablate.tasks.command.bind import with_command
from ablate.tasks.command.registered import find_registered, pinned
from service.cli import main
from service.context import Context
from service.studies.trials import list_cells
from tests.service.servers import Served

SCRIPT = """
import json, sys
print(json.dumps({"acc": float(sys.argv[1]) + int(sys.argv[2]), "loss": 1.0, "data": open("data/bias.txt").read()}))
"""
COMMAND = {"run": "python train.py {lr} {seed}", "metrics": {"acc": "max", "loss": "min"}, "fields": {"lr": 0.5}}
STUDY = {"name": "mine", "seeds": 2, "rows": [{"label": "plain"}, {"label": "fast", "set": {"lr": 0.75}}]}
OVER_REST = STUDY | {"base": {"task": "mine"}}

Ablate = Callable[..., str]
assert main  # the service's commands are commands of the app


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "bias.txt").write_text("7")
    (folder / "train.py").write_text(SCRIPT)
    (folder / "mine.json").write_text(json.dumps(STUDY | {"command": COMMAND}))
    return folder


@pytest.fixture
def ablate(
    project: Path, context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ablate:
    """Runs a command in the project, on the machine of the service, and gives what it prints."""
    monkeypatch.setenv("ABLATE_HOME", str(context.settings.home))
    monkeypatch.chdir(project)

    def call(*arguments: str, status: int = 0) -> str:
        found = status_of(list(arguments))
        shown = capsys.readouterr()
        assert found == status, shown.err
        return shown.out if status == 0 else shown.err

    return call


def metrics_of(context: Context, study_id: str) -> dict[tuple[str, int], dict[str, float]]:
    cells = list_cells(context, study_id, state=None, limit=100, cursor=None).items
    return {(cell.row, cell.seed): dict(cell.metrics or {}) for cell in cells}


def submit(client: TestClient, study: dict[str, Any], status: int = 201) -> dict[str, Any]:
    answer = client.post("/api/v1/studies", json={"study": study})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def test_a_registered_script_trains_over_rest_and_later_edits_change_nothing_until_the_update(
    client: TestClient, context: Context, project: Path, ablate: Ablate, finish: Callable[[str], None]
) -> None:
    added = json.loads(ablate("task", "add", "mine", "mine.json", "--json"))
    assert added["metrics"] == {"acc": False, "loss": True}
    assert added["code"] == ["train.py"]
    (entry,) = [task for task in client.get("/api/v1/catalog").json()["tasks"] if task["name"] == "mine"]
    assert entry["versions"] == [added["version"]]
    assert [(field["name"], field["default"]) for field in entry["fields"]] == [("lr", 0.5)]

    (project / "train.py").write_text(SCRIPT.replace('"acc": float', '"acc": 100 + float'))
    first = submit(client, OVER_REST)
    finish(first["id"])
    found = metrics_of(context, first["id"])
    assert found[("fast", 1)] == {"acc": 1.75, "loss": 1.0}
    assert {row for row, _ in found} == {"plain", "fast"}
    table = client.get(f"/api/v1/studies/{first['id']}/table?format=csv").text
    assert {"acc_mean", "loss_mean"} <= {*table.splitlines()[0].split(",")}

    shown = ablate("task", "update", "mine")
    assert "changes: 1 file, +1 -1 lines" in shown
    assert "new version: mine@" in shown
    assert "nothing changed: mine@" in ablate("task", "update", "mine")
    second = submit(client, OVER_REST)
    finish(second["id"])
    assert metrics_of(context, second["id"])[("fast", 1)]["acc"] == 101.75
    extended = client.post(f"/api/v1/studies/{first['id']}/extend", json={"seeds": 3})
    assert extended.status_code == 200, extended.text
    finish(first["id"])
    assert metrics_of(context, first["id"])[("fast", 2)]["acc"] == 2.75  # with the code that the study began with


def test_a_removed_task_takes_no_study_and_stored_ones_go_on(
    client: TestClient, context: Context, ablate: Ablate, finish: Callable[[str], None]
) -> None:
    ablate("task", "add", "mine", "mine.json")
    first = submit(client, OVER_REST)
    version = find_registered("mine")
    assert version is not None
    assert ablate("task", "remove", "mine").startswith("removed: mine; studies that are stored keep 1 version of it")
    finish(first["id"])
    assert len(metrics_of(context, first["id"])) == 4
    assert client.get(f"/api/v1/studies/{first['id']}/table").status_code == 200
    for task in ("mine", version.pinned):
        (problem,) = submit(client, OVER_REST | {"base": {"task": task}}, status=422)["errors"]
        assert (problem["pointer"], problem["code"]) == ("/study/base/task", "unknown_task")
        assert problem["message"].startswith("task 'mine' was removed")
    assert "no registered task 'mine'" in ablate("task", "show", "mine", status=2)
    assert "no task is registered" in ablate("task", "list")
    ablate("task", "add", "mine", "mine.json")
    submit(client, OVER_REST)


def test_a_version_or_name_that_nobody_registered_is_refused_with_the_nearest(
    client: TestClient, ablate: Ablate
) -> None:
    pinned_name = json.loads(ablate("task", "add", "mine", "mine.json", "--json"))
    for task, message in {
        "mina": "no task 'mina'; did you mean 'mine'?",
        f"mine@{'0' * 16}": f"task 'mine' has no version '{'0' * 16}'; its newest one is mine@{pinned_name['version']}",
        f"command@{pinned_name['version']}": "code never comes with a request. On the machine of the service, `ablate",
        "../mine": "no task '../mine'",
    }.items():
        (problem,) = submit(client, OVER_REST | {"base": {"task": task}}, status=422)["errors"]
        assert problem["message"].startswith(message)


def test_the_same_code_has_the_same_keys_at_the_desk_and_at_the_service(project: Path, ablate: Ablate) -> None:
    ablate("task", "add", "mine", "mine.json")
    at_desk = plan_document(with_command(STUDY | {"command": COMMAND}, project))
    at_service = plan_document(pinned(OVER_REST))
    assert [*at_desk.trials] == [*at_service.trials]
    assert at_desk.metrics == at_service.metrics


def test_a_file_with_a_command_is_submitted_as_the_task_that_has_its_code(
    served: Served, project: Path, ablate: Ablate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_URL", served.url)
    refused = ablate("submit", "mine.json", status=2)
    assert "the service has no task with this command and this code. On its machine, `ablate task add NAME" in refused
    version = json.loads(ablate("task", "add", "mine", "mine.json", "--json"))["version"]
    study_id = ablate("submit", "mine.json").strip()
    scheduled = ablate("schedule", "add", "nightly", "mine.json", "--cron", "0 2 * * *")
    assert scheduled.startswith("nightly: ")
    with Client(served.url) as client:
        (task,) = [one for one in client.tasks.list() if one.versions]
        assert (task.name, task.versions) == ("mine", [version])
        assert client.study(study_id).name == "mine"
        assert client.plan(project / "mine.json").known == 0
        (project / "train.py").write_text(SCRIPT + "\n# edited\n")
        with pytest.raises(StudyError, match=r"gives a registered task \(mine\) its newest code"):
            client.submit(project / "mine.json")


def test_a_damaged_registration_harms_no_other_task(client: TestClient, context: Context, ablate: Ablate) -> None:
    ablate("task", "add", "good", "mine.json")
    ablate("task", "add", "mine", "mine.json")
    (context.settings.home / "tasks" / "mine.json").write_bytes(b"\xff{")
    tasks = {task["name"]: task for task in client.get("/api/v1/catalog").json()["tasks"]}
    sentence = "the registration of task 'mine' cannot be read: it is damaged; register it again: ablate task add"
    assert tasks["mine"]["problem"] == f"{sentence} mine STUDY"
    assert tasks["good"]["problem"] is None
    (problem,) = submit(client, OVER_REST, status=422)["errors"]
    assert problem["message"] == tasks["mine"]["problem"]
    submit(client, OVER_REST | {"base": {"task": "good"}})
    assert "good@" not in ablate("task", "add", "mine", "mine.json")
    submit(client, OVER_REST)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["add", "Mine", "mine.json"], "'Mine' is not a name for a task; a name has 1 to 40 lower-case letters"),
        (["add", "classify", "mine.json"], "'classify' is a task that comes with ablate or a package; choose another"),
        (["add", "other", "plain.json"], "the study has no [command], which is what is registered; draft one with"),
        (["add", "other", "wrong.json"], "no recipe field 'lrr'; did you mean 'lr'?"),
        (["add", "mine", "mine.json"], "task 'mine' is registered; `ablate task update mine` gives it a new version"),
        (["update", "other"], "no registered task 'other'"),
        (["remove", "min"], "no task 'min'; did you mean 'mine'?"),
    ],
)
def test_what_cannot_be_registered_is_refused_in_a_sentence(
    arguments: list[str], sentence: str, project: Path, ablate: Ablate
) -> None:
    (project / "plain.json").write_text(json.dumps(STUDY))
    wrong = STUDY | {"command": COMMAND, "rows": [{"label": "a", "set": {"lrr": 1}}]}
    (project / "wrong.json").write_text(json.dumps(wrong))
    ablate("task", "add", "mine", "mine.json")
    assert sentence in ablate("task", *arguments, status=2)


def test_the_page_lists_the_task_with_its_fields_and_starts_a_study_of_it(client: TestClient, ablate: Ablate) -> None:
    ablate("task", "add", "mine", "mine.json")
    page = client.get("/tasks").text
    assert page.index("mine") < page.index("classify")
    assert "<code>lr</code>" in page
    assert '<a href="/?task=mine#new">' in page
    form = client.get("/?task=mine").text
    assert "task = &#34;mine&#34;" in form
    assert "[command]" not in form
    assert client.get("/?task=other").status_code == 404


FUNCTION = """
import ablate

@ablate.task(metrics={"acc": "max"})
def train(lr: float = 0.5, *, seed: int):
    yield {"step": 1, "acc": 0.0}
    yield {"step": 2, "acc": lr + seed}
"""


def test_a_registered_function_trains_over_rest_with_the_code_of_its_version(
    client: TestClient, context: Context, project: Path, ablate: Ablate, finish: Callable[[str], None]
) -> None:
    (project / "mlp.py").write_text(FUNCTION)
    added = json.loads(ablate("task", "add", "mlp", "mlp.py:train", "--json"))
    assert (added["metrics"], [field["name"] for field in added["fields"]]) == ({"acc": False}, ["lr"])
    study = STUDY | {"base": {"task": "mlp"}}
    first = submit(client, study)
    finish(first["id"])
    assert metrics_of(context, first["id"])[("fast", 1)] == {"acc": 1.75}
    (project / "mlp.py").write_text(FUNCTION.replace("lr + seed", "10 + lr + seed"))
    assert "new version: mlp@" in ablate("task", "update", "mlp")
    second = submit(client, study)
    finish(second["id"])
    assert metrics_of(context, second["id"])[("fast", 1)] == {"acc": 11.75}
    assert "'mlp.py' has no task 'trian'; did you mean 'train'?" in ablate("task", "add", "x", "mlp.py:trian", status=2)
    assert "there is no file 'no.py'" in ablate("task", "add", "x", "no.py:train", status=2)
    (project / "bad.py").write_text("raise RuntimeError('no data')")
    assert "'bad.py' cannot be imported: RuntimeError: no data" in ablate("task", "add", "x", "bad.py:f", status=2)


@pytest.mark.parametrize(
    "change",
    [
        {"versions": []},
        {"name": "other"},
        {"study": {"base": 3, "rows": "x"}, "source": 3},
        *({"task": task} for task in ("mine", "imported", "classify", "command@../../x", "command@", "function@\0")),
    ],
)
def test_a_damaged_registration_is_said_and_fails_no_request(
    change: dict[str, Any], client: TestClient, context: Context, ablate: Ablate
) -> None:
    ablate("task", "add", "mine", "mine.json")
    path = context.settings.home / "tasks" / "mine.json"
    document = json.loads(path.read_text())
    if "task" in change:
        document["versions"][0] |= change
    else:
        document |= change
    path.write_text(json.dumps(document))
    (entry,) = [task for task in client.get("/api/v1/catalog").json()["tasks"] if task["name"] == "mine"]
    assert entry["problem"].startswith("the registration of task 'mine' cannot be read: it is damaged")
    assert "it is damaged" in client.get("/tasks").text
    answer = submit(client, OVER_REST, 422)
    assert answer["errors"][0]["message"] == entry["problem"]
    ablate("task", "add", "mine", "mine.json")
    submit(client, OVER_REST)


def test_a_task_whose_stored_code_is_damaged_or_gone_is_said_and_fails_no_request(
    client: TestClient, context: Context, project: Path, ablate: Ablate
) -> None:
    (project / "mlp.py").write_text(FUNCTION)
    ablate("task", "add", "mine", "mine.json")
    ablate("task", "add", "mlp", "mlp.py:train")

    def problems() -> dict[str, str | None]:
        assert client.get("/tasks").status_code == 200
        return {task["name"]: task["problem"] for task in client.get("/api/v1/catalog").json()["tasks"]}

    assert problems()["mine"] is problems()["mlp"] is None
    for folder in (context.settings.home / "code").iterdir():
        (folder / "place.json").write_text("{")
    assert "place.json of the stored code" in str(problems()["mlp"])
    shutil.rmtree(context.settings.home / "code")
    found = problems()
    assert "the code of this command is not in the state directory" in str(found["mine"])
    assert "the code of this function is not in the state directory" in str(found["mlp"])
    assert submit(client, OVER_REST, 422)["errors"][0]["message"] == found["mine"]


def test_a_name_without_digest_is_that_of_the_newest_version_and_stays_it(client: TestClient, ablate: Ablate) -> None:
    ablate("task", "add", "mine", "mine.json")
    assert pinned(STUDY | {"base": {"task": "mine@"}}) == pinned(OVER_REST)
    submit(client, STUDY | {"base": {"task": "mine@"}})


@pytest.mark.parametrize("command", [COMMAND, COMMAND | {"keep_results_of": "0" * 8}])
def test_a_command_beside_a_registered_task_is_refused(
    command: dict[str, Any], client: TestClient, ablate: Ablate
) -> None:
    ablate("task", "add", "mine", "mine.json")
    answer = submit(client, OVER_REST | {"command": command}, 422)
    assert [one["pointer"] for one in answer["errors"]] == ["/study/command"]
    assert answer["errors"][0]["message"].startswith("code never comes with a request")


@pytest.mark.parametrize(
    "name", ["command@../elsewhere", "command@{folder}", "function@{folder}", "command@" + "a" * 9999]
)
def test_a_digest_is_never_taken_for_a_path(
    name: str, client: TestClient, context: Context, project: Path, ablate: Ablate
) -> None:
    ablate("task", "add", "mine", "mine.json")
    (code,) = (context.settings.home / "code").iterdir()
    elsewhere = context.settings.home / "elsewhere"
    code.rename(elsewhere)
    study = STUDY | {"base": {"task": name.format(folder=elsewhere)}}
    (error,) = submit(client, study, 422)["errors"]
    assert "is not in the state directory" in error["message"]
    assert len(error["message"]) < 300
