"""No command lets text of others control the terminal: hostile files, and a server that lies in every field.

The server stands for a foreign one, or one that was taken over: it answers with documents of the right shape whose
every text is hostile, with problem documents, or with something that is not JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin
from urllib.parse import urlsplit

import pytest
import typer
from pydantic import BaseModel

from ablate.cli.app import app, status_of
from ablate.remote.documents.events import KINDS
from ablate.remote.documents.firings import FiringView, Today
from ablate.remote.documents.ledger import Ledger
from ablate.remote.documents.paper import PaperPlan, PaperView
from ablate.remote.documents.schedules import ChangedSchedule, ScheduleView
from ablate.remote.documents.studies import ChangedStudy, StudyView
from ablate.remote.documents.trials import CellView, FilesView, TrialView
from ablate.tables.table import Table
from ablate.tables.two_rows import RowComparison
from service.cli import main
from tests.image_folders import write_folder

assert main  # the service's commands are commands of the app

NAME = "\x1b]0;evil\x07\u202e\x9b2J\n2026 ERROR forged [red]x"
"""Takes over a terminal, turns text round, forges a line of a log, and is markup of rich."""
RAW = ("\x1b]0", "\x07", "\u202e", "\x9b", "\n2026 ERROR")
SHOWN = r"\x1b]0;evil\x07\u202e"
TEXT = NAME.replace("\n", " ")
"""For a table and a log, in which lines are meant."""
STUDY, KEY = "0" * 20, "0" * 16


def fill(kind: Any) -> Any:
    """A value of a type, as JSON: every text in it is hostile."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return arguments[0]
    if origin is Annotated:
        return fill(arguments[0])
    if origin in (Union, types.UnionType):
        return fill(next(one for one in arguments if one is not type(None)))
    if origin in (list, tuple):
        return [fill(arguments[0])]
    if origin is dict:
        return {fill(arguments[0]): fill(arguments[1])}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name: fill(field.annotation) for name, field in kind.model_fields.items()}
    return {bool: True, int: 1, float: 1.5, datetime: "2026-05-04T10:00:00Z"}.get(kind, NAME)


def page_of(kind: type[BaseModel]) -> dict[str, Any]:
    return {"items": [fill(kind)], "next": None}


TODAY = {**fill(Today), "needs_person": True}
STUDY_VIEW = {**fill(StudyView), "id": STUDY}
CHANGED = {**fill(ChangedStudy), "id": STUDY}
ANSWERS: dict[str, Any] = {
    "/studies": {"items": [STUDY_VIEW], "next": None},
    "/trials": page_of(CellView),
    "/compare": fill(RowComparison),
    "/table": fill(Table),
    f"/{KEY}": fill(TrialView),
    "/files": fill(FilesView),
    "/paper/plan": fill(PaperPlan),
    "/paper": {**fill(PaperView), "items": [STUDY_VIEW]},
    **{f"/{verb}": CHANGED for verb in ("cancel", "retry", "pause", "resume", "extend")},
    "/schedules": page_of(ScheduleView),
    "/night": fill(ChangedSchedule),
    "/ack": fill(ChangedSchedule),
    "/history": page_of(FiringView),
    "/trigger": fill(FiringView),
    "/today": TODAY,
    "/ledger": fill(Ledger),
}


class Lies(BaseHTTPRequestHandler):
    """Answers as the path of the server's address says: /documents, /problems, /shapes or /noise."""

    way = "documents"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body, kind = getattr(self, self.way)(urlsplit(self.path))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def documents(self, address: Any) -> tuple[int, bytes, str]:
        path, is_post = address.path, self.command == "POST"
        if path.endswith("/events"):
            events = [f"event: {kind}\ndata: {json.dumps(fill(KINDS[kind]))}\n\n" for kind in KINDS]
            return 200, "".join(events).encode(), "text/event-stream"
        if path.endswith("/log") or "format=" in address.query:
            return 200, TEXT.encode(), "text/plain; charset=utf-8"
        if is_post and path.endswith("/studies"):
            return 201, json.dumps(STUDY_VIEW).encode(), "application/json"
        if is_post and path.endswith("/schedules"):
            return 201, json.dumps(ANSWERS["/night"]).encode(), "application/json"
        found = next((answer for end, answer in ANSWERS.items() if path.endswith(end)), STUDY_VIEW)
        return 200, json.dumps(found).encode(), "application/json"

    def problems(self, address: Any) -> tuple[int, bytes, str]:
        finding = {"pointer": f"/study/{NAME}", "code": NAME, "message": NAME}
        wrong = [finding] if "/studies" in address.path else []
        problem = {"type": NAME, "title": NAME, "detail": NAME, "instance": NAME, "errors": wrong}
        return 422 if wrong else 409, json.dumps(problem).encode(), "application/problem+json"

    def untitled(self, _: Any) -> tuple[int, bytes, str]:
        return 500, json.dumps({"title": NAME}).encode(), "application/problem+json"

    def shapes(self, _: Any) -> tuple[int, bytes, str]:
        return 200, json.dumps([NAME, {NAME: NAME}]).encode(), "application/json"

    def wrong_shapes(self, _: Any) -> tuple[int, bytes, str]:
        return 422, json.dumps({"detail": [NAME], "errors": {NAME: NAME}}).encode(), "application/json"

    def noise(self, _: Any) -> tuple[int, bytes, str]:
        return 200, TEXT.encode() + b"\xff" + b"[" * 100_000, "application/json"

    def loud_noise(self, _: Any) -> tuple[int, bytes, str]:
        return 502, NAME.encode() + b"\xff", "text/html"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Lies)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with hostile files, and a state directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / TEXT))
    rows = [{"label": "[red]plain[/red]"}, {"label": "b", "set": {"ending": "raises"}}]
    study = {"name": "toys", "title": NAME, "question": NAME, "seeds": 1, "base": {"task": "toy"}, "rows": rows}
    Path("study.json").write_text(json.dumps(study))
    Path("wrong.json").write_text(json.dumps({**study, "scales": {NAME: {}}, NAME: 1, "table": {"baseline": NAME}}))
    Path(f"{NAME}.toml").write_text("name = 1")
    Path("hostile.csv").write_text(f'row,seed,acc\na,"{NAME}",0.5\n')
    with zipfile.ZipFile("forged.zip", "w") as archive:
        archive.writestr(f"../{NAME}", "leaves the folder")
    folder = write_folder(tmp_path / f"photos {NAME}", {"cat": 12, f"dog {NAME}": 12})
    (folder / "cat" / f"{NAME}.txt").write_text("not an image")
    (folder / "cat" / f"{NAME}.png").write_bytes(b"not an image either")


class Case(NamedTuple):
    """Arguments of a command, its exit status, and whether it has to show hostile text."""

    arguments: list[str]
    status: int = 0
    shows: bool = True


LOCAL = {
    "run": [
        Case(["run", "study.json", "--out", TEXT], 1), Case(["run", "wrong.json"], 2), Case(["run", NAME], 2),
        Case(["run", "study.json", "--json"], 1, shows=False),
    ],
    "check": [
        Case(["check", "study.json", "--out", TEXT], 0, shows=False), Case(["check", "wrong.json"], 2),
        Case(["check", f"{NAME}.toml"], 2, shows=False), Case(["check", "wrong.json", "--json"], 2, shows=False),
    ],
    "init": [Case(["init", NAME], 2), Case(["init", "study.json", "--out", "-"], 2, shows=False)],
    "import": [
        Case(["import", "mine", NAME], 2), Case(["import", "mine", "hostile.csv"], 2),
        Case(["import", "mine", "hostile.csv", "--row", NAME], 2),
    ],
    "verify": [Case(["verify", NAME], 2), Case(["verify", "forged.zip"], 2), Case(["verify", "study.json"], 2, False)],
    "sites": [Case(["sites", NAME], 2, shows=False), Case(["sites", "resnet50", "wrong.json", NAME], 2)],
    "serve": [Case(["serve", "--host", NAME], 2, shows=False), Case(["serve", "--role", NAME], 2)],
    "doctor": [Case(["doctor", NAME], 2)],
    "selftest": [Case(["selftest", "--null", "0"], 2, shows=False), Case(["selftest", "--home", "."], 2, shows=False)],
    "data list": [Case(["data", "list"], shows=False)],
    "data fetch": [Case(["data", "fetch", NAME], 2)],
    "data add": [
        Case(["data", "add", NAME, "."], 2),
        Case(["data", "add", "mine", NAME], 2),
        Case(["data", "add", "mine", f"photos {NAME}"], 2),
        Case(["data", "add", "mine", f"photos {NAME}", "--skip-damaged"]),
    ],
    "task add": [Case(["task", "add", NAME, "study.json"], 2, shows=False), Case(["task", "add", "mine", NAME], 2)],
    "task update": [Case(["task", "update", NAME], 2)],
    "task list": [Case(["task", "list"], shows=False)],
    "task show": [Case(["task", "show", NAME], 2)],
    "task remove": [Case(["task", "remove", NAME], 2)],
}  # fmt: skip
"""Commands that need no service, with what others can name: files, folders, and what is in a study."""

REMOTE = {
    "paper": Case(["paper", "T5", "--yes"]),
    "submit": Case(["submit", "study.json"]),
    "list": Case(["list"]),
    "show": Case(["show", STUDY]),
    "watch": Case(["watch", STUDY], 1),
    "table": Case(["table", STUDY]),
    "export": Case(["export", STUDY, f"{TEXT}.zip"], 2, shows=False),
    "compare": Case(["compare", STUDY, NAME, "b"]),
    "plot": Case(["plot", STUDY, "forest"], shows=False),
    **{name: Case([name, STUDY]) for name in ("cancel", "retry", "pause", "resume")},
    "extend": Case(["extend", STUDY, "--seeds", "4"]),
    "today": Case(["today"], 1),
    "ledger": Case(["ledger", "--all"]),
    "trial": Case(["trial", KEY]),
    "logs": Case(["logs", KEY]),
    "files": Case(["files", KEY]),
    "rerun": Case(["rerun", KEY], 2),
    "schedule add": Case(["schedule", "add", "night", "study.json", "--cron", "0 2 * * *"]),
    "schedule list": Case(["schedule", "list"]),
    "schedule history": Case(["schedule", "history", "night"]),
    "schedule trigger": Case(["schedule", "trigger", "night"]),
    "schedule pause": Case(["schedule", "pause", "night"]),
    "schedule resume": Case(["schedule", "resume", "night"]),
    "schedule ack": Case(["schedule", "ack", "night", "--reason", NAME]),
    "schedule remove": Case(["schedule", "remove", "night"], shows=False),
}


def commands() -> Iterator[str]:
    def walk(command: Any, name: str) -> Iterator[str]:
        for word, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, f"{name} {word}")
        if not hasattr(command, "commands"):
            yield name.strip()

    return walk(typer.main.get_command(app), "")


def test_every_command_is_walked() -> None:
    assert sorted(commands()) == sorted([*LOCAL, *REMOTE])


def look(capsys: pytest.CaptureFixture[str], case: Case) -> str:
    """Run a command; both of its streams."""
    status = status_of(case.arguments)
    shown = capsys.readouterr()
    text = shown.out + "\n" + shown.err
    assert not [raw for raw in RAW if raw in text], ascii(text)
    assert "Traceback" not in text
    assert status == case.status, text
    assert not case.shows or SHOWN in text, text
    if "--json" in case.arguments and shown.out:
        json.loads(shown.out)
    return text


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [case for cases in LOCAL.values() for case in cases], ids=lambda case: case.arguments[0]
)
def test_hostile_files_and_names_stay_text(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    look(capsys, case)


@pytest.mark.slow
def test_a_registered_folder_of_a_hostile_name_is_listed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    add = ["data", "add", "mine", f"photos {NAME}", "--skip-damaged"]
    look(capsys, Case([*add, "--json"], shows=False))
    look(capsys, Case(["data", "list"]))
    look(capsys, Case(["data", "list", "--json"], shows=False))


@pytest.mark.parametrize("name", REMOTE)
def test_a_server_that_lies_in_every_field_stays_text(
    name: str, server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lies, "way", "documents")
    case = REMOTE[name]
    text = look(capsys, case._replace(arguments=[*case.arguments, "--url", server]))
    assert "[red]x" in text or not case.shows, "markup of rich is text too"
    if name not in ("watch", "rerun", "table"):
        look(capsys, Case([*case.arguments, "--url", server, "--json"], case.status, shows=False))


@pytest.mark.parametrize(
    "arguments", [["watch", STUDY], ["submit", "study.json", "--wait"], ["paper", "--yes", "--wait"]]
)
def test_bars_on_a_terminal_show_text(
    arguments: list[str], server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lies, "way", "documents")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "400")
    assert "\x1b[" in look(capsys, Case([*arguments, "--url", server], 1)), "rich writes for a terminal"


@pytest.mark.parametrize("way", ["problems", "untitled", "shapes", "wrong_shapes", "noise", "loud_noise"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_server_that_answers_anything_else_ends_every_command_in_a_sentence(
    way: str, as_json: bool, server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lies, "way", way)
    for name, case in REMOTE.items():
        arguments = [*case.arguments, "--url", server, *(["--json"] if as_json else [])]
        capsys.readouterr()
        status = status_of(arguments)
        shown = capsys.readouterr()
        text = shown.out + "\n" + shown.err
        assert not [raw for raw in RAW if raw in text], (name, ascii(text))
        assert "Traceback" not in text, (name, text)
        if way in ("problems", "untitled"):
            assert status in (2, 70), name
            assert SHOWN in text or as_json, name
