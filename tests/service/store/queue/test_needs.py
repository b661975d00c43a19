"""Trials that need others, in the queue of SQLite and PostgreSQL: who waits, who ends with whom, what a study says."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

from ablate.remote.documents.studies import Extension, Submission
from ablate.study.plan import plan_document
from ablate.study.resources import ResourcesSpec
from ablate.tables.formats.render import render
from ablate.trials.trial import Outcome
from service.store import schema, tables
from service.store.overview import read_overview
from service.store.queue import claims, demand, needs
from service.store.queue.states import Finish
from service.store.session import Store
from service.store.sql import now
from service.store.studies import get_study
from service.studies import extend, lifecycle, results, trials
from service.studies.submit import add_prepared, plan_only, prepare
from tests.service.conftest import Desk, chain_study

ONE: dict[str, dict[str, Any]] = {"A": {}}
TWO: dict[str, dict[str, Any]] = {"A": {}, "B": {"offset": 1.0}}


def states(desk: Desk, view: Any) -> dict[str, str]:
    return {f"{cell.row} {cell.seed}": cell.state for cell in desk.cells(view)}


def started(desk: Desk) -> list[tuple[str, float, int]]:
    """(task, level or offset, seed) of what was handed out, in order."""
    found = [ticket.trial for ticket in desk.dispatcher.started]
    return [(trial.task, trial.recipe.get("level", trial.recipe.get("offset", 0.0)), trial.seed) for trial in found]


def end_all(desk: Desk, status: str = "succeeded", reason: str | None = None) -> None:
    for ticket in list(desk.dispatcher.running.values()):
        desk.dispatcher.end(ticket, status, reason)
    desk.tick(2)


def test_a_trial_waits_for_what_it_needs_and_then_goes_before_what_stands_behind_it(desk: Desk, chain: Path) -> None:
    desk.dispatcher.places = 1
    study = desk.submit(chain_study(seeds=2))
    for _ in range(8):
        desk.tick()
        end_all(desk)
    assert started(desk) == [
        ("base", 5.0, 0), ("chain", 0.0, 0), ("base", 6.0, 0), ("chain", 0.0, 0),
        ("base", 5.0, 1), ("chain", 0.0, 1), ("base", 6.0, 1), ("chain", 0.0, 1),
    ]  # fmt: skip
    assert desk.study(study).state == "succeeded"


def test_a_trial_is_handed_out_with_the_folder_of_what_it_needs(desk: Desk, chain: Path) -> None:
    desk.submit(chain_study(rows=ONE))
    desk.tick()
    end_all(desk)
    base, child = desk.dispatcher.started
    assert child.trial.needs == {"backbone": base.trial.key}
    assert child.needs == {"backbone": base.workdir}
    assert base.needs == {}


def test_the_cells_of_what_rows_need_count_and_are_no_rows_of_the_table(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=TWO))
    progress = study.progress
    assert (progress.trials, progress.distinct, progress.shared, progress.queued) == (4, 3, 1, 4)
    done = desk.finish(study)
    assert (done.state, done.progress.succeeded) == ("succeeded", 4)
    assert list(states(desk, study)) == ["(backbone) A 0", "(backbone) B 0", "A 0", "B 0"]
    table = results.get_table(desk.context, study.id)
    assert [row.label for row in table.rows] == ["A", "B"]
    assert "Rows start from the weights of 1 trial of task 'base' with the same seed (backbone)." in table.notes[-1]


def test_a_plan_tells_what_rows_need(desk: Desk, chain: Path) -> None:
    answer = plan_only(desk.context, Submission(study=chain_study(rows=TWO)))
    assert (answer.trials, answer.distinct, answer.needed, answer.known) == (4, 3, 1, 0)


@pytest.mark.parametrize("moment", ["before", "while it runs", "after"])
def test_a_restart_loses_nothing_of_who_waits_for_whom(desk: Desk, chain: Path, moment: str) -> None:
    study = desk.submit(chain_study(rows=ONE))
    if moment == "before":
        desk.restart()
    desk.tick()
    if moment == "while it runs":
        desk.restart()
        desk.tick()
        assert started(desk) == [("base", 10.0, 0)] * 2
    desk.dispatcher.end(desk.dispatcher.started[-1])
    if moment == "after":
        desk.scheduler.tick()
        desk.restart()
    desk.tick(2)
    assert started(desk)[-1] == ("chain", 0.0, 0)
    end_all(desk)
    assert desk.study(study).state == "succeeded"


def test_what_needs_a_trial_that_failed_fails_with_its_reason_until_a_retry(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study())
    desk.tick()
    bad, good = desk.dispatcher.started
    desk.dispatcher.end(bad, "failed", "RuntimeError: disk full")
    desk.dispatcher.end(good)
    desk.tick()
    (cell,) = (cell for cell in desk.cells(study) if cell.row == "A")
    assert (cell.state, cell.attempts) == ("failed", [])
    assert (
        cell.reason == f"its backbone, trial {bad.trial.key[:12]}, failed: RuntimeError: disk full; retry queues both"
    )
    end_all(desk)
    assert desk.study(study).state == "failed"
    assert states(desk, study) == {
        "(backbone) A 0": "failed",
        "A 0": "failed",
        "(backbone) B 0": "succeeded",
        "B 0": "succeeded",
    }
    table = results.get_table(desk.context, study.id)
    assert any("its backbone" in note and "disk full" in note for note in table.notes)

    lifecycle.retry(desk.context, study.id)
    assert (states(desk, study)["(backbone) A 0"], states(desk, study)["A 0"]) == ("queued", "queued")
    desk.tick()
    assert next(iter(desk.dispatcher.running.values())).trial.key == bad.trial.key
    assert desk.finish(study).state == "succeeded"
    assert started(desk)[-2:] == [("base", 5.0, 0), ("chain", 0.0, 0)]


def test_what_needs_a_trial_that_diverged_has_diverged(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=ONE))
    desk.tick()
    end_all(desk, "diverged", "the loss is nan")
    assert states(desk, study) == {"(backbone) A 0": "diverged", "A 0": "diverged"}
    assert desk.study(study).state == "succeeded", "a diverged trial is a result"
    key = desk.cells(study)[1].key
    assert trials.get_trial(desk.context, key).outcome["status"] == "diverged"  # type: ignore[index]
    later = desk.submit(chain_study("later", TWO))
    assert set(states(desk, later).values()) == {"diverged"}, "the new row too, at once"
    desk.tick()
    assert desk.study(later).state == "succeeded"
    assert len(desk.dispatcher.started) == 1


@pytest.mark.parametrize("kind", ["worker", "oom", "infeasible"])
def test_a_trial_that_is_given_up_takes_along_what_needs_it(desk: Desk, chain: Path, kind: str) -> None:
    study = desk.submit(chain_study(rows=ONE))
    for _ in range(3):
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            desk.dispatcher.lose(ticket, kind)
    desk.tick(2)
    assert states(desk, study) == {"(backbone) A 0": "failed", "A 0": "failed"}
    assert desk.study(study).state == "failed"


def test_a_trial_that_kills_the_service_takes_along_what_needs_it_when_it_is_given_up(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=ONE))
    for _ in range(3):
        desk.tick()
        desk.restart()
    assert states(desk, study) == {"(backbone) A 0": "failed", "A 0": "failed"}
    desk.tick()
    assert desk.study(study).state == "failed"


def test_a_cancelled_study_takes_both_along(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=ONE))
    desk.tick()
    lifecycle.cancel(desk.context, study.id)
    desk.tick()
    assert states(desk, study) == {"(backbone) A 0": "cancelled", "A 0": "cancelled"}
    assert desk.dispatcher.running == {}
    again = desk.submit(chain_study(rows=ONE))
    assert set(states(desk, again).values()) == {"queued"}
    assert desk.finish(again).state == "succeeded"


def test_a_shared_need_goes_on_for_the_study_that_is_left(desk: Desk, chain: Path) -> None:
    one = desk.submit(chain_study("one", ONE))
    two = desk.submit(chain_study("two", {"B": {"offset": 1.0}}))
    assert two.progress.shared == 1
    desk.tick()
    lifecycle.cancel(desk.context, one.id)
    assert states(desk, one) == {"(backbone) A 0": "cancelled", "A 0": "cancelled"}
    assert desk.finish(two).state == "succeeded"
    assert started(desk) == [("base", 10.0, 0), ("chain", 1.0, 0)]
    text = render(results.get_table(desk.context, two.id), "md", notes=True)
    assert "Study one (" in text
    assert ": 1 of '(backbone) B'." in text


def test_a_need_that_is_known_holds_up_nothing(desk: Desk, chain: Path) -> None:
    desk.finish(desk.submit(chain_study(rows=ONE)))
    study = desk.submit(chain_study("more", TWO))
    desk.tick()
    assert started(desk)[-1] == ("chain", 1.0, 0)
    assert desk.finish(study).state == "succeeded"
    assert len(desk.dispatcher.started) == 3


def test_while_its_study_is_paused_a_trial_waits_though_its_need_succeeded(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=ONE))
    desk.tick()
    lifecycle.pause(desk.context, study.id)
    end_all(desk)
    assert states(desk, study) == {"(backbone) A 0": "succeeded", "A 0": "queued"}
    lifecycle.resume(desk.context, study.id)
    assert desk.finish(study).state == "succeeded"


def test_a_need_that_failed_for_an_older_study_is_queued_again_by_a_submit(desk: Desk, chain: Path) -> None:
    older = desk.submit(chain_study("older", ONE))
    desk.tick()
    end_all(desk, "failed", "RuntimeError: no luck")
    assert desk.study(older).state == "failed"
    study = desk.submit(chain_study("newer", {"B": {"offset": 1.0}}))
    assert states(desk, study) == {"(backbone) B 0": "queued", "B 0": "queued"}
    assert desk.finish(study).state == "succeeded"
    assert states(desk, older) == {"(backbone) A 0": "failed", "A 0": "failed"}, "until it is retried"
    lifecycle.retry(desk.context, older.id)
    assert desk.finish(older).state == "succeeded"


def test_a_row_that_is_added_queues_a_need_that_failed_again(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=ONE))
    desk.tick()
    end_all(desk, "failed", "RuntimeError: no luck")
    row = {"label": "B", "set": {"offset": 1.0}}
    extend.extend(desk.context, study.id, Extension.model_validate({"rows": [row]}))
    assert desk.finish(study).progress.succeeded == 2
    assert started(desk)[-1] == ("chain", 1.0, 0)
    assert states(desk, study)["A 0"] == "failed"


def test_seeds_that_are_added_bring_needs_of_their_own(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=ONE))
    desk.finish(study)
    extend.extend(desk.context, study.id, Extension(seeds=2))
    assert desk.finish(study).state == "succeeded"
    assert started(desk) == [("base", 10.0, 0), ("chain", 0.0, 0), ("base", 10.0, 1), ("chain", 0.0, 1)]


def test_results_of_backbones_alone_make_no_study_exploratory(desk: Desk, chain: Path) -> None:
    base = {"name": "bases", "seeds": 3, "base": {"task": "base"}, "rows": [{"label": "x"}]}
    desk.finish(desk.submit(base))
    study = desk.submit(chain_study(rows=TWO, seeds=3))
    desk.finish(study)
    table = results.get_table(desk.context, study.id)
    assert not table.exploratory
    assert "before any result was known" in table.provenance[0]
    assert not any("other studies test" in note or "other study tests" in note for note in table.provenance)


def test_what_is_left_of_a_study_counts_a_shared_need_once(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=TWO))
    with desk.context.store.read() as connection:
        overview = read_overview(connection, get_study(connection, study.id))
        assert (overview.progress.queued, overview.waiting) == (4, 3)
        desk.tick()
    with desk.context.store.read() as connection:
        overview = read_overview(connection, get_study(connection, study.id))
    assert (overview.progress.running, len(overview.fractions)) == (2, 1)


def test_a_trial_is_shown_with_what_it_needs(desk: Desk, chain: Path) -> None:
    study = desk.submit(chain_study(rows=ONE))
    parent, child = desk.cells(study)
    told = f"waits for its backbone, trial {parent.key[:12]}"
    assert (parent.reason, child.reason) == (None, told)
    shown = trials.get_trial(desk.context, child.key)
    assert (shown.needs, shown.reason) == ({"backbone": parent.key}, told)
    assert trials.get_trial(desk.context, parent.key).needs == {}
    desk.tick()
    end_all(desk)
    assert desk.cells(study)[1].reason is None


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_trial_that_comes_while_its_need_ends_does_not_wait_for_ever(desk: Desk, chain: Path) -> None:
    """PostgreSQL runs the two transactions at once: the one that ends a trial must see, or be seen by, the other."""
    desk.submit(chain_study(rows=ONE))
    desk.tick()
    (ticket,) = desk.dispatcher.started
    child = plan_document(chain_study(rows=TWO)).outstanding({ticket.trial.key})[-1]
    success = Finish("succeeded", Outcome(status="succeeded", metrics={"error": 1.0}), None)

    def add() -> None:
        with desk.context.store.write() as connection:
            demand.add_trials(connection, [child], ResourcesSpec(), 0, now())
            needs.settle_needs(connection, [child.key], now())

    adding = threading.Thread(target=add)
    with desk.context.store.write() as connection:
        claims.end_attempt(connection, *ticket.name, success, now())
        adding.start()
        wait_until_blocked(desk.context.store, adding)
    adding.join(timeout=30)
    with desk.context.store.read() as connection:
        open_needs = select(tables.trials.c.open_needs).where(tables.trials.c.key == child.key)
        assert connection.execute(open_needs).scalar_one() == 0


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_trial_that_is_wanted_while_another_study_is_cancelled_goes_on(desk: Desk, chain: Path) -> None:
    """Else what needs it would wait for ever: the cancel must see the new study, or the new study the cancel."""
    first = desk.submit(chain_study(rows=ONE))
    prepared = prepare(desk.context, chain_study(rows=TWO), scale=None)
    cancelling = threading.Thread(target=lifecycle.cancel, args=(desk.context, first.id))
    with desk.context.store.write() as connection:
        _, second = add_prepared(connection, prepared, desk.context.settings.home)
        cancelling.start()
        wait_until_blocked(desk.context.store, cancelling)
    cancelling.join(timeout=30)
    assert set(states(desk, lifecycle.get_study(desk.context, second)).values()) == {"queued"}


def wait_until_blocked(store: Store, thread: threading.Thread) -> None:
    """Until a transaction waits for a lock, or the thread is done."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    for _ in range(100_000):
        with store.read() as connection:
            if connection.execute(waiting).scalar_one() or not thread.is_alive():
                return
    raise AssertionError("nothing waited, and nothing ended")


def test_a_database_of_the_first_schema_is_upgraded_with_its_rows(database_url: str) -> None:
    with closing(Store(database_url)) as store:
        config = Config()
        config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
        with store.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            connection.execute(text(OLD_TRIAL), {"key": "a" * 64})
        schema.upgrade(store)
        with store.write() as connection:
            row = connection.execute(select(tables.trials)).one()
            assert (row.key, row.state, row.open_needs) == ("a" * 64, "queued", 0)
            assert needs.find_needs(connection, [row.key]) == {}
            (claim,) = claims.claim(connection, claims.find_head_demand(connection), 1, now())  # type: ignore[arg-type]
            assert claim.read().trial.key == "a" * 64


OLD_TRIAL = """
INSERT INTO trials (key, task, seed, replicate, recipe, cpus, gpus, state, priority, fence, losses, ooms, created_at)
VALUES (:key, 'toy', 0, 0, '{}', 1, 0, 'queued', 0, 0, 0, 0, '2026-01-01 00:00:00')
"""
