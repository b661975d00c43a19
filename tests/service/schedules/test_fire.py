"""Schedules over both databases, with a clock that the test moves and trials that do what the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, event

from ablate.errors import StudyError
from ablate.remote.documents.schedules import ScheduleSpec
from service.context import Context, open_context
from service.schedules import fire, lifecycle
from service.schedules.instants import due_time, instants
from service.schedules.launch import launch
from service.schedules.settle import settle_firing
from service.schedules.today import get_today
from service.settings import Settings
from service.store.schedules import firings
from service.store.schedules import schedules as stored
from tests.service.nights import DAY, MINUTE, MORNING, Nights

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


WEEK = [
    ("coalesce", [("running", 7)]),
    ("skip", [("missed", 6), ("running", 1)]),
    ("all", [("running", 1), *[("queued", 1)] * 6]),
]


@pytest.mark.parametrize(("missed", "expected"), WEEK)
def test_after_a_week_off_the_policy_decides(nights: Nights, missed: str, expected: Sequence[tuple[str, int]]) -> None:
    nights.add(missed=missed)
    nights.tick(MORNING.replace(hour=2, minute=30) + 7 * DAY)
    found = list(reversed(nights.history()))
    assert [(one.state, one.stands_for) for one in found] == expected
    assert found[-1].instant == MORNING.replace(hour=2, minute=0) + 7 * DAY
    for _ in expected:
        nights.train()
    assert [one.state for one in reversed(nights.history())] == [
        "missed" if s == "missed" else "done" for s, _ in expected
    ]
    nights.tick()
    assert len(nights.history()) == len(expected)
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


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_year_of_minutes_is_counted_to_the_last_one_in_a_moment(nights: Nights) -> None:
    nights.add_frequent("* * * * *", tz="Europe/Berlin", jitter_s=90)
    begun_s = process_time()
    nights.tick(MORNING + 365 * DAY)
    assert process_time() - begun_s < 5  # one by one it took more than ten
    (firing,) = nights.history()
    assert firing.stands_for in (365 * 24 * 60 - 2, 365 * 24 * 60 - 1, 365 * 24 * 60)  # the newest have their jitter
    assert firing.instant == MORNING + firing.stands_for * MINUTE


def test_a_stored_schedule_that_fires_more_often_than_allowed_continues_with_a_warning(nights: Nights) -> None:
    nights.add_frequent("* * * * *")
    assert nights.schedule().next_text.endswith("; warning: less than 5 minutes apart; choose a longer interval")
    nights.tick(MORNING + MINUTE)
    assert nights.states() == ["running"]
    nights.change(paused=True)
    nights.change(paused=False)
    with pytest.raises(StudyError, match=r"^/cron: has times that are less than 5 minutes apart"):
        nights.change(cron="*/4 * * * *")
    assert "warning" not in nights.change(cron="*/5 * * * *").next_text


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


def test_of_two_changes_at_once_both_are_kept_and_the_next_instant_follows_from_both(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.add()
    check = lifecycle.check_cron

    def check_slowly(cron: str, at: datetime) -> None:
        monkeypatch.setattr(lifecycle, "check_cron", check)
        nights.change(tz="Asia/Kolkata")
        check(cron, at)

    monkeypatch.setattr(lifecycle, "check_cron", check_slowly)
    changed = nights.change(cron="0 4 * * *")
    assert (changed.cron, changed.tz) == ("0 4 * * *", "Asia/Kolkata")
    assert changed.next_at == datetime(2026, 3, 2, 22, 30, tzinfo=UTC)


def test_a_study_is_checked_with_the_scale_that_another_change_gives_it_meanwhile(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.study = nights.study | {"scales": {"mini": {}, "lab": {}}}
    nights.add()
    prepare = lifecycle.prepare

    def prepare_slowly(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(lifecycle, "prepare", prepare)
        nights.change(scale="lab")
        return prepare(*arguments, **options)

    monkeypatch.setattr(lifecycle, "prepare", prepare_slowly)
    with pytest.raises(StudyError, match="lab"):
        nights.change(study=nights.study | {"scales": {"mini": {}}})
    assert (nights.schedule().scale, nights.schedule().study) == ("lab", nights.study)


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


def test_another_jitter_loses_no_instant_that_is_due(nights: Nights) -> None:
    nights.add(jitter_s=3600)
    nights.at = night = MORNING.replace(hour=2) + DAY
    assert nights.change(jitter_s=60).next_at == night
    nights.tick(night + 2 * MINUTE)
    assert [one.instant for one in nights.history()] == [night]


def test_where_jitter_reorders_instants_what_is_missed_takes_no_place_of_what_fires(nights: Nights) -> None:
    nights.add_frequent("* * * * *", missed="skip", grace_s=60, jitter_s=3600)
    with nights.desk.context.store.read() as connection:
        [schedule] = stored.list_due(connection, MORNING + 365 * DAY)
    both = 0
    for number in range(50):  # the name decides the jitter
        one = replace(schedule, name=f"night-{number}")
        at = due_time(one.name, one.next_at, one.jitter_s)
        answers = list(fire.decide_firing(one, fire.find_due(one, at), at, is_busy=False))
        assert len({answer.instant for answer in answers}) == len(answers)
        both += {answer.state for answer in answers} == {"missed", "queued"}
    assert both


def test_what_was_missed_long_ago_is_told_on_the_day_it_is_found_out(nights: Nights) -> None:
    nights.add(missed="skip")
    nights.tick(MORNING + 7 * DAY)
    assert nights.history()[0].instant == MORNING.replace(hour=2) + DAY
    today = get_today(nights.desk.context, None, nights.at + MINUTE)
    assert [one.code for one in today.attention] == ["missed"]
    assert get_today(nights.desk.context, None, nights.at + 2 * DAY).attention == []


def test_a_zone_that_this_machine_does_not_know_holds_no_other_schedule_up(
    nights: Nights, caplog: pytest.LogCaptureFixture
) -> None:
    nights.add("a")
    nights.add("b")
    _forget_zone(nights, "a")
    nights.tick(MORNING.replace(hour=2) + DAY)
    assert (nights.history("a"), len(nights.history("b"))) == ([], 1)
    assert "schedule a cannot fire: /tz: this machine does not know the time zone 'Mars/Olympus'" in caplog.text


def test_what_cannot_fire_is_told_once_for_each_change_and_needs_a_person(
    nights: Nights, caplog: pytest.LogCaptureFixture
) -> None:
    nights.add()
    for _ in range(2):
        nights.at += MINUTE
        _forget_zone(nights, "nightly")
        for minutes in range(3):
            nights.tick(MORNING + 2 * DAY + minutes * MINUTE)
    assert caplog.text.count("schedule nightly cannot fire") == 2
    assert nights.told() == ["stuck", "stuck"]
    assert "cannot fire: this machine does not know the time zone 'Mars/Olympus'" in nights.schedule().next_text
    assert nights.schedule().needs_person
    today = get_today(nights.desk.context, None, nights.at)
    assert ([one.code for one in today.attention], today.next) == (["stuck"], [])
    nights.change(paused=True)
    assert not nights.schedule().needs_person


def test_a_schedule_whose_zone_this_machine_does_not_know_can_be_paused_and_removed(nights: Nights) -> None:
    nights.add()
    _forget_zone(nights, "nightly")
    assert nights.change(paused=True).state == "paused"
    with pytest.raises(StudyError, match="does not know the time zone 'Mars/Olympus'"):
        nights.change(paused=False)
    assert nights.change(tz="Asia/Kolkata", paused=False).next_at == datetime(2026, 3, 2, 20, 30, tzinfo=UTC)
    _forget_zone(nights, "nightly")
    lifecycle.remove_schedule(nights.desk.context, "nightly")
    assert lifecycle.list_schedules(nights.desk.context, nights.at, limit=9, cursor=None).items == []


def _forget_zone(nights: Nights, name: str) -> None:
    """As where the service has moved to a machine that has no such zone."""
    with nights.desk.context.store.write() as connection:
        seq = stored.get_schedule(connection, name).seq
        stored.change_schedule(connection, seq, {"tz": "Mars/Olympus", "changed_at": nights.at})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_neither_the_last_firing_nor_what_happened_since_yesterday_is_looked_for_among_all(nights: Nights) -> None:
    with nights.desk.context.store.read() as connection:
        last = _plan_of(connection, lambda: firings.find_last(connection, [1, 2]))
        news = _plan_of(connection, lambda: firings.list_troubled(connection, MORNING))
    assert "ix_firings_last (schedule_seq=?)" in last
    assert "ix_firings_ended_at (ended_at>?)" in news
    assert "ix_firings_ended_at (ended_at=?)" in news
    assert "SCAN firings" not in last + news


def _plan_of(connection: Connection, read: Callable[[], object]) -> str:
    """How SQLite goes about what a function asks of it."""
    asked: list[tuple[str, Any]] = []

    @event.listens_for(connection, "before_cursor_execute")
    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        asked.append((statement, parameters))

    read()
    event.remove(connection, "before_cursor_execute", note)
    rows = [row for one, given in asked for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", given)]
    return "\n".join(row.detail for row in rows)


def _fires(nights: Nights, at: datetime) -> bool:
    nights.tick(at)
    return bool(nights.history())


@pytest.mark.slow
def test_a_firing_whose_study_cannot_be_submitted_is_refused_with_the_reason(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "steps": 8}
    nights.study = {"name": "real", "seeds": 1, "base": data, "rows": [{"label": "FReLU"}]}
    nights.add()
    nights.change(study=nights.study | {"resources": {"cpus": 3}})
    night = nights.night(1)
    assert (night.state, night.study_id) == ("refused", None)
    assert "a trial requests 3 CPUs" in (night.reason or "")
    assert nights.told() == ["missed"]
    assert nights.schedule().needs_person


def test_a_firing_that_a_scheduler_left_waiting_is_launched_by_the_next_one(nights: Nights) -> None:
    nights.add()
    context, night = nights.desk.context, MORNING.replace(hour=2) + DAY
    with context.store.read() as connection:
        (due,) = stored.list_due(connection, night)
    fire._fire(context, due, night)  # and here it dies
    assert nights.states() == ["queued"]
    nights.tick(night + MINUTE)
    assert nights.states() == ["running"]
    fire._fire(context, due, night + MINUTE)  # what it had read is old by now
    assert nights.states() == ["running"]


def test_a_schedule_that_is_removed_under_a_scheduler_stops_nothing(nights: Nights) -> None:
    nights.add()
    context, night = nights.desk.context, MORNING.replace(hour=2) + DAY
    nights.night(1)
    nights.night(2)
    with context.store.read() as connection:
        schedule = stored.get_schedule(connection, "nightly")
        (ended,) = firings.list_firings(connection, schedule.seq, limit=1)
    lifecycle.remove_schedule(context, "nightly")
    assert not launch(context, replace(ended, state="queued"), night)
    settle_firing(context, ended, night)
    fire._fire(context, schedule, night + 9 * DAY)
    nights.tick(night + 10 * DAY)


def test_a_trigger_runs_beside_the_cron_text_and_also_while_it_is_paused(nights: Nights) -> None:
    nights.add()
    nights.change(paused=True)
    fired = lifecycle.trigger(nights.desk.context, "nightly", nights.at)
    assert (fired.cause, fired.state, fired.instant) == ("manual", "running", MORNING)
    nights.train()
    assert nights.states() == ["done"]


def _tick_through(contexts: Sequence[Context], times: Sequence[datetime]) -> None:
    """Every context ticks at each of these times, all at once."""
    barrier = threading.Barrier(len(contexts))

    def run(context: Context) -> None:
        for at in times:
            barrier.wait(60)
            fire.tick(context, at)

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
            lifecycle.add_schedule(first, spec, start)
        _tick_through([first, *others], sorted({at for times in expected.values() for at in times}))
        for zone, name in names.items():
            assert sorted(_instants_of(first, name)) == expected[zone]
        for other in others:
            other.close()


def _instants_of(context: Context, name: str) -> list[datetime]:
    found, cursor = list[datetime](), None
    while True:
        page = lifecycle.list_history(context, name, limit=200, cursor=cursor)
        assert all(one.stands_for == 1 for one in page.items)
        found += [one.instant for one in page.items]
        cursor = page.next
        if cursor is None:
            return found
