"""Schedules over both databases, with a clock that the test moves and trials that do what the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from service import firing, schedules, studies
from service.context import Context, open_context
from service.instants import instants
from service.schedule_shapes import Acknowledgement, FiringView, ScheduleChange, ScheduleSpec, ScheduleView
from service.scheduler import Scheduler
from service.settings import Settings
from service.store import notices

MORNING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


class Nights:
    """Schedules under a clock that is moved by hand."""

    def __init__(self, desk: Any, study: dict[str, Any]) -> None:
        self.desk, self.study, self.at = desk, study, MORNING
        desk.scheduler = Scheduler(desk.context, lambda: desk.dispatcher, clock=lambda: self.at)
        desk.scheduler.start()

    def add(self, name: str = "nightly", **fields: Any) -> ScheduleView:
        spec = {"name": name, "cron": "0 2 * * *", "study": self.study} | fields
        return schedules.add_schedule(self.desk.context, ScheduleSpec(**spec), self.at)[0]

    def tick(self, at: datetime | None = None) -> None:
        self.at = at or self.at
        firing.tick(self.desk.context, self.at)

    def night(self, day: int, name: str = "nightly", **metrics: float) -> FiringView:
        """The instant of that day comes, and what it fires is trained to its end."""
        self.tick(MORNING.replace(hour=2, minute=0) + day * DAY)
        self.train(**metrics)
        return self.history(name)[0]

    def train(self, **metrics: float) -> None:
        """Everything that is queued or runs succeeds, with these metrics."""
        for _ in range(50):
            self.desk.tick()
            running = list(self.desk.dispatcher.running.values())
            for ticket in running:
                self.desk.dispatcher.end(ticket, **metrics)
            if not running and not self.desk.dispatcher.reports:
                break
        self.tick()

    def history(self, name: str = "nightly") -> list[FiringView]:
        return schedules.list_history(self.desk.context, name, limit=200, cursor=None).items

    def states(self) -> list[str]:
        return [one.state for one in reversed(self.history())]

    def schedule(self, name: str = "nightly") -> ScheduleView:
        return schedules.get_schedule(self.desk.context, name, self.at)

    def change(self, **fields: Any) -> ScheduleView:
        return schedules.change_schedule(self.desk.context, "nightly", ScheduleChange(**fields), self.at)

    def acknowledge(self, reason: str, **fields: Any) -> ScheduleView:
        said = Acknowledgement(reason=reason, **fields)
        return schedules.acknowledge(self.desk.context, "nightly", said, self.at)

    def told(self) -> list[str]:
        """Kinds of what operators are told, in order."""
        with self.desk.context.store.read() as connection:
            return [one.kind for one in notices.list_due(connection, "url", self.at + 400 * DAY, 1000)]


@pytest.fixture
def nights(desk: Any, toy_study: Callable[..., dict[str, Any]]) -> Nights:
    return Nights(desk, toy_study(seeds=2))


def trained(desk: Any) -> list[tuple[float, int, int, int]]:
    return [
        (one.trial.recipe["offset"], one.trial.seed, one.trial.repeat, one.trial.replicate)
        for one in desk.dispatcher.started
    ]


def test_the_first_night_trains_the_reference_and_says_so_and_the_next_ones_repeat_it(nights: Nights) -> None:
    nights.add()
    first = nights.night(1)
    assert (first.kind, first.state, first.repeat, first.stands_for) == ("reference", "done", 0, 1)
    assert first.drift is not None
    assert first.drift.state == "reference"
    assert "trained the reference: 2 of 2 trials" in first.drift.sentence
    second, third = nights.night(2), nights.night(3)
    assert [(one.kind, one.state, one.repeat) for one in (second, third)] == [
        ("verify", "done", 1),
        ("verify", "done", 2),
    ]
    assert trained(nights.desk) == [(0.0, seed, repeat, 0) for repeat in (0, 1, 2) for seed in (0, 1)]
    assert [(one.row, one.seed, one.verdict) for one in third.comparisons] == [
        ("offset 0", 0, "equal"),
        ("offset 0", 1, "equal"),
    ]
    assert third.drift is not None
    assert third.drift.state == "steady"


def test_what_other_studies_stored_is_the_reference_and_a_firing_is_never_answered_from_it(nights: Nights) -> None:
    nights.desk.finish(nights.desk.submit(nights.study))
    nights.add()
    night = nights.night(1)
    assert (night.kind, night.repeat) == ("verify", 1)
    assert len(nights.desk.dispatcher.started) == 4 + 2
    assert nights.schedule().reference_at is None


def test_two_schedules_of_one_study_do_not_answer_each_other(nights: Nights) -> None:
    nights.desk.finish(nights.desk.submit(nights.study))
    nights.add("a")
    nights.add("b")
    nights.night(1, "a")
    assert sorted(trained(nights.desk)[4:]) == [(0.0, seed, repeat, 0) for seed in (0, 1) for repeat in (1, 2)]


def test_canary_rows_are_what_the_study_names(nights: Nights) -> None:
    nights.study = nights.study | {"canary": {"rows": ["offset 1"]}}
    nights.add()
    night = nights.night(1)
    assert [row.row for row in night.rows] == ["offset 1"]


def test_a_changed_number_is_an_alarm_at_the_first_firing_and_is_told_once(nights: Nights) -> None:
    nights.add()
    nights.night(1, error=1.0)
    good = nights.night(2, error=1.0)
    for day in (3, 4):
        changed = nights.night(day, error=1.5)
        assert changed.drift is not None
        assert changed.drift.state == "alarm"
        assert {one.verdict for one in changed.comparisons} == {"different"}
    (alarm,) = nights.schedule().alarms
    assert (alarm.row, alarm.direction, alarm.size) == ("offset 0", "up", 0.5)
    assert alarm.instant == alarm.changed_instant == good.instant + DAY
    assert (alarm.good_instant, alarm.good_study_id) == (good.instant, good.study_id)
    assert "nothing that is recorded changed" in alarm.sentence
    assert nights.schedule().needs_person
    assert nights.told().count("drift") == 1


def test_an_acknowledged_change_begins_a_new_reference(nights: Nights) -> None:
    nights.add()
    nights.night(1, error=1.0)
    nights.night(2, error=1.5)
    nights.at += MINUTE
    assert nights.acknowledge("torch was upgraded").alarms == []
    renewed = nights.night(3, error=1.5)
    assert (renewed.kind, renewed.repeat) == ("reference", 2)
    assert nights.schedule().reference_at == renewed.instant
    night = nights.night(4, error=1.5)
    assert night.drift is not None
    assert (night.kind, night.repeat, night.drift.state) == ("verify", 3, "steady")


def test_a_mended_mistake_goes_on_with_the_old_reference(nights: Nights) -> None:
    nights.add()
    nights.night(1, error=1.0)
    nights.night(2, error=1.5)
    nights.at += MINUTE
    nights.acknowledge("the data were restored", keep_reference=True)
    mended = nights.night(3, error=1.0)
    assert mended.drift is not None
    assert (mended.kind, mended.drift.state) == ("verify", "steady")
    again = nights.night(4, error=1.5)
    assert again.drift is not None
    assert again.drift.state == "alarm"
    assert len(nights.schedule().alarms) == 1


def test_holes_are_no_drift_and_are_told_and_settled_again_when_they_are_filled(nights: Nights) -> None:
    nights.add()
    nights.night(1)
    nights.tick(MORNING.replace(hour=2) + 2 * DAY)
    nights.desk.tick()
    bad, good = list(nights.desk.dispatcher.running.values())
    nights.desk.dispatcher.end(bad, "failed", "RuntimeError: as told")
    nights.desk.dispatcher.end(good)
    nights.train()
    (night, _) = nights.history()
    assert night.drift is not None
    assert (night.state, night.drift.state) == ("holes", "unknown")
    assert "no drift" in night.drift.sentence
    assert "1 of 2 cells have no result" in (night.reason or "")
    assert nights.schedule().needs_person
    assert nights.told().count("holes") == 1
    studies.retry(nights.desk.context, night.study_id or "")
    nights.train()
    (night, _) = nights.history()
    assert night.drift is not None
    assert (night.state, night.reason, night.drift.state) == ("done", None, "steady")


def test_a_reference_with_holes_is_trained_to_its_end_by_the_next_firing(nights: Nights) -> None:
    nights.add()
    nights.tick(MORNING.replace(hour=2) + DAY)
    nights.desk.tick()
    bad, good = list(nights.desk.dispatcher.running.values())
    nights.desk.dispatcher.end(bad, "failed", "RuntimeError: as told")
    nights.desk.dispatcher.end(good)
    nights.train()
    assert nights.history()[0].state == "holes"
    second, third = nights.night(2), nights.night(3)
    assert [(one.kind, one.state, one.repeat) for one in (second, third)] == [
        ("reference", "done", 0),
        ("verify", "done", 1),
    ]


def test_a_cancelled_firing_is_no_drift(nights: Nights) -> None:
    nights.add()
    nights.night(1)
    nights.tick(MORNING.replace(hour=2) + 2 * DAY)
    studies.cancel(nights.desk.context, nights.history()[0].study_id or "")
    nights.train()
    night = nights.history()[0]
    assert night.drift is not None
    assert (night.state, night.drift.state) == ("cancelled", "unknown")


def test_fresh_takes_blocks_of_seeds_that_nobody_has_trained(nights: Nights) -> None:
    nights.desk.finish(nights.desk.submit(nights.study | {"seeds": 3}))
    nights.add(mode="fresh")
    first = nights.night(1)
    nights.desk.finish(nights.desk.submit(nights.study | {"seeds": [7]}))
    second = nights.night(2)
    assert [one.seeds for one in (first, second)] == [[4, 5], [8, 9]]
    assert [row.row for row in second.rows] == ["offset 0", "offset 1"]
    assert {(one.trial.replicate, one.trial.repeat) for one in nights.desk.dispatcher.started} == {(0, 0)}


def test_fresh_seeds_that_move_are_an_alarm_with_the_first_changed_firing(nights: Nights) -> None:
    nights.add(mode="fresh", false_alarm_every=50, seeds=1)
    wiggle = (0.0, 0.1, -0.05, 0.03, -0.08, 0.06, -0.02, 0.04)
    for day in range(1, 9):
        steady = nights.night(day, error=1.0 + wiggle[day - 1])
        assert steady.drift is not None
        assert steady.drift.state == ("reference" if day <= 4 else "steady")
    moved = nights.night(9, error=9.0)
    assert moved.drift is not None
    assert moved.drift.state == "alarm"
    alarms = nights.schedule().alarms
    assert {one.row for one in alarms} == {"offset 0", "offset 1"}
    assert {(one.direction, one.changed_instant) for one in alarms} == {("up", moved.instant)}
    nights.at += MINUTE
    nights.acknowledge("a new optimiser")
    fresh = nights.night(10, error=9.0)
    assert fresh.drift is not None
    assert (fresh.drift.state, fresh.drift.sentence) == ("reference", "firing 1 of the 4 of the reference window")


@pytest.mark.parametrize(
    ("missed", "states", "stands_for"),
    [
        ("coalesce", ["queued"], [7]),
        ("skip", ["missed", "queued"], [6, 1]),
        ("all", ["queued"] * 7, [1] * 7),
    ],
)
def test_after_a_week_off_the_policy_decides(
    nights: Nights, missed: str, states: Sequence[str], stands_for: Sequence[int]
) -> None:
    nights.add(missed=missed)
    nights.tick(MORNING.replace(hour=2, minute=30) + 7 * DAY)
    found = list(reversed(nights.history()))
    expected = [state if state != "queued" else "running" for state in states[:2]] + list(states[2:])
    if missed == "all":
        expected = ["running", *states[1:]]
    assert [one.state for one in found] == expected
    assert [one.stands_for for one in found] == stands_for
    assert found[-1].instant == MORNING.replace(hour=2, minute=0) + 7 * DAY
    nights.train()
    for _ in range(7):
        nights.train()
    assert {one.state for one in nights.history()} <= {"done", "missed"}
    nights.tick()
    assert len(nights.history()) == len(states)
    assert ("missed" in nights.told()) == (missed != "all")


def test_too_late_by_the_policy_is_missed_and_on_time_is_not(nights: Nights) -> None:
    nights.add(missed="skip", grace_s=600)
    nights.tick(MORNING.replace(hour=2, minute=11) + DAY)
    assert nights.states() == ["missed"]
    assert nights.schedule().needs_person
    nights.tick(MORNING.replace(hour=2, minute=9) + 2 * DAY)
    assert nights.states() == ["missed", "running"]


def test_all_makes_up_for_the_newest_hundred_and_tells_of_the_rest(nights: Nights) -> None:
    nights.add(cron="0 * * * *", missed="all")
    nights.tick(MORNING + timedelta(hours=130))
    found = list(reversed(nights.history()))
    assert (found[0].state, found[0].stands_for) == ("missed", 30)
    assert len(found) == 101


def test_while_a_firing_runs_the_next_one_is_skipped_or_waits(nights: Nights) -> None:
    nights.add("a", overlap="skip")
    nights.add("b", overlap="queue")
    for day in (1, 2, 3):
        nights.tick(MORNING.replace(hour=2) + day * DAY)
    assert [one.state for one in nights.history("a")] == ["skipped", "skipped", "running"]
    assert [one.state for one in nights.history("b")] == ["queued", "queued", "running"]
    for _ in range(4):
        nights.train()
    assert [one.state for one in nights.history("a")] == ["skipped", "skipped", "done"]
    assert [one.state for one in nights.history("b")] == ["done"] * 3


def test_a_pause_counts_as_no_miss(nights: Nights) -> None:
    nights.add()
    assert nights.change(paused=True).next_at is None
    nights.tick(MORNING + 5 * DAY)
    assert nights.history() == []
    resumed = nights.change(paused=False)
    assert resumed.next_at == MORNING.replace(hour=2) + 6 * DAY
    nights.tick(MORNING.replace(hour=2) + 6 * DAY)
    assert [(one.state, one.stands_for) for one in nights.history()] == [("running", 1)]


def test_a_clock_that_steps_back_fires_nothing_twice(nights: Nights) -> None:
    nights.add()
    night = MORNING.replace(hour=2) + DAY
    nights.tick(night)
    for minutes in (-90, -30, 0, 1, 600):
        nights.tick(night + minutes * MINUTE)
    assert len(nights.history()) == 1
    nights.train()
    nights.tick(night + DAY)
    assert [one.instant for one in nights.history()] == [night + DAY, night]


def test_a_clock_that_was_a_year_ahead_holds_nothing_up(nights: Nights) -> None:
    nights.add()
    night = MORNING.replace(hour=2) + DAY
    nights.tick(night + 365 * DAY)
    nights.train()
    nights.tick(night - MINUTE)
    nights.tick(night)
    assert [one.instant for one in nights.history()] == [night, night + 365 * DAY]
    nights.train()
    nights.tick(night + 365 * DAY)
    assert len([one for one in nights.history() if one.instant == night + 365 * DAY]) == 1


def test_jitter_delays_a_firing_but_not_its_instant(nights: Nights) -> None:
    nights.add(jitter_s=3600)
    night = MORNING.replace(hour=2) + DAY
    fired = next(at for at in (night + number * MINUTE for number in range(62)) if _fires(nights, at))
    assert night < fired <= night + 61 * MINUTE
    assert nights.history()[0].instant == night


def _fires(nights: Nights, at: datetime) -> bool:
    nights.tick(at)
    return bool(nights.history())


def test_a_firing_whose_study_cannot_be_submitted_is_refused_with_the_reason(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "steps": 8}
    nights.study = {"name": "real", "seeds": 1, "base": data, "rows": [{"label": "FReLU"}]}
    nights.add()
    nights.change(study=nights.study | {"resources": {"cpus": 3}})
    night = nights.night(1)
    assert (night.state, night.study_id) == ("refused", None)
    assert "a trial asks for 3 CPUs" in (night.reason or "")
    assert nights.told() == ["missed"]
    assert nights.schedule().needs_person


def test_a_firing_that_a_scheduler_left_waiting_is_launched_by_the_next_one(nights: Nights) -> None:
    nights.add()
    context, night = nights.desk.context, MORNING.replace(hour=2) + DAY
    from service.store import schedules as stored

    with context.store.read() as connection:
        (due,) = stored.list_due(connection, night)
    firing._fire(context, due, night)  # and here it dies
    assert nights.states() == ["queued"]
    nights.tick(night + MINUTE)
    assert nights.states() == ["running"]
    firing._fire(context, due, night + MINUTE)  # what it had read is old by now
    assert nights.states() == ["running"]


def test_a_trigger_runs_beside_the_cron_text_and_also_while_it_is_paused(nights: Nights) -> None:
    nights.add()
    nights.change(paused=True)
    fired = schedules.trigger(nights.desk.context, "nightly", nights.at)
    assert (fired.cause, fired.state, fired.instant) == ("manual", "running", MORNING)
    nights.train()
    assert nights.states() == ["done"]


def _tick_through(contexts: Sequence[Context], times: Sequence[datetime]) -> None:
    """Every context ticks at each of these times, all at once."""
    barrier = threading.Barrier(len(contexts))

    def run(context: Context) -> None:
        for at in times:
            barrier.wait(60)
            firing.tick(context, at)

    with ThreadPoolExecutor(len(contexts)) as pool:
        for done in [pool.submit(run, context) for context in contexts]:
            done.result()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "schedulers"), [("sqlite", 1), ("postgres", 3)])
def test_through_a_year_of_clock_changes_no_instant_is_missed_and_none_doubled(
    request: pytest.FixtureRequest, tmp_path: Path, toy: str, toy_study: Any, kind: str, schedulers: int
) -> None:
    url = SecretStr(request.getfixturevalue(f"{kind}_url"))
    (tmp_path / "home").mkdir()
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    expected = {zone: list(takewhile(lambda at: at < end, instants("30 2 * * *", zone, start))) for zone in ZONES}
    names = {zone: zone.replace("/", ".") for zone in ZONES}
    with closing(open_context(Settings(home=tmp_path / "home", database_url=url))) as first:
        others = [open_context(Settings(home=tmp_path / "home", database_url=url)) for _ in range(schedulers - 1)]
        for zone, name in names.items():
            spec = ScheduleSpec(name=name, cron="30 2 * * *", tz=zone, study=toy_study(), overlap="queue")
            schedules.add_schedule(first, spec, start)
        _tick_through([first, *others], sorted({at for times in expected.values() for at in times}))
        for zone, name in names.items():
            assert sorted(_instants_of(first, name)) == expected[zone]
        for other in others:
            other.close()


def _instants_of(context: Context, name: str) -> list[datetime]:
    found, cursor = list[datetime](), None
    while True:
        page = schedules.list_history(context, name, limit=200, cursor=cursor)
        assert all(one.stands_for == 1 for one in page.items)
        found += [one.instant for one in page.items]
        cursor = page.next
        if cursor is None:
            return found
