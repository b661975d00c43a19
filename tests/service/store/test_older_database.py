"""A database that commit 4367466 made, before modules moved into packages: it opens unchanged and its studies continue.

`before_rooms/database.sql` is its SQLite file as SQL, `toy_task.txt` the task of its trials. It contains the finished
study `finished`, the schedule `nightly` with one firing, and `waiting` with 2 running and 3 queued trials.
"""

from __future__ import annotations

import importlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ablate.remote.documents.studies import Submission
from ablate.trials import registry
from ablate.trials.run import run_trial
from ablate.trials.trial import Outcome
from service.context import Context, open_context
from service.running.scheduler import Scheduler
from service.schedules import lifecycle as calls
from service.settings import Settings
from service.store.sql import now
from service.studies import lifecycle, results, submit, trials

STORED = Path(__file__).parent / "before_rooms"
FINISHED, WAITING = "01m8phbcsvsy6n9dvz0f", "01m8phbevmws7azkd5gw"
AFTER_THE_FIRING = datetime(2026, 3, 3, 3, 0, tzinfo=UTC)
KEYS = [
    "a8f0599a07727c91c04ec2042ed0cd9b6d2667d55b05228a659297c1b9ece7ad",
    "df524d61f565879ee4aee79f360346d7ae75142f23ba8e188cd8abf5b1678e2c",
    "b952432095b268ca7c09984fc566f52f224f681c12e1d00e4be9e038b7cd01db",
]
"""Of the row `offset 0` of `finished`, seeds 0 to 2."""


@pytest.fixture
def old_toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The task `toy` as it was then: keys include a digest of its code."""
    site = tmp_path / "site"
    (site / "toy-1.dist-info").mkdir(parents=True)
    (site / "toy_task.py").write_bytes((STORED / "toy_task.txt").read_bytes())
    (site / "toy-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1\n")
    (site / "toy-1.dist-info" / "entry_points.txt").write_text("[ablate.tasks]\ntoy = toy_task:task\n")
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    registry.get_installed.cache_clear()
    yield
    registry.get_installed.cache_clear()
    sys.modules.pop("toy_task", None)


@pytest.fixture
def older(tmp_path: Path, old_toy: None) -> Iterator[Context]:
    """The service's context on a copy of the database, upgraded in place as at every start."""
    home = tmp_path / "home"
    home.mkdir()
    with closing(sqlite3.connect(home / "ablate.db")) as connection:
        connection.executescript((STORED / "database.sql").read_text(encoding="utf-8"))
    context = open_context(Settings(home=home))
    yield context
    context.close()


def test_stored_leave_one_out_rows_keep_their_labels_and_cells_get_their_groups(tmp_path: Path, old_toy: None) -> None:
    home = tmp_path / "home"
    home.mkdir()
    leave_out = {"name": "finished", "seeds": 3, "base": {"task": "toy"}, "design": "leave_one_out",
                 "factors": [{"name": "offset", "off": {"offset": 1.0}}]}  # fmt: skip
    with closing(sqlite3.connect(home / "ablate.db")) as connection:
        connection.executescript((STORED / "database.sql").read_text(encoding="utf-8"))
        connection.execute("UPDATE studies SET document = ? WHERE id = ?", (json.dumps(leave_out), FINISHED))
        connection.execute("UPDATE schedules SET study = ?", (json.dumps(leave_out),))
        for old, new in (("offset 0", "full"), ("offset 1", "- offset")):
            connection.execute("UPDATE memberships SET row = ? WHERE row = ? AND study_seq = 1", (new, old))
        (text,) = connection.execute("SELECT document FROM studies WHERE id = ?", (WAITING,)).fetchone()
        grouped = json.loads(text)
        grouped["rows"] = [{**row, "group": row["label"][:8]} for row in grouped["rows"]]
        connection.execute("UPDATE studies SET document = ? WHERE id = ?", (json.dumps(grouped), WAITING))
        connection.commit()
    context = open_context(Settings(home=home))
    try:
        found = results.compare(context, FINISHED, "without offset", "full")
        assert (found.a, [one.a for one in found.seeds]) == ("- offset", [2.0, 2.1, 2.2])
        assert results.compare(context, FINISHED, "- offset", "full") == found
        assert {line.split(",")[0] for line in results.get_seeds(context, FINISHED).splitlines()[1:]} == {
            "full", "'- offset",
        }  # fmt: skip
        assert calls.get_schedule(context, "nightly", now()).study == {**leave_out, "minus_labels": True}
        cells = trials.list_cells(context, WAITING, state=None, limit=12, cursor=None).items
        assert {(one.row, one.group) for one in cells} == {
            (f"offset {size}", f"offset {size}"[:8]) for size in ("0", "1", "2.5")
        }
        again = submit.submit(context, Submission(study=leave_out))[0]
        assert (again.progress.trials, again.progress.shared) == (6, 6)
        assert {one.row for one in trials.list_cells(context, again.id, state=None, limit=6, cursor=None).items} == {
            "full", "without offset",
        }  # fmt: skip
    finally:
        context.close()


def test_its_finished_table_reads_as_before(older: Context) -> None:
    table = results.get_table(older, FINISHED)
    assert not table.provisional
    assert [row.label for row in table.rows] == ["offset 0", "offset 1"]
    assert table.row("offset 0").cells["error"].values == {0: 1.0, 1: 1.1, 2: 1.2}
    assert table.row("offset 1").cells["error"].values == {0: 2.0, 1: 2.1, 2: 2.2}
    assert table.row("offset 0").trials == KEYS
    assert [note for note in table.provenance if "before any result was known" in note]
    assert table.summary[0] == "'offset 1' is undecided against 'offset 0'.", "that version kept no summary"


def test_the_same_study_finds_every_trial_that_it_trained(older: Context) -> None:
    rows = [{"label": f"offset {offset:g}", "set": {"offset": offset}} for offset in (0.0, 1.0)]
    document = {"name": "again", "seeds": 3, "base": {"task": "toy"}, "rows": rows}
    progress = submit.submit(older, Submission(study=document))[0].progress
    assert (progress.trials, progress.shared) == (6, 6)


def test_its_schedule_and_its_firing_are_there(older: Context) -> None:
    schedule = calls.get_schedule(older, "nightly", now())
    assert (schedule.cron, schedule.mode) == ("0 2 * * *", "verify")
    (firing,) = calls.list_history(older, "nightly", limit=10, cursor=None).items
    assert (firing.id, firing.state, firing.seeds, firing.repeat) == (1, "done", [0, 1], 1)
    assert [one.reference_key for one in firing.comparisons] == KEYS[:2]
    assert firing.drift is not None
    assert firing.drift.state == "alarm"


def test_its_queued_and_interrupted_trials_are_trained_to_the_end(
    older: Context, machine_parts: Any, tmp_path: Path
) -> None:
    desk_class, dispatcher_class = machine_parts
    dispatcher = dispatcher_class()
    desk = desk_class(older, dispatcher, Scheduler(older, lambda: dispatcher, clock=lambda: AFTER_THE_FIRING))
    before = lifecycle.get_study(older, WAITING)
    assert (before.state, before.progress.queued, before.progress.running) == ("running", 3, 2)
    desk.scheduler.start()
    for _ in range(10):
        desk.tick()
        for ticket in list(dispatcher.running.values()):
            (*_, outcome) = run_trial(ticket.trial, tmp_path / "work")
            assert isinstance(outcome, Outcome)
            dispatcher.end(ticket, **outcome.metrics)
    done = lifecycle.get_study(older, WAITING)
    assert (done.state, done.progress.succeeded, len(dispatcher.started)) == ("succeeded", 12, 5)
    table = results.get_table(older, WAITING)
    assert table.row("offset 2.5").cells["error"].mean == pytest.approx(3.65)
