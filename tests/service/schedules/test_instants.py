"""Instants against an oracle that knows nothing of cron: every quarter of an hour of a year, on a zone's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import Findings, StudyError
from service.schedules.instants import (
    check_cron,
    check_zone,
    due_time,
    find_latest,
    in_words,
    instants,
    is_too_frequent,
    list_zones,
    local_text,
    next_instant,
)

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)


@cache
def quarters_of(zone: str) -> dict[datetime, datetime]:
    """Local time without zone -> the first quarter in UTC that shows it; every offset is a multiple of one."""
    here, shown = ZoneInfo(zone), dict[datetime, datetime]()
    for number in range(int((END - START) / QUARTER)):
        at = START + number * QUARTER
        shown.setdefault(at.astimezone(here).replace(tzinfo=None), at)
    return shown


def expected(zone: str, hour: int, minute: int) -> list[datetime]:
    """When a clock shows a time of day: the first time of two, and after a gap its first instant."""
    shown = quarters_of(zone)
    first = min(shown).replace(hour=hour, minute=minute)
    found = []
    for day in range(370):
        local = first + timedelta(days=day)
        while local not in shown and min(shown) < local < max(shown):
            local += QUARTER
        found += [shown[local]] if local in shown else []
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("hour", "minute"), [(2, 0), (2, 30), (1, 45), (3, 0), (0, 0), (12, 15)])
def test_a_daily_time_comes_once_a_day_for_a_year_through_both_clock_changes(zone: str, hour: int, minute: int) -> None:
    found = list(takewhile(lambda at: at < END, instants(f"{minute} {hour} * * *", zone, START - MINUTE)))
    assert found == expected(zone, hour, minute)
    assert len(found) == 365


@pytest.mark.parametrize("zone", ZONES)
def test_whoever_starts_at_any_minute_of_a_clock_change_sees_the_same_instants(zone: str) -> None:
    every = list(takewhile(lambda at: at < END, instants("30 2 * * *", zone, START - MINUTE)))
    for change in changes_of(zone):
        for number in range(-300, 300):
            after = change + number * MINUTE
            assert next_instant("30 2 * * *", zone, after) == next(at for at in every if at > after)


def changes_of(zone: str) -> list[datetime]:
    """The instants of a year at which a zone's offset changes."""
    here = ZoneInfo(zone)
    hours = [START + timedelta(minutes=30 * number) for number in range(2 * 24 * 365)]
    return [b for a, b in pairwise(hours) if a.astimezone(here).utcoffset() != b.astimezone(here).utcoffset()]


def test_the_zones_have_both_kinds_of_change() -> None:
    assert [len(changes_of(zone)) for zone in ZONES] == [2, 2, 0, 2]


BY_REAL_TIME = [("0 * * * *", 60), ("*/30 * * * *", 30), ("*/10 * * * *", 10)]
HALF_HOURS = "Australia/Lord_Howe"
"""Its clock moves by half an hour, so that its full hours are not an hour apart."""


@pytest.mark.parametrize(
    ("zone", "cron", "every"),
    [(zone, *one) for zone in ZONES for one in BY_REAL_TIME if (zone, one[1]) != (HALF_HOURS, 60)],
)
def test_what_goes_by_the_hour_goes_by_real_time(zone: str, cron: str, every: int) -> None:
    for change in changes_of(zone):
        found = list(islice(instants(cron, zone, change - timedelta(hours=6)), 24 * 60 // every))
        assert {b - a for a, b in pairwise(found)} == {timedelta(minutes=every)}


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), st.sampled_from(ZONES))
def test_the_next_instant_is_later_and_nothing_is_between(after: datetime, zone: str) -> None:
    found = next_instant("15 4 * * *", zone, after)
    assert after < found <= after + timedelta(hours=49)
    assert next_instant("15 4 * * *", zone, found - timedelta(microseconds=1)) == found
    assert found.astimezone(ZoneInfo(zone)).strftime("%H:%M") == "04:15"


SPARSE = ("*/30 * * * *", "30 2 * * *", "0 0 * * *", "10-12,59 23,0,2 * * SAT,SUN", "* 2 L * *", "0 1 1 3 *")


@pytest.mark.slow
@pytest.mark.parametrize("zone", [*ZONES, "Africa/Cairo"])
@pytest.mark.parametrize("cron", SPARSE)
def test_what_is_counted_by_the_day_is_what_is_counted_one_by_one(zone: str, cron: str) -> None:
    every = list(takewhile(lambda at: at < END, instants(cron, zone, START)))
    for days in (0, 1, 20, 100, 300):
        after = START + timedelta(days=days, hours=5, minutes=days)
        for until in (after, after + 7 * QUARTER, after + timedelta(days=3, minutes=1), END - timedelta(hours=7)):
            within = [at for at in every if after < at <= until]
            assert find_latest(cron, zone, after, until, 7) == (within[-7:], len(within))


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(), timedelta(days=12)),
    st.sampled_from([*ZONES, "Africa/Cairo", "America/Nuuk", "Africa/Casablanca"]),
    st.sampled_from(SPARSE),
)
def test_any_span_is_counted_right(after: datetime, span: timedelta, zone: str, cron: str) -> None:
    every = list(takewhile(lambda at: at <= after + span, instants(cron, zone, after)))
    assert find_latest(cron, zone, after, after + span, 9) == (every[-9:], len(every))


@given(st.text("0123456789*/,-L#SUNMOJAFEB ", min_size=1, max_size=30))
def test_every_text_is_a_cron_text_with_a_next_instant_or_refused(text: str) -> None:
    found = Findings()
    with found.collecting():
        check_cron(text, START)
        assert next_instant(text, "Europe/Berlin", START) > START
        assert in_words(text)
    assert {problem.pointer for problem in found.problems} <= {"/cron"}


@pytest.mark.parametrize(
    ("cron", "is_allowed"),
    [
        ("*/5 * * * *", True), ("*/4 * * * *", False), ("0,5 2 * * *", True), ("0,4 2 * * *", False),
        ("*/7 * * * *", False),  # 56 and 00
        ("58,3 0,23 * * *", True), ("58,2 0,23 * * *", False),  # around midnight
        ("58,2 0,23 1 * *", True), ("58,2 0,23 1,2 * *", False), ("58,2 0,23 L,1 * *", False),
        ("0 0 29 2 *", True), ("0 0 29 2 */7", False),  # a Sunday, in 2032
        ("*/59 1 * * *", True), ("*/59 * * * *", False), ("30/59 * * * *", True), ("0 0 */31 * *", True),
        ("0 0 */32 * *", False),
    ],
)  # fmt: skip
def test_times_are_at_least_five_minutes_apart_and_come_within_five_years(cron: str, is_allowed: bool) -> None:
    found = Findings()
    with found.collecting():
        check_cron(cron, START)
    assert [problem.pointer for problem in found.problems] == ([] if is_allowed else ["/cron"])


@given(st.lists(st.integers(0, 59), min_size=1, max_size=3), st.lists(st.integers(0, 23), min_size=1, max_size=3))
def test_what_is_too_frequent_is_what_a_list_of_all_times_says(minutes: list[int], hours: list[int]) -> None:
    cron = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    times = list(islice(instants(cron, "UTC", START), 20))
    assert is_too_frequent(cron) == any(b - a < timedelta(minutes=5) for a, b in pairwise(times))


@given(st.text(max_size=70))
def test_every_text_is_a_zone_or_refused(text: str) -> None:
    if text in list_zones():
        check_zone(text)
    else:
        with pytest.raises(StudyError, match="unknown time zone"):
            check_zone(text)


@given(st.text(min_size=1, max_size=20), st.integers(0, 3600))
def test_jitter_is_the_same_for_the_same_name_and_instant_and_within_its_bound(name: str, jitter_s: int) -> None:
    late = due_time(name, START, jitter_s) - START
    assert timedelta(0) <= late <= timedelta(seconds=jitter_s)
    assert due_time(name, START.astimezone(ZoneInfo("Asia/Kolkata")), jitter_s) - START == late


def test_jitter_spreads_schedules_of_one_instant() -> None:
    assert len({due_time(f"s{number}", START, 3600) for number in range(100)}) > 80


def test_an_instant_reads_as_the_schedules_own_clock_shows_it() -> None:
    assert local_text(datetime(2026, 11, 26, 1, tzinfo=UTC), "Europe/Berlin") == "Thu 26 Nov 2026, 02:00 CET"
