"""Queue, state machine and scheduler, over SQLite and PostgreSQL, with trials that do what the test says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ablate.errors import StudyError
from ablate.remote.documents.studies import ChangedStudy, Extension
from ablate.tables.formats.render import render
from service.errors import ConflictError, UnavailableError
from service.running.due import Timers
from service.running.scheduler import Scheduler
from service.store.sql import now
from service.studies import extend, lifecycle, results
from service.studies.events import Seen, read_changes


def counts(view: Any) -> dict[str, int]:
    return {name: count for name, count in view.progress.model_dump().items() if count}


def test_a_study_runs_from_the_queue_to_its_table(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study())
    assert (study.state, counts(study)) == ("queued", {"trials": 4, "queued": 4, "distinct": 4})
    desk.tick()
    assert desk.study(study).state == "running"
    assert counts(desk.study(study)) == {"trials": 4, "running": 2, "queued": 2, "distinct": 4}
    done = desk.finish(study, error=2.0)
    assert (done.state, done.reason, counts(done)) == ("succeeded", None, {"trials": 4, "succeeded": 4, "distinct": 4})
    table = results.get_table(desk.context, study.id)
    assert not table.provisional
    assert table.row("offset 1").cells["error"].values == {0: 2.0, 1: 2.0}


def test_the_baseline_and_one_seed_of_every_row_come_first(desk: Any, toy_study: Any) -> None:
    study = toy_study(rows=(3.0, 1.0, 2.0), table={"baseline": "offset 2"})
    desk.finish(desk.submit(study))
    order = [(ticket.trial.recipe["offset"], ticket.trial.seed) for ticket in desk.dispatcher.started]
    assert order == [(2.0, 0), (3.0, 0), (1.0, 0), (2.0, 1), (3.0, 1), (1.0, 1)]


def test_a_baseline_that_two_studies_share_is_trained_once(desk: Any, toy_study: Any) -> None:
    first = desk.submit(toy_study("one", rows=(0.0, 1.0)))
    second = desk.submit(toy_study("two", rows=(0.0, 2.0)))
    assert (first.progress.shared, second.progress.shared) == (0, 2)
    desk.finish(first)
    assert desk.finish(second).state == "succeeded"
    assert len(desk.dispatcher.started) == 6
    text = render(results.get_table(desk.context, second.id), "md", notes=True)
    assert f"Study one ({first.id}) trained these cells (" in text
    assert ": 2 of 'offset 0'." in text


def test_a_study_whose_trials_are_all_known_is_done_at_once(desk: Any, toy_study: Any) -> None:
    desk.finish(desk.submit(toy_study()))
    again = desk.submit(toy_study())
    desk.tick()
    assert desk.study(again).state == "succeeded"
    assert counts(desk.study(again)) == {"trials": 4, "succeeded": 4, "shared": 4, "distinct": 4}
    assert len(desk.dispatcher.started) == 4


def test_fresh_trains_known_trials_again_as_new_replicates(desk: Any, toy_study: Any) -> None:
    desk.finish(desk.submit(toy_study()))
    fresh = desk.submit(toy_study(), fresh=True)
    assert fresh.progress.queued == 4
    desk.finish(fresh)
    assert {ticket.trial.replicate for ticket in desk.dispatcher.started} == {0, 1}
    assert desk.submit(toy_study(), fresh=True).progress.queued == 4


def test_higher_priority_goes_first_and_a_shared_trial_has_the_highest(desk: Any, toy_study: Any) -> None:
    desk.dispatcher.places = 1
    desk.submit(toy_study("low", rows=(0.0, 1.0), seeds=1))
    desk.submit(toy_study("high", rows=(1.0, 2.0), seeds=1), priority=5)
    for _ in range(3):
        desk.tick()
        desk.dispatcher.end(desk.dispatcher.started[-1])
        desk.tick()
    assert [ticket.trial.recipe["offset"] for ticket in desk.dispatcher.started] == [1.0, 2.0, 0.0]


def test_cancel_ends_what_nobody_else_wants_and_leaves_the_rest(desk: Any, toy_study: Any) -> None:
    one = desk.submit(toy_study("one", rows=(0.0, 1.0), seeds=1))
    two = desk.submit(toy_study("two", rows=(0.0, 2.0), seeds=1))
    desk.tick()
    shared, own = desk.dispatcher.started
    cancelled = lifecycle.cancel(desk.context, one.id)
    assert (cancelled.state, counts(cancelled)) == ("cancelled", {"trials": 2, "cancelled": 2, "distinct": 2})
    desk.tick(2)
    assert desk.dispatcher.stopped == [own]
    assert shared.name in desk.dispatcher.running
    assert desk.finish(two).state == "succeeded"
    assert counts(desk.study(one)) == {"trials": 2, "cancelled": 2, "distinct": 2}


def test_an_outcome_that_comes_after_the_cancel_changes_nothing(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1))
    desk.tick()
    ticket = desk.dispatcher.started[0]
    lifecycle.cancel(desk.context, study.id)
    desk.dispatcher.end(ticket)
    desk.tick(2)
    assert counts(desk.study(study)) == {"trials": 2, "cancelled": 2, "distinct": 2}


def unchanged(answer: ChangedStudy) -> dict[str, Any]:
    """The study in an answer that says that nothing was changed."""
    assert not answer.changed
    return answer.model_dump(exclude={"changed", "message"})


def test_cancelling_twice_or_what_is_done_changes_nothing(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study())
    done = desk.finish(study)
    assert unchanged(lifecycle.cancel(desk.context, study.id)) == done.model_dump()


def test_a_late_answer_from_an_older_claim_changes_nothing(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0,), seeds=1))
    desk.tick()
    old = desk.dispatcher.started[0]
    desk.restart()
    desk.tick()
    new = desk.dispatcher.started[1]
    assert (new.trial.key, new.fence) == (old.trial.key, old.fence + 1)
    desk.dispatcher.end(old, error=9.0)
    desk.tick()
    assert desk.study(study).state == "running"
    desk.dispatcher.end(new, error=1.0)
    desk.tick()
    assert results.get_table(desk.context, study.id).rows[0].cells["error"].values == {0: 1.0}


@pytest.mark.parametrize(("kind", "budget"), [("worker", 3), ("oom", 2)])
def test_a_lost_trial_is_tried_again_until_its_budget_is_spent(
    desk: Any, toy_study: Any, kind: str, budget: int
) -> None:
    study = desk.submit(toy_study(rows=(0.0,), seeds=1))
    for _ in range(budget):
        desk.tick()
        desk.dispatcher.lose(desk.dispatcher.started[-1], kind)
    desk.tick(2)
    assert len(desk.dispatcher.started) == budget
    found = desk.study(study)
    assert (found.state, found.progress.failed) == ("failed", 1)
    assert "1 of 1 cells have no result: 1 failed" in found.reason
    (cell,) = desk.cells(study)
    assert [attempt.state for attempt in cell.attempts[:-1]] == [{"worker": "lost"}.get(kind, kind)] * (budget - 1)
    assert f"given up after {budget} attempts" in cell.reason


def test_a_trial_that_fails_by_itself_is_a_hole_until_it_is_retried(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1))
    desk.tick()
    bad, good = desk.dispatcher.started
    desk.dispatcher.end(bad, "failed", "RuntimeError: disk full")
    desk.dispatcher.end(good)
    desk.tick(2)
    assert (desk.study(study).state, desk.study(study).progress.failed) == ("failed", 1)
    assert lifecycle.retry(desk.context, study.id).state == "queued"
    assert desk.finish(study).state == "succeeded"
    assert [ticket.trial.key for ticket in desk.dispatcher.started] == [bad.trial.key, good.trial.key, bad.trial.key]


def test_a_diverged_trial_is_a_result(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1))
    desk.tick()
    for ticket in desk.dispatcher.started:
        desk.dispatcher.end(ticket, "diverged", "the loss is NaN")
    desk.tick(2)
    assert (desk.study(study).state, desk.study(study).progress.diverged) == ("succeeded", 2)
    again = desk.submit(toy_study(seeds=1))
    assert again.progress.queued == 0


def test_the_cells_of_a_failed_study_stay_failed_when_another_study_trains_them(desk: Any, toy_study: Any) -> None:
    failed = desk.submit(toy_study(rows=(0.0,), seeds=1))
    desk.tick()
    desk.dispatcher.end(desk.dispatcher.started[0], "failed", "RuntimeError: no luck")
    desk.tick(2)
    other = desk.submit(toy_study("other", rows=(0.0,), seeds=1))
    assert other.progress.queued == 1
    assert desk.finish(other).state == "succeeded"
    assert counts(desk.study(failed)) == {"trials": 1, "failed": 1, "distinct": 1}
    lifecycle.retry(desk.context, failed.id)
    desk.tick()
    assert desk.study(failed).state == "succeeded"
    assert len(desk.dispatcher.started) == 2


def test_after_a_crash_what_ran_is_queued_again_and_what_was_heard_of_is_not_blamed(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0,), seeds=1))
    for _ in range(5):
        desk.tick()
        desk.dispatcher.say(desk.dispatcher.started[-1])
        desk.scheduler._timers = Timers()
        desk.tick()
        desk.restart()
    assert desk.study(study).progress.queued == 1
    (cell,) = desk.cells(study)
    assert [attempt.state for attempt in cell.attempts] == ["stopped"] * 5


def test_a_trial_that_kills_the_service_before_its_first_word_is_given_up(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0,), seeds=1))
    for _ in range(3):
        desk.tick()
        desk.restart()
    desk.tick()
    assert (desk.study(study).state, len(desk.dispatcher.started)) == ("failed", 3)


def test_pause_stops_the_claims_of_what_only_paused_studies_want(desk: Any, toy_study: Any) -> None:
    one = desk.submit(toy_study("one", rows=(0.0, 1.0), seeds=1))
    two = desk.submit(toy_study("two", rows=(0.0,), seeds=1))
    assert lifecycle.pause(desk.context, one.id).state == "paused"
    desk.tick()
    assert [ticket.trial.recipe["offset"] for ticket in desk.dispatcher.started] == [0.0]
    assert desk.finish(two).state == "succeeded"
    desk.tick(2)
    assert len(desk.dispatcher.started) == 1
    assert lifecycle.resume(desk.context, one.id).state == "running"
    assert desk.finish(one).state == "succeeded"


def test_a_paused_study_is_done_when_its_last_trial_is(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1))
    desk.tick()
    lifecycle.pause(desk.context, study.id)
    for ticket in desk.dispatcher.started:
        desk.dispatcher.end(ticket)
    desk.tick(2)
    assert desk.study(study).state == "succeeded"


def test_a_cancelled_study_says_what_it_lacks_and_why(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1))
    lifecycle.cancel(desk.context, study.id)
    table = results.get_table(desk.context, study.id)
    assert table.summary[-1].startswith("2 of 2 results are missing: both not run (")
    text = render(table, "md", notes=True)
    assert "cancelled with the study" in text
    assert "not run yet" not in text


def test_a_wrong_added_row_is_counted_as_the_request_counts_it(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study())
    more = {"rows": [{"label": "n", "set": {"offse": 1}}]}
    with pytest.raises(StudyError) as refused:
        extend.extend(desk.context, study.id, Extension.model_validate(more))
    assert [problem.pointer for problem in refused.value.problems] == ["/rows/0/set/offse"]


def test_extend_adds_seeds_and_rows_and_keeps_what_is_there(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1))
    desk.finish(study)
    more = {"seeds": 2, "rows": [{"label": "offset 5", "set": {"offset": 5.0}}]}
    extended = extend.extend(desk.context, study.id, Extension.model_validate(more))
    assert (extended.state, extended.progress.trials, extended.progress.queued) == ("queued", 6, 4)
    done = desk.finish(study)
    assert done.state == "succeeded"
    table = results.get_table(desk.context, study.id)
    assert [(row.label, row.n_ok, row.baseline) for row in table.rows] == [
        ("offset 0", 2, True), ("offset 1", 2, False), ("offset 5", 2, False),
    ]  # fmt: skip
    assert unchanged(extend.extend(desk.context, study.id, Extension(seeds=2))) == done.model_dump()


def test_a_row_that_is_added_to_a_grid_does_not_become_its_baseline(desk: Any) -> None:
    grid = {"name": "grid", "seeds": 1, "base": {"task": "toy"}, "factors": [{"name": "offset", "levels": [0.0, 1.0]}]}
    study = desk.submit(grid)
    more = {"rows": [{"label": "far", "set": {"offset": 9.0}}]}
    extend.extend(desk.context, study.id, Extension.model_validate(more))
    desk.finish(study)
    table = results.get_table(desk.context, study.id)
    assert [(row.label, row.baseline) for row in table.rows] == [
        ("far", False), ("offset=0.0", True), ("offset=1.0", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "act", [lifecycle.pause, lifecycle.resume, lambda c, i: extend.extend(c, i, Extension(seeds=9))]
)
def test_a_cancelled_study_is_not_paused_resumed_or_extended(desk: Any, toy_study: Any, act: Any) -> None:
    study = desk.submit(toy_study())
    lifecycle.cancel(desk.context, study.id)
    with pytest.raises(ConflictError, match="cancelled"):
        act(desk.context, study.id)


def test_a_cancelled_study_can_be_retried(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study())
    lifecycle.cancel(desk.context, study.id)
    desk.tick()
    assert lifecycle.retry(desk.context, study.id).progress.queued == 4
    assert desk.finish(study).state == "succeeded"


def test_a_silent_trial_is_ended_and_counts_as_lost(desk: Any, toy_study: Any, monkeypatch: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0,), seeds=1))
    desk.tick()
    (flight,) = desk.scheduler._flights
    flight.last_message_s -= 2 * desk.context.settings.silence_s
    desk.tick(2)
    (cell,) = desk.cells(study)
    assert (cell.attempts[0].state, cell.attempts[0].reason) == (
        "lost",
        "it sent no message for too long, so it was ended",
    )
    assert len(desk.dispatcher.started) == 2


def test_an_attempt_that_takes_too_long_fails_and_is_tried_again_as_often_as_the_study_says(
    desk: Any, toy_study: Any
) -> None:
    limits = {"timeout_s": 60, "max_retries": 1}
    study = desk.submit(toy_study(rows=(0.0,), seeds=1, resources=limits))
    for number in (1, 2):
        desk.tick()
        (flight,) = desk.scheduler._flights
        assert flight.due_s > flight.last_message_s + 60, "its worker may still start"
        desk.dispatcher.say(flight.ticket, error=0.5)
        desk.tick()
        assert flight.due_s == flight.last_message_s + 60
        flight.ticket.workdir.mkdir(parents=True, exist_ok=True)
        (flight.ticket.workdir / "log.txt").write_text(f"epoch {number} of 9\n2026-01-01T00:00:00+00:00 stopped\n")
        flight.due_s -= 61
        desk.tick(2)
    (cell,) = desk.cells(study)
    reason = "it took longer than timeout_s = 60 in [resources], so it was ended; the end of its output: epoch {} of 9"
    ends = [(one.state, one.reason) for one in cell.attempts]
    assert ends == [
        ("failed", reason.format(1)),
        ("failed", reason.format(2) + "; given up after 2 attempts that failed"),
    ]
    assert (desk.study(study).state, cell.reason) == ("failed", ends[1][1])
    again = desk.submit(toy_study(rows=(0.0,), seeds=1, resources={"timeout_s": 600}))
    desk.tick()
    (flight,) = desk.scheduler._flights
    assert (flight.claim.timeout_s, flight.claim.max_retries) == (600, 0), "a new study may allow more"
    desk.submit(toy_study(rows=(0.0,), seeds=1))
    desk.dispatcher.lose(flight.ticket)
    desk.tick(2)
    (flight,) = desk.scheduler._flights
    assert flight.claim.timeout_s is None, "of several studies that want a trial, the widest limit counts"
    desk.dispatcher.end(flight.ticket, "failed", "RuntimeError: broken")
    desk.tick(2)
    assert desk.study(again).state == "failed"
    assert len(desk.dispatcher.started) == 4


def test_a_study_runs_no_more_trials_at_once_than_its_limit_allows(desk: Any, toy_study: Any) -> None:
    desk.dispatcher.places = 5
    narrow = desk.submit(toy_study("narrow", seeds=3, limits={"parallel": 2}, priority=1))
    wide = desk.submit(toy_study("wide", rows=(5.0,), seeds=4))
    desk.tick(3)
    counted = [(view.progress.running, view.progress.queued) for view in map(desk.study, (narrow, wide))]
    assert counted == [(2, 4), (3, 1)]
    desk.dispatcher.end(next(one for one in desk.dispatcher.started if one.trial.recipe["offset"] != 5.0))
    desk.tick(3)
    assert (desk.study(narrow).progress.running, desk.study(wide).progress.running) == (2, 3)
    shared = desk.submit(toy_study("shared", rows=(1.0,), seeds=3))
    for ticket in list(desk.dispatcher.running.values()):
        desk.dispatcher.end(ticket)
    desk.tick(3)
    assert desk.study(shared).progress.running + desk.study(shared).progress.succeeded == 3, "another study wants it"
    assert [desk.finish(one).state for one in (narrow, wide, shared)] == ["succeeded"] * 3


def test_a_study_pauses_when_its_hours_are_used_and_gets_as_many_again_when_it_is_resumed(
    desk: Any, toy_study: Any
) -> None:
    study = desk.submit(toy_study(seeds=2, limits={"hours": 12}))
    at = now()
    lifecycle.pause_over(desk.context, at + timedelta(days=9))
    assert desk.study(study).state == "queued", "no time counts before its first trial"
    desk.tick()
    lifecycle.pause_over(desk.context, at + timedelta(hours=12))
    assert desk.study(study).state == "running"
    lifecycle.pause_over(desk.context, at + timedelta(hours=12, minutes=1))
    paused = desk.study(study)
    assert (paused.state, paused.progress.running) == ("paused", 2)
    assert paused.reason == (
        "it has used its 12 h (hours in [limits]), so no more of its trials start; resume it, and it gets as many again"
    )
    changes, _, _ = read_changes(desk.context, study.id, Seen())
    assert changes[-1].data["reason"] == paused.reason
    for ticket in list(desk.dispatcher.running.values()):
        desk.dispatcher.end(ticket)
    desk.tick(3)
    assert (desk.study(study).progress.succeeded, desk.dispatcher.running) == (2, {})
    resumed = lifecycle.resume(desk.context, study.id)
    assert (resumed.state, resumed.reason) == ("running", None)
    desk.tick()
    lifecycle.pause_over(desk.context, at + timedelta(hours=12, minutes=1))
    assert desk.study(study).state == "running", "nothing waits any more, so there is nothing to pause"
    assert desk.finish(study).state == "succeeded"


def test_a_broken_dispatcher_is_replaced_and_its_trials_are_not_blamed(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1))
    desk.tick()
    desk.dispatcher.is_broken = True
    desk.tick()
    desk.dispatcher.is_broken = False
    assert desk.finish(study).state == "succeeded"
    assert [attempt.state for attempt in desk.cells(study)[0].attempts] == ["stopped", "succeeded"]


def test_a_dispatcher_that_breaks_on_the_first_of_several_claims_loses_none(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(seeds=1))
    desk.dispatcher.is_broken = True
    desk.tick()
    desk.dispatcher.is_broken = False
    assert desk.finish(study).state == "succeeded"
    assert len(desk.dispatcher.started) == 2


def test_a_stopped_service_queues_what_ran(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study())
    desk.tick()
    desk.scheduler.close()
    assert counts(desk.study(study)) == {"trials": 4, "queued": 4, "distinct": 4}
    assert desk.cells(study)[0].attempts[0].state == "stopped"


def test_a_demand_that_no_machine_meets_fails_with_its_reason(desk: Any, toy_study: Any) -> None:
    desk.dispatcher.places = 4
    desk.restart()
    study = desk.submit(toy_study(resources={"cpus": 3}, seeds=1))
    desk.dispatcher.places = 2  # the cluster shrinks
    desk.tick(4)
    assert desk.study(study).progress.failed == 2
    assert "no machine has so many CPUs" in desk.cells(study)[0].reason


@pytest.mark.parametrize(
    ("resources", "pointer", "text"),
    [
        ({"cpus": 3}, "/resources", "requests 3 CPUs and 0 GPUs; the largest machine has 2 and 0"),
        ({"gpus": 0.5}, "/resources", "requests 1 CPUs and 0.5 GPUs"),
        ({"gpus": 2}, "/resources", "requests 1 CPUs and 2 GPUs"),
        ({"gpus": 1.5}, "/resources/gpus", "1.5 GPUs is not a whole number; only values below 1 may be fractions"),
    ],
)
def test_a_demand_that_no_machine_meets_is_refused_when_it_is_posted(
    desk: Any, toy_study: Any, resources: dict[str, float], pointer: str, text: str
) -> None:
    with pytest.raises(StudyError) as refused:
        desk.submit(toy_study(resources=resources))
    (problem,) = refused.value.problems
    assert problem.pointer == pointer
    assert text in problem.message


@pytest.mark.parametrize("is_crash", [False, True])
def test_a_trial_that_loses_its_worker_waits_while_its_study_is_paused(
    desk: Any, toy_study: Any, is_crash: bool
) -> None:
    study = desk.submit(toy_study(rows=(0.0,), seeds=1))
    desk.tick()
    lifecycle.pause(desk.context, study.id)
    if is_crash:
        desk.restart()
    else:
        (ticket,) = desk.dispatcher.running.values()
        desk.dispatcher.lose(ticket, "worker")
    desk.tick(3)
    assert (len(desk.dispatcher.started), [cell.state for cell in desk.cells(study)]) == (1, ["queued"])
    lifecycle.resume(desk.context, study.id)
    desk.tick()
    assert len(desk.dispatcher.started) == 2


def test_progress_is_seen_while_a_trial_runs(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0,), seeds=1))
    desk.tick()
    (ticket,) = desk.dispatcher.started
    desk.dispatcher.say(ticket, step=3, steps=10, error=4.0)
    desk.scheduler._timers = Timers()
    desk.tick()
    (cell,) = desk.cells(study)
    assert (cell.state, cell.step, cell.steps, cell.metrics) == ("running", 3, 10, {"error": 4.0})


def test_events_go_on_behind_the_last_one_seen_without_a_gap(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study())
    seen, trial_events, is_over = Seen(), [], False
    for _ in range(20):
        events, seen, is_over = read_changes(desk.context, study.id, seen)
        trial_events += [(event.id, event.data["state"]) for event in events if event.kind == "trial"]
        if is_over:
            break
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            desk.dispatcher.end(ticket)
    assert is_over
    assert events[-1].kind == "done"
    assert [state for _, state in trial_events].count("succeeded") == 4
    ids = [number for number, _ in trial_events]
    assert ids == sorted(set(ids))
    again, _, _ = read_changes(desk.context, study.id, Seen(last_id=ids[3]))
    assert [event.id for event in again if event.kind == "trial"] == ids[4:]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_claimed_while_the_lock_of_the_one_scheduler_is_lost(
    context: Any, desk: Any, toy_study: Any
) -> None:
    is_lost = [True]

    def keep_lock() -> None:
        if is_lost[0]:
            raise UnavailableError("another scheduler uses this database")

    desk.scheduler = Scheduler(context, lambda: desk.dispatcher, keep_lock=keep_lock)
    study = desk.submit(toy_study())
    desk.tick(2)
    assert desk.dispatcher.started == []
    assert context.outages.all() == {"the database": "another scheduler uses this database"}
    is_lost[0] = False
    assert desk.finish(study).state == "succeeded"
    assert context.outages.all() == {}
