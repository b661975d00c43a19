"""When a schedule fires: cron texts and zones, read strictly, and the instants that follow from them. Pure.

An instant is a moment in UTC at which the schedule's clock shows what its cron text says. A local time that a change of
the clock skips stands for the first instant behind the gap; one that comes twice is meant the first time. What has a
`*` for minute or hour (every hour, every ten minutes) goes by real time instead, through both passes of a doubled hour.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from ablate.errors import Problem, StudyError, nearest, quote

CRON = re.compile(r"[0-9A-Za-z*/,#-]+( [0-9A-Za-z*/,#-]+){4}")
FIELDS = "minute (0-59), hour (0-23), day of month (1-31, L), month (1-12, JAN-DEC), weekday (0-7, SUN-SAT)"
DAY = timedelta(days=1)
ALLOWED = "five fields of numbers, names, *, ranges a-b, lists a,b and steps */n, such as '0 2 * * *' (02:00 each day)"


@cache
def list_zones() -> frozenset[str]:
    """Names of the IANA zones that this machine knows; `localtime` is none, since each machine means another by it."""
    return frozenset(available_timezones() - {"localtime"})


def check_cron(cron: str) -> None:
    """Raise StudyError, at `/cron`, where a text is no cron text or never comes."""
    if not CRON.fullmatch(cron):
        raise _refused(f"is no cron text; it has {ALLOWED}")
    try:
        next(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        part = str(error).removeprefix("Bad ").replace("-", " ")
        raise _refused(f"{part}: its value is none of those allowed; the fields are {FIELDS}") from error
    except StopIteration:
        raise _refused("names a day that never comes; choose another day or month") from None


def check_zone(tz: str) -> None:
    """Raise StudyError, at `/tz`, where a text names no IANA zone."""
    if tz not in list_zones():
        near = nearest(tz, list_zones())
        hint = near if near.startswith("; did") else "; allowed: IANA names such as UTC, Europe/Berlin, Asia/Kolkata"
        raise StudyError([Problem("/tz", "unknown_zone", f"no zone {quote(tz)}{hint}")])


def _refused(message: str) -> StudyError:
    return StudyError([Problem("/cron", "invalid", message)])


def next_instant(cron: str, tz: str, after: datetime) -> datetime:
    """The first instant that is later than `after`; both aware, the answer in UTC.

    Raises:
        StudyError: at `/tz`, this machine does not know the zone any more.
    """
    for local in CronSim(cron, after.astimezone(_zone(tz))):
        found = local.astimezone(UTC)
        if found > after:  # in the second pass of a doubled hour, the first pass of its times is over
            return found
    raise ValueError(f"no instant after {after} in {cron!r}")  # `check_cron` lets no such text in


@lru_cache(maxsize=64)
def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except ZoneInfoNotFoundError as error:
        text = f"this machine does not know the zone {quote(tz)} any more; install its tzdata, or give another zone"
        raise StudyError([Problem("/tz", "unknown_zone", text)]) from error


def find_trouble(tz: str) -> str | None:
    """Why a schedule on the clock of a zone cannot fire on this machine; None where it can."""
    try:
        _zone(tz)
    except StudyError as error:
        return error.problems[0].message
    return None


def instants(cron: str, tz: str, after: datetime) -> Iterator[datetime]:
    """Every instant later than `after`, in order."""
    while True:
        after = next_instant(cron, tz, after)
        yield after


def find_latest(cron: str, tz: str, after: datetime, until: datetime, most: int) -> tuple[list[datetime], int]:
    """The newest instants that are later than `after` and not later than `until`, in order, and how many there are.

    A year of minutes is half a million of them. So a day on which the clock does not change is counted as what it is,
    a number of times a day or none; only the last days, and those around a change, are gone through.

    Args:
        cron, tz: of the schedule.
        after, until: aware.
        most: how many to name.
    """
    days = list(_days(cron, tz, after, until))
    start, tail = until, 0
    while days and tail < most:
        start, count = days.pop()
        tail += count
    newest = list(_between(cron, tz, start, until))
    return newest[-most:], len(newest) + sum(count for _, count in days)


def _days(cron: str, tz: str, after: datetime, until: datetime) -> Iterator[tuple[datetime, int]]:
    """The days of a span on a zone's clock: the moment behind which each begins, and how many instants it has."""
    zone = _zone(tz)
    first, last = after.astimezone(zone).date(), until.astimezone(zone).date()
    dates, times = _dates(cron, first, last), _times_a_day(cron)
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
    """The days of a span that a cron text names."""
    day, month, weekday = cron.split()[2:]
    midnights = CronSim(f"0 0 {day} {month} {weekday}", datetime.combine(first - DAY, time()))
    return frozenset(at.date() for at in takewhile(lambda at: at.date() <= last, midnights))


@lru_cache(maxsize=64)
def _times_a_day(cron: str) -> int:
    """How often a cron text comes on a day that it names, where the clock does not change."""
    minute, hour = cron.split()[:2]
    day = datetime(2024, 1, 1)
    found = CronSim(f"{minute} {hour} * * *", day - timedelta(seconds=1))
    return sum(1 for _ in takewhile(lambda at: at < day + DAY, found))


def _is_plain(zone: ZoneInfo, day: date) -> bool:
    """Whether no change of the clock is near: one late on the day before can move instants into this day."""
    around = (datetime.combine(day + number * DAY, time(), zone) for number in (-1, 0, 1, 2))
    return len({midnight.utcoffset() for midnight in around}) == 1


def due_time(name: str, instant: datetime, jitter_s: int) -> datetime:
    """When the firing of an instant starts: up to `jitter_s` later, by a number that name and instant decide."""
    digest = hashlib.sha256(f"{name}\n{instant.astimezone(UTC).isoformat()}".encode()).digest()
    return instant + timedelta(seconds=int.from_bytes(digest[:8], "big") % (jitter_s + 1))


def in_words(cron: str) -> str:
    """What a cron text says, such as `At 02:00 every day`."""
    return str(CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC)).explain())


def local_text(instant: datetime, tz: str) -> str:
    """An instant as the schedule's clock shows it: `Thu 26 Nov 2026, 02:00 CET`; in UTC where its zone is not known."""
    try:
        zone: tzinfo = _zone(tz)
    except StudyError:
        zone = UTC
    return instant.astimezone(zone).strftime("%a %d %b %Y, %H:%M %Z")
