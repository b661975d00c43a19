"""The commands about schedules against a real service, whose task returns a number from a file next to it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.app import status_of
from ablate.errors import quote
from service.cli import main
from service.cli.today import read_since
from tests.service.processes import Running, serving, until
from tests.service.schedules.test_notify import Mailbox, receiving

INLINE = {"ABLATE_DISPATCHER": "inline", "ABLATE_TRACKING_URI": "off", "ABLATE_WORKERS": "1"}
TASK = '''
"""A task that reads its number from a file next to it, so that its code does not change."""
from pathlib import Path
from pydantic import BaseModel, ConfigDict
from ablate.trials.trial import EpochMetrics, Outcome

class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True)

class Filed:
    Recipe = Recipe
    metrics = {"error": True}

    def run(self, recipe, seed, workdir):
        number = float((Path(__file__).parent / "number").read_text())
        yield EpochMetrics(step=1, steps=1, epoch=1.0, metrics={"error": number})
        yield Outcome(status="succeeded", metrics={"error": number + seed}, train_s=0.1)

task = Filed()
'''


@pytest.fixture(autouse=True)
def _logging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    assert main.main


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "filed-1.dist-info").mkdir(parents=True)
    (folder / "filed_task.py").write_text(TASK)
    (folder / "number").write_text("1.0")
    (folder / "filed-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: filed\nVersion: 1\n")
    (folder / "filed-1.dist-info" / "entry_points.txt").write_text("[ablate.tasks]\nfiled = filed_task:task\n")
    return folder


@pytest.fixture
def study(tmp_path: Path) -> str:
    path = tmp_path / "study.json"
    path.write_text(json.dumps({"name": "filed", "seeds": 1, "base": {"task": "filed"}, "rows": [{"label": "only"}]}))
    return str(path)


def caller(running: Running, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command against the service: exit status, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = status_of([*arguments, "--url", running.client.url])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


def fire(running: Running, call: Callable[..., tuple[int, str, str]]) -> dict[str, Any]:
    """Trigger the schedule, and wait until its firing has its numbers."""
    status, out, err = call("schedule", "trigger", "nightly", "--json")
    assert status == 0, err
    firing = json.loads(out)["id"]

    def found() -> dict[str, Any]:
        items = running.client.get("/schedules/nightly/history")["items"]
        return next(one for one in items if one["id"] == firing)

    until(lambda: found()["state"] not in ("queued", "running"), "the firing is settled", running.log)
    return found()


@pytest.mark.slow
def test_a_changed_number_is_found_told_once_across_a_restart_and_acknowledged(
    tmp_path: Path, site: Path, study: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving() as mailbox:
        told = INLINE | {"ABLATE_NOTIFY_URL": mailbox.url}
        with serving(tmp_path / "home", site, **told) as running:
            _until_the_change(running, site, study, capsys, mailbox)
        with serving(tmp_path / "home", site, **told) as running:
            call = caller(running, capsys)
            assert call("today")[0] == 1
            status, out, err = call("schedule", "ack", "nightly", "--reason", "the file was edited")
            assert (status, "acknowledged; fires next" in out) == (0, True), err
            status, out, _ = call("today")
            assert (status, out.splitlines()[-1]) == (0, "nothing needs a person")
            assert (fire(running, call)["kind"], fire(running, call)["drift"]["state"]) == ("reference", "steady")
            own = json.loads(call("submit", study, "--json")[1])["id"]
            assert fire(running, call)["study_id"] != own
            assert json.loads(call("show", "filed", "--json")[1])["id"] == own
            _pause_and_remove(call)
        ids = [one["id"] for one in mailbox.got]
        assert len(ids) == len(set(ids))
        assert [one["kind"] for one in mailbox.got].count("drift") == 1


def _until_the_change(
    running: Running, site: Path, study: str, capsys: pytest.CaptureFixture[str], mailbox: Mailbox
) -> None:
    call = caller(running, capsys)
    options = ("--cron", "0 2 * * *", "--tz", "Europe/Berlin")
    status, out, err = call("schedule", "add", "nightly", study, *options)
    assert (status, "nightly: At 02:00 every day (Europe/Berlin); fires next " in out) == (0, True), err
    assert call("schedule", "add", "nightly", study, "--cron", "0 3 * * *")[0] == 2
    assert fire(running, call)["drift"]["state"] == "reference"
    assert fire(running, call)["drift"]["state"] == "steady"
    assert call("today")[0] == 0
    (site / "number").write_text("1.25")
    changed = fire(running, call)
    assert (changed["drift"]["state"], changed["comparisons"][0]["first_difference_step"]) == ("alarm", 1)
    status, out, _ = call("schedule", "history", "nightly")
    assert status == 0
    assert "error by +25 % (1 then, 1.25 now)" in out
    status, out, _ = call("today")
    assert status == 1
    assert "! drift: row 'only', seed 0, does not reproduce its stored results" in out
    assert "1 to acknowledge" in call("schedule", "list")[1]
    until(lambda: "drift" in [one["kind"] for one in mailbox.got], "the alarm is told", running.log)


@pytest.mark.slow
def test_several_files_make_a_schedule_each_or_none(
    tmp_path: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name, label in [("one", "only"), ("two", "only"), ("bad", "")]:
        document = {"name": name, "seeds": 1, "base": {"task": "filed"}, "rows": [{"label": label}]}
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(document))
    one, two, bad = map(str, files)
    with serving(tmp_path / "home", site, **INLINE) as running:
        call = caller(running, capsys)
        add = ("schedule", "add", "nightly", "--cron", "0 2 * * *")

        def names() -> list[str]:
            return [found["name"] for found in running.client.get("/schedules")["items"]]

        status, _, err = call(*add, one, two, bad)
        assert (status, "nightly-bad is refused, so none of the 3 schedules is added" in err) == (2, True), err
        assert names() == []
        status, out, err = call(*add, one, two)
        assert status == 0, err
        assert [line.split(":")[0] for line in out.splitlines()] == ["nightly-one", "nightly-two"]
        assert call(*add, two, bad)[0] == 2
        assert len(json.loads(call(*add, one, two, "--json")[1])["items"]) == 2
        assert sorted(names()) == ["nightly-one", "nightly-two"]


def test_a_file_that_is_no_study_with_a_name_is_refused_by_its_path(
    study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ('["x"]', '{"seeds": 1}', '{"name": 5}'):
        (tmp_path / "other.json").write_text(text)
        command = ["schedule", "add", "nightly", "--cron", "0 2 * * *", study, str(tmp_path / "other.json")]
        assert status_of(command) == 2
        assert "other.json: should be a study with a name" in capsys.readouterr().err


def test_two_files_of_one_study_are_refused(study: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--cron", "0 2 * * *", "--url", "http://127.0.0.1:1")
    assert status_of(["schedule", "add", "nightly", study, study, *options]) == 2
    assert "two of the 2 files have a study named 'filed'" in capsys.readouterr().err


def _pause_and_remove(call: Callable[..., tuple[int, str, str]]) -> None:
    assert "paused" in call("schedule", "pause", "nightly")[1]
    assert call("schedule", "pause", "nightly")[::2] == (
        0, "nightly: nothing changed: the schedule is already paused\n"
    )  # fmt: skip
    assert "fires next" in call("schedule", "resume", "nightly")[1]
    assert call("schedule", "resume", "nightly")[2] == "nightly: nothing changed: the schedule is not paused\n"
    assert json.loads(call("schedule", "list", "--json")[1])["items"][0]["name"] == "nightly"
    assert call("schedule", "remove", "nightly")[0] == 0
    assert call("schedule", "history", "nightly") == (
        2, "", "error: no schedule has the name 'nightly'; `ablate schedule list` lists them\n"
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["history", "trigger", "pause", "resume", "remove"])
@pytest.mark.parametrize("name", ["a b", "../studies", "x" * 65, "", "a?b=c", "a/trigger"])
def test_what_is_no_name_is_refused_in_one_line(verb: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["schedule", verb, name, "--url", "http://127.0.0.1:1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {quote(name)} is not the name of a schedule; a name has letters")


def test_since_is_a_span_or_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert read_since("12h", at) == at - timedelta(hours=12)
    assert read_since("2w", at) == at - timedelta(days=14)
    assert read_since("2026-11-24T08:00+01:00", at) == datetime(2026, 11, 24, 7, tzinfo=UTC)
    for wrong in ("yesterday", "12", "-1d", "99999d", "2026-13-01"):
        assert status_of(["today", "--since", wrong, "--url", "http://127.0.0.1:1"]) == 2
        assert "such as 12h" in capsys.readouterr().err
