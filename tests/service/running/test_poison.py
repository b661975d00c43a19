"""One item that raises an internal error takes no other with it: a fault is planted in what a boundary calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import service.running.ends
import service.running.flights
import service.running.ledger
import service.running.scheduler
import service.schedules.fire
import service.schedules.launch
import service.schedules.settle
import service.studies.conclude
import service.studies.results
from ablate.data.add_folder import register
from ablate.remote.choices import StudyState
from ablate.remote.documents.events import KINDS
from ablate.remote.documents.schedules import ScheduleSpec
from ablate.tables.formats.render import render
from service import health
from service.dispatch.interface import DispatcherError
from service.errors import ConflictError, UnavailableError
from service.faults import boundary, pauses
from service.running import faults
from service.running.due import Timers
from service.schedules import lifecycle as schedules_lifecycle
from service.store import tables
from service.store.schedules import firings as stored_firings
from service.store.schedules import schedules as stored_schedules
from service.store.sql import now
from service.studies import lifecycle, results
from service.studies.events import Seen, read_changes
from tests.image_folders import write_folder

ENDED: tuple[StudyState, ...] = ("succeeded", "failed", "cancelled")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(autouse=True)
def _without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are tested in `tests/service/faults`."""
    monkeypatch.setattr(boundary, "WAITS_S", (0.0, 0.0))
    monkeypatch.setattr(pauses, "LONGEST_S", 0.0)


class PlantedError(Exception):
    """What is raised here is known to no code of the service."""


def table_of(desk: Any, study: Any) -> str:
    return render(results.get_table(desk.context, study.id), "json", measured=False)


def finish_all(desk: Any, *studies: Any, ticks: int = 60) -> None:
    for _ in range(ticks):
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            desk.dispatcher.end(ticket, error=1.0 + ticket.trial.seed)
        desk.context.touched.extend(study.id for study in studies)
        if all(desk.study(study).state in ENDED for study in studies):
            return


def undisturbed(desk: Any, toy_study: Any) -> str:
    """The table of the study that `plant` disturbs, from other rows of the same numbers: no second try."""
    study = desk.submit(toy_study("well", rows=(777.0, 888.0)), fresh=True)
    finish_all(desk, study)
    return (
        table_of(desk, study)
        .replace("777.0", "7.0")
        .replace("offset 777", "offset 7")
        .replace("888.0", "8.0")
        .replace("offset 888", "offset 8")
    )


def plant(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, when: Callable[..., bool]) -> list[int]:
    """Let `place.name` raise where `when(its arguments)` is true. Returns a list that grows with every raise."""
    real = getattr(place, name)
    raised: list[int] = []

    def planted(*args: Any, **kwargs: Any) -> Any:
        if when(*args, **kwargs):
            raised.append(1)
            raise PlantedError("planted")
        return real(*args, **kwargs)

    monkeypatch.setattr(place, name, planted)
    return raised


def only_row(offset: float) -> Callable[..., bool]:
    """Whether any argument is about a trial of the row with this offset."""

    def concerns(*args: Any, **_: Any) -> bool:
        for value in args:
            value = getattr(value, "flight", value)
            value = getattr(value, "ticket", value)
            trial = getattr(value, "trial", None)
            recipe = getattr(trial, "recipe", None) or getattr(getattr(value, "row", None), "recipe", None) or {}
            if recipe.get("offset") == offset:
                return True
        return False

    return concerns


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (service.running.ledger, "record_end"),
        (service.running.ends, "decide_after_attempt"),
        (service.running.scheduler, "make_ticket"),
        (service.running.scheduler.Claimed, "read"),
        (service.running.flights.Flights, "receive"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_a_trial_that_raises_an_internal_error_fails_alone(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    expected = undisturbed(desk, toy_study)
    poisoned = only_row(99.0)
    if name == "decide_after_attempt":
        raised = plant(monkeypatch, place, name, lambda _, report, retries: poisoned(report))
    else:
        raised = plant(monkeypatch, place, name, poisoned)
    bad = desk.submit(toy_study("bad", rows=(99.0, 5.0)))
    well = desk.submit(toy_study("well", rows=(0.0, 1.0)))
    finish_all(desk, bad, well)
    assert raised
    assert desk.study(well).state == "succeeded"
    assert table_of(desk, well).replace("offset 0", "offset 7").replace("offset 1", "offset 8").count("offset") == (
        expected.count("offset")
    )
    ended = desk.study(bad)
    assert ended.state == "failed"
    assert (ended.progress.failed, ended.progress.succeeded) == (2, 2)
    reasons = {cell.reason for cell in desk.cells(bad) if cell.row == "offset 99"}
    assert all("ended with an internal error, reported as E-" in str(reason) for reason in reasons)
    assert health.describe_health(desk.context)["parts"]["faults"]["stuck"] == 2


def test_a_dispatcher_that_cannot_take_a_trial_fails_that_trial_alone(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, desk.dispatcher, "submit", only_row(99.0))
    bad, well = desk.submit(toy_study("bad", rows=(99.0, 5.0))), desk.submit(toy_study("well"))
    finish_all(desk, bad, well)
    assert desk.study(well).state == "succeeded"
    assert desk.study(bad).progress.failed == 2


@pytest.mark.parametrize(
    ("place", "name"),
    [(service.studies.results, "build_table"), (service.studies.conclude, "read_overview")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_study_whose_table_cannot_be_made_fails_with_the_reason_and_keeps_its_results(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    def concerns(first: Any, second: Any = None, *_: Any, **__: Any) -> bool:
        return getattr(getattr(first, "study", None), "name", getattr(second, "name", "")) == "bad"

    raised = plant(monkeypatch, place, name, concerns)
    bad, well = desk.submit(toy_study("bad", rows=(2.0, 3.0))), desk.submit(toy_study("well"))
    finish_all(desk, bad, well)
    assert desk.study(well).state == "succeeded"
    failed = desk.study(bad)
    assert failed.state == "failed"
    number = str(failed.reason).partition("E-")[2][:4]
    assert failed.reason == (
        f"its table ended with an internal error, reported as E-{number}; the service's log has the traceback"
    )
    assert {cell.state for cell in desk.cells(bad)} == {"succeeded"}
    if name == "build_table":
        with pytest.raises(ConflictError, match=f"reported as E-{number}"):
            results.get_table(desk.context, bad.id)
    count = len(raised)
    desk.restart()
    desk.tick(3)
    assert len(raised) == count or name == "read_overview", "a restart does not try it again"
    (stuck,) = faults.list_faults(desk.context, stuck=True, limit=10, cursor=None).items
    assert (stuck.number, stuck.study_id, stuck.tries) == (f"E-{number}", bad.id, 3)
    monkeypatch.undo()
    faults.retry_fault(desk.context, f"E-{number}")
    finish_all(desk, bad)
    assert desk.study(bad).state == "succeeded"
    assert results.get_table(desk.context, bad.id).rows
    assert not faults.list_faults(desk.context, stuck=None, limit=10, cursor=None).items


def test_the_retry_of_a_study_tries_its_table_again_too(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, service.studies.results, "build_table", lambda *_, **__: True)
    study = desk.submit(toy_study())
    finish_all(desk, study)
    assert desk.study(study).state == "failed"
    monkeypatch.undo()
    lifecycle.retry(desk.context, study.id)
    finish_all(desk, study)
    assert desk.study(study).state == "succeeded"


def test_a_table_of_a_running_study_that_cannot_be_made_is_a_conflict_with_one_number(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plant(monkeypatch, service.studies.results, "build_table", lambda *_, **__: True)
    study = desk.submit(toy_study())
    texts = set()
    for _ in range(3):
        with pytest.raises(ConflictError) as refused:
            results.get_table(desk.context, study.id)
        texts.add(str(refused.value))
    assert len(texts) == 1
    assert caplog.text.count("PlantedError: planted") == 1


STEPS = [
    (service.running.scheduler.studies, "list_finished"),
    (service.running.scheduler.claims, "list_running"),
    (service.running.scheduler, "conclude_safely"),
    (service.running.scheduler, "recover"),
    (service.running.ledger.claims, "find_head_demand"),
    (service.running.ledger.claims, "claim"),
    (service.running.ledger.claims, "record_signs"),
    (service.running.ledger.claims, "list_wanting"),
    (service.running.ledger.outbox, "announce"),
    (service.running.ledger.heartbeat, "record_beat"),
    (service.running.flights.Flights, "find_overdue"),
    (service.running.flights.Flights, "forget"),
    (service.schedules.fire, "tick"),
    (service.schedules.fire.schedules, "list_due"),
    (service.schedules.fire.firings, "list_ended"),
    (service.schedules.fire.firings, "list_waiting"),
    (service.studies.conclude.studies, "is_finished"),
    (service.studies.conclude.studies, "move"),
    (service.studies.conclude.outbox, "add_event"),
]


@pytest.mark.parametrize(("place", "name"), STEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_step_that_raises_twice_delays_studies_and_loses_nothing(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    expected = undisturbed(desk, toy_study)
    study = desk.submit(toy_study("well", rows=(7.0, 8.0)), fresh=True)
    left = [None, None]
    raised = plant(monkeypatch, place, name, lambda *_, **__: bool(left) and left.pop() is None)
    if name == "recover":
        desk.restart()
    desk.scheduler._timers = Timers()
    finish_all(desk, study)
    desk.scheduler._timers = Timers()
    desk.tick(3)
    assert len(raised) == 2
    assert desk.study(study).state == "succeeded"
    assert without_keys(table_of(desk, study)) == without_keys(expected)
    assert not desk.context.faults.broken_steps


def without_keys(table: str) -> list[str]:
    """The lines of a table without those that name trials or studies, which differ between replicates."""
    words = ("replicate", '"trials"', "preregistered", "also trained", "study ")
    return [line for line in table.splitlines() if not any(word in line for word in words) and len(line) < 60]


@pytest.mark.parametrize("method", ["poll", "room", "machines", "stop"])
def test_a_dispatcher_with_a_defect_does_not_end_the_scheduler(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    left = [None, None]
    plant(monkeypatch, desk.dispatcher, method, lambda *_, **__: bool(left) and left.pop() is None)
    study = desk.submit(toy_study())
    finish_all(desk, study)
    assert desk.study(study).state == "succeeded"


def test_a_step_that_does_not_work_makes_the_service_unready_with_its_number(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.context.parts["scheduler"] = "running"
    assert health.describe_health(desk.context)["ready"]
    plant(monkeypatch, service.running.ledger.claims, "claim", lambda *_, **__: True)
    desk.submit(toy_study())
    desk.tick(3)
    found = health.describe_health(desk.context)
    assert not found["ready"]
    assert found["parts"]["scheduler"]["state"] == "impaired"
    assert "claiming trials: E-" in found["parts"]["scheduler"]["reason"]
    assert 'ablate_faults_total{kind="step"}' in health.render_metrics(desk.context)
    monkeypatch.undo()
    desk.tick(2)
    assert health.describe_health(desk.context)["ready"]


@pytest.fixture
def nightly(desk: Any, toy_study: Any) -> Callable[[str, float], None]:
    def add(name: str, offset: float) -> None:
        spec = ScheduleSpec(name=name, cron="0 2 * * *", mode="fresh", study=toy_study(name, rows=(offset, 5.0)))
        schedules_lifecycle.add_schedule(desk.context, spec, now())

    return add


def last_firing(desk: Any, name: str) -> Any:
    with desk.context.store.read() as connection:
        schedule = stored_schedules.get_schedule(connection, name)
        return next(iter(stored_firings.list_firings(connection, schedule.seq, limit=1)), None)


@pytest.mark.parametrize(
    ("place", "name", "state"),
    [
        (service.schedules.fire, "find_due", None),
        (service.schedules.launch, "plan_firing", "refused"),
        (service.schedules.settle, "_rows_of", "holes"),
    ],
)
def test_a_schedule_that_raises_an_internal_error_delays_no_other(
    desk: Any, nightly: Any, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, state: str | None
) -> None:
    nightly("bad", 99.0)
    nightly("well", 1.0)

    def concerns(*args: Any, **_: Any) -> bool:
        names = {getattr(value, "name", None) for value in args}
        names |= {getattr(getattr(value, "study", None), "name", None) for value in args}
        return "bad" in names

    raised = plant(monkeypatch, place, name, concerns)
    at = now() + timedelta(days=1, hours=1)
    for _ in range(30):
        service.schedules.fire.tick(desk.context, at)
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            desk.dispatcher.end(ticket)
    assert raised
    assert last_firing(desk, "well").state == "done"
    bad = last_firing(desk, "bad")
    assert (bad and bad.state) == state
    if bad is not None:
        assert "ended with an internal error, reported as E-" in bad.reason
    (stuck,) = faults.list_faults(desk.context, stuck=True, limit=10, cursor=None).items
    count = len(raised)
    service.schedules.fire.tick(desk.context, at)
    assert len(raised) == count
    monkeypatch.undo()
    faults.retry_fault(desk.context, stuck.number)
    for _ in range(30):
        service.schedules.fire.tick(desk.context, at)
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            desk.dispatcher.end(ticket)
    assert last_firing(desk, "bad").state == "done"


def test_a_dispatcher_that_cannot_be_started_is_waited_for(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = desk.submit(toy_study())
    desk.context.parts["scheduler"] = "running"

    def refuse() -> None:
        raise DispatcherError("Ray does not start")

    monkeypatch.setattr(desk.dispatcher, "start", refuse)
    for _ in range(10):
        desk.dispatcher.is_broken = True
        desk.tick()
    assert desk.scheduler.dispatcher is None
    scheduler = health.describe_health(desk.context)["parts"]["scheduler"]
    assert scheduler == {"state": "waiting", "reason": "the dispatcher is away: Ray does not start"}
    monkeypatch.undo()
    desk.dispatcher.is_broken = False
    finish_all(desk, study)
    assert desk.study(study).state == "succeeded"


def test_a_full_disk_costs_no_trial_anything(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    study = desk.submit(toy_study())
    desk.tick()
    running = list(desk.dispatcher.running.values())
    monkeypatch.setattr("service.faults.disk.FRESH_S", 0.0)
    monkeypatch.setattr("service.faults.disk.FREE_BYTES", 1 << 60)
    for _ in range(5):
        for ticket in list(desk.dispatcher.running.values()):
            desk.dispatcher.lose(ticket, "environment")
        desk.tick()
    assert not desk.dispatcher.running
    assert desk.study(study).progress.queued == 4
    assert len(desk.dispatcher.started) == len(running)
    assert not health.describe_health(desk.context)["ready"]
    with pytest.raises(UnavailableError, match="are free on the service's disk"):
        desk.submit(toy_study("more"))
    assert caplog.text.count("the disk is away") == 1
    monkeypatch.undo()
    monkeypatch.setattr("service.faults.disk.FRESH_S", 0.0)
    finish_all(desk, study)
    assert desk.study(study).state == "succeeded"
    assert caplog.text.count("the disk is back") == 1


def test_a_trial_that_meets_its_own_full_disk_again_and_again_fails(desk: Any, toy_study: Any) -> None:
    study = desk.submit(toy_study(rows=(0.0,), seeds=1))
    for _ in range(20):
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            desk.dispatcher.lose(ticket, "environment")
    ended = desk.study(study)
    assert ended.state == "failed"
    assert "given up after 5 attempts that ended this way" in desk.cells(study)[0].reason


def test_a_schedule_whose_registered_folder_is_elsewhere_refuses_its_firing(
    desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    register("pets", write_folder(tmp_path / "pets", {"cat": 12, "dog": 14}))
    study = {
        "name": "pets",
        "seeds": 1,
        "base": {"dataset": "pets", "steps": 4, "resolution_px": 32},
        "rows": [{"label": "A"}],
    }
    schedules_lifecycle.add_schedule(desk.context, ScheduleSpec(name="pets", cron="0 2 * * *", study=study), now())
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "elsewhere"))
    service.schedules.fire.tick(desk.context, now() + timedelta(days=1, hours=1))
    firing = last_firing(desk, "pets")
    assert firing.state == "refused"
    assert "data set 'pets'" in firing.reason
    assert not faults.list_faults(desk.context, stuck=None, limit=10, cursor=None).items


def test_the_page_and_the_commands_hear_of_an_internal_error(
    desk: Any, toy_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, service.studies.results, "build_table", lambda *_, **__: True)
    study = desk.submit(toy_study())
    finish_all(desk, study)
    events, _, is_over = read_changes(desk.context, study.id, Seen())
    faults_seen = [event.data for event in events if event.kind == "fault"]
    assert is_over
    assert [fault["stuck"] for fault in faults_seen] == [False, False, True]
    documents = [KINDS["fault"].model_validate(fault) for fault in faults_seen]
    assert {document.work for document in documents} == {"the table of the study"}  # type: ignore[union-attr]


def test_a_study_that_cannot_be_read_does_not_spoil_the_table_of_one_with_the_same_trials(
    desk: Any, toy_study: Any
) -> None:
    bad, well = desk.submit(toy_study("bad")), desk.submit(toy_study("well"))
    with desk.context.store.write() as connection:
        mine = tables.studies.c.id == bad.id
        connection.execute(tables.studies.update().where(mine).values(registrations=[{"bad": 1}]))
    finish_all(desk, bad, well)
    assert (desk.study(bad).state, desk.study(well).state) == ("failed", "succeeded")
