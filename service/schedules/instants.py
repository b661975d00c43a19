"""When a schedule fires: cron expressions and time zones, parsed strictly, and the resulting instants. Pure.

An instant is a time in UTC at which the local time of the schedule matches its cron expression. A local time that a
clock change skips becomes the first instant after the gap; a local time that occurs twice fires the first time. An
expression with `*` for minute or hour (every hour, every ten minutes) follows elapsed time, through both passes of a
repeated hour.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from ablate.errors import Problem, StudyError, quote
from service.schedules.written import cron_advice, zone_advice

CRON = re.compile(r"[0-9A-Za-z*/,#-]+( [0-9A-Za-z*/,#-]+){4}")
FIELDS = "minute (0-59), hour (0-23), day of month (1-31, L), month (1-12, JAN-DEC), weekday (0-7, SUN-SAT)"
DAY = timedelta(days=1)
HORIZON = timedelta(days=5 * 366)
"""How far the next instant may be away."""
MIN_INTERVAL = timedelta(minutes=5)
"""Shortest time between two instants on the schedule's clock, except around a clock change."""
LARGEST = {"minute": 59, "hour": 23, "day of month": 31, "month": 12, "weekday": 7}
ALLOWED = "five fields of numbers, names, *, ranges a-b, lists a,b and steps */n, such as '0 2 * * *' (02:00 each day)"


@cache
def list_zones() -> frozenset[str]:
    """Names of the IANA time zones on this machine, except `localtime`, which differs between machines."""
    return frozenset(available_timezones() - {"localtime"})


def check_cron(cron: str, at: datetime) -> None:
    """Raise StudyError, at `/cron`, for an invalid cron expression, or one that fires too seldom or too often.

    Args:
        cron: the cron expression.
        at: the current time; the next instant is at most `HORIZON` later.
    """
    if not CRON.fullmatch(cron):
        raise _refused(cron_advice(cron) or f"is not a cron expression; use {ALLOWED}")
    for (field, largest), text in zip(LARGEST.items(), cron.split(), strict=True):
        if beyond := [step for step in re.findall(r"/(\d+)", text) if int(step) > largest]:
            raise _refused(f"the step {beyond[0]} is beyond the field '{field}'; allowed: 1 to {largest}")
    try:
        upcoming = next(CronSim(cron, at.astimezone(UTC)))
    except CronSimError as error:
        part = str(error).removeprefix("Bad ").replace("-", " ")
        raise _refused(f"invalid value of field '{part}'; the fields are {FIELDS}") from error
    except StopIteration:
        raise _refused("names a day that does not exist; choose another day or month") from None
    if upcoming > at + HORIZON:
        raise _refused(f"fires next in {upcoming.year}; allowed: within 5 years; choose another day or month")
    if is_too_frequent(cron):
        raise _refused("has times that are less than 5 minutes apart; give a longer interval, such as '*/5 * * * *'")


def check_zone(tz: str) -> None:
    """Raise StudyError, at `/tz`, for an unknown IANA time zone."""
    if tz not in list_zones():
        text = f"unknown time zone {quote(tz)}{zone_advice(tz, list_zones())}"
        raise StudyError([Problem("/tz", "unknown_zone", text)])


@lru_cache(maxsize=256)
def is_too_frequent(cron: str) -> bool:
    """Whether two instants of a cron expression are less than `MIN_INTERVAL` apart."""
    times = _times_of_day(cron)
    if any(later - earlier < MIN_INTERVAL for earlier, later in pairwise(times)):
        return True
    if times[0] + DAY - times[-1] >= MIN_INTERVAL:
        return False
    first = date(2024, 1, 1)
    return any(later - earlier == DAY for earlier, later in pairwise(sorted(_dates(cron, first, first + HORIZON))))


def _refused(message: str) -> StudyError:
    return StudyError([Problem("/cron", "invalid", message)])


def next_instant(cron: str, tz: str, after: datetime) -> datetime:
    """The first instant after `after`; both aware, the result in UTC.

    Raises:
        StudyError: at `/tz`, this machine does not know the time zone any more.
    """
    for local in CronSim(cron, after.astimezone(_zone(tz))):
        found = local.astimezone(UTC)
        if found > after:  # in the second pass of a repeated hour, times of the first pass are in the past
            return found
    raise ValueError(f"no instant after {after} in {cron!r}")  # `check_cron` refuses such an expression


@lru_cache(maxsize=64)
def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except ZoneInfoNotFoundError as error:
        text = f"this machine does not know the time zone {quote(tz)}; install tzdata, or choose another time zone"
        raise StudyError([Problem("/tz", "unknown_zone", text)]) from error


def find_zone_fault(tz: str) -> str | None:
    """Why a schedule in a time zone cannot fire on this machine; None if it can."""
    try:
        _zone(tz)
    except StudyError as error:
        return error.problems[0].message
    return None


def instants(cron: str, tz: str, after: datetime) -> Iterator[datetime]:
    """Every instant after `after`, in order."""
    while True:
        after = next_instant(cron, tz, after)
        yield after


def find_latest(cron: str, tz: str, after: datetime, until: datetime, most: int) -> tuple[list[datetime], int]:
    """The newest instants after `after` up to `until`, in order, and the number of all of them.

    A year of minutes has half a million instants. So a day without a clock change counts as a fixed number of instants;
    only the last days, and days around a clock change, are iterated.

    Args:
        cron, tz: cron expression and time zone of the schedule.
        after, until: aware times.
        most: largest number of instants to return.
    """
    days = list(_days(cron, tz, after, until))
    start, tail = until, 0
    while days and tail < most:
        start, count = days.pop()
        tail += count
    newest = list(_between(cron, tz, start, until))
    return newest[-most:], len(newest) + sum(count for _, count in days)


def _days(cron: str, tz: str, after: datetime, until: datetime) -> Iterator[tuple[datetime, int]]:
    """The local days of a span: the time after which each begins, and its number of instants."""
    zone = _zone(tz)
    first, last = after.astimezone(zone).date(), until.astimezone(zone).date()
    dates, times = _dates(cron, first, last), len(_times_of_day(cron))
    start = after
    for day in (first + number * DAY for number in range((last - first).days + 1)):
        end = max(start, min(until, _begin(zone, day + DAY) - timedelta(microseconds=1)))
        if first < day < last and _is_plain(zone, day):
            yield start, times if day in dates else 0
        else:
            yield start, sum(1 for _ in _between(cron, tz, start, end))
        start = end


def _begin(zone: ZoneInfo, day: date) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _between(cron: str, tz: str, after: datetime, until: datetime) -> Iterator[datetime]:
    return takewhile(lambda at: at <= until, instants(cron, tz, after))


def _dates(cron: str, first: date, last: date) -> frozenset[date]:
    """The days of a span that match a cron expression."""
    day, month, weekday = cron.split()[2:]
    midnights = CronSim(f"0 0 {day} {month} {weekday}", datetime.combine(first - DAY, time()))
    return frozenset(at.date() for at in takewhile(lambda at: at.date() <= last, midnights))


@lru_cache(maxsize=64)
def _times_of_day(cron: str) -> tuple[datetime, ...]:
    """The instants of a matching day without a clock change."""
    minute, hour = cron.split()[:2]
    day = datetime(2024, 1, 1)
    found = CronSim(f"{minute} {hour} * * *", day - timedelta(seconds=1))
    return tuple(takewhile(lambda at: at < day + DAY, found))


def _is_plain(zone: ZoneInfo, day: date) -> bool:
    """Whether no clock change is near: one late on the previous day can move instants into this day."""
    around = (datetime.combine(day + number * DAY, time(), zone) for number in (-1, 0, 1, 2))
    return len({midnight.utcoffset() for midnight in around}) == 1


def due_time(name: str, instant: datetime, jitter_s: int) -> datetime:
    """Start time of an instant's firing: up to `jitter_s` later, by a hash of name and instant."""
    digest = hashlib.sha256(f"{name}\n{instant.astimezone(UTC).isoformat()}".encode()).digest()
    return instant + timedelta(seconds=int.from_bytes(digest[:8], "big") % (jitter_s + 1))


def in_words(cron: str) -> str:
    """A cron expression in words, such as `At 02:00 every day`."""
    return str(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)).explain())


def local_text(instant: datetime, tz: str) -> str:
    """An instant in local time, such as `Thu 26 Nov 2026, 02:00 CET`; in UTC if the time zone is unknown."""
    try:
        zone: tzinfo = _zone(tz)
    except StudyError:
        zone = UTC
    return instant.astimezone(zone).strftime("%a %d %b %Y, %H:%M %Z")
