"""The history of a schedule as a document: each row's mean and interval at each firing, and its drift alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from types import MappingProxyType
from typing import Literal

from ablate.documents import Document
from ablate.errors import TableError, nearest, quote
from ablate.statistics.drift.watch import MIN_REFERENCE
from ablate.statistics.estimate import estimate, t_interval
from ablate.tables.words import ARROWS, metric_name, number, places_of

Values = Mapping[str, Mapping[int, float]]
"""Row -> seed -> primary metric."""


@dataclass(frozen=True, slots=True)
class Heading:
    """The subject of a history.

    Attributes:
        schedule: name of the schedule.
        metric, lower_is_better: primary metric and its direction.
    """

    schedule: str
    metric: str
    lower_is_better: bool


class HistoryPoint(Document):
    """A row at one firing: mean over the `n` seeds that ended with its 95 % t interval, null for one seed.

    `lost` seeds diverged or failed.
    """

    at: datetime
    mean: float
    low: float | None
    high: float | None
    n: int
    lost: int


class HistoryAlarm(Document):
    """A change of a row.

    Attributes:
        row: label of the row.
        at: instant of the firing that raised the alarm.
        changed_at: instant of the estimated first changed firing.
        direction, size: direction and size of the change of the mean, in units of the metric; `lost` and null if more
            seeds are lost; both null if a repeated trial did not reproduce its stored numbers.
        acknowledged: reason of the acknowledgement; null for an open alarm.
    """

    row: str
    at: datetime
    changed_at: datetime
    direction: Literal["up", "down", "lost"] | None = None
    size: float | None = None
    acknowledged: str | None = None


class Window(Document):
    """A reference window of a row: instants of its first and last firing, mean of the shown values, and its end."""

    first: datetime
    last: datetime
    mean: float
    until: datetime


class HistoryRow(Document):
    """A row's points, oldest first, with its full reference windows and its alarms.

    `unknown` are the instants at which it has no number, since all its seeds were lost.
    """

    label: str
    points: list[HistoryPoint]
    unknown: list[datetime]
    windows: list[Window]
    alarms: list[HistoryAlarm]


class History(Document):
    """The rows of a schedule over time.

    Attributes:
        schedule, metric, lower_is_better: see `Heading`.
        instants: instants of all firings, oldest first.
        rows: rows in order of appearance.
    """

    schedule: str
    metric: str
    lower_is_better: bool
    instants: list[datetime]
    rows: list[HistoryRow]

    def row(self, label: str) -> HistoryRow:
        """The row with this label; TableError if there is none."""
        found = {row.label: row for row in self.rows}
        if label not in found:
            raise TableError(f"no row {quote(label)} in the history of {quote(self.schedule)}{nearest(label, found)}")
        return found[label]

    @property
    def measure(self) -> str:
        """The quantity in words, for a heading: `top-1 error (%) ↓`."""
        return f"{metric_name(self.metric)} {ARROWS[self.lower_is_better]}"


def build_history(
    heading: Heading,
    firings: Sequence[tuple[datetime, Values]],
    *,
    lost: Mapping[datetime, Mapping[str, int]] = MappingProxyType({}),
    alarms: Sequence[HistoryAlarm] = (),
    restarts: Sequence[datetime] = (),
    reference: int = MIN_REFERENCE,
) -> History:
    """The history of a schedule.

    Args:
        heading: subject of the history.
        firings: instant and values of each firing, oldest first; a row without a value is absent.
        lost: instant -> row -> number of seeds that diverged or failed; an absent one lost none.
        alarms: open and acknowledged alarms.
        restarts: instants at which a reference window starts: the beginning and each acknowledged alarm; empty for a
            schedule without a reference window.
        reference: number of firings in a window; see `statistics.drift.watch`.
    """
    rows = []
    for label in dict.fromkeys(label for _, values in firings for label in values):
        gone = {at: lost.get(at, {}).get(label, 0) for at, _ in firings}
        points = [point for at, values in firings if (point := _point(at, values.get(label, {}), gone[at]))]
        own = [alarm for alarm in alarms if alarm.row == label]
        windows = _windows(points, restarts, reference)
        unknown = [at for at, values in firings if gone[at] and not values.get(label)]
        rows.append(HistoryRow(label=label, points=points, unknown=unknown, windows=windows, alarms=own))
    return History(
        schedule=heading.schedule,
        metric=heading.metric,
        lower_is_better=heading.lower_is_better,
        instants=[at for at, _ in firings],
        rows=rows,
    )


def _point(at: datetime, values: Mapping[int, float], lost: int) -> HistoryPoint | None:
    found = estimate(values)
    if found.mean is None:
        return None
    low, high = (None if found.sd is None else t_interval(found.mean, found.sd, found.n)) or (None, None)
    return HistoryPoint(at=at, mean=found.mean, low=low, high=high, n=found.n, lost=lost)


def _windows(points: Sequence[HistoryPoint], restarts: Sequence[datetime], reference: int) -> list[Window]:
    """The full windows; each one ends where the next begins."""
    windows = []
    begins = sorted(restarts)
    for begin, end in zip_longest(begins, begins[1:]):
        stretch = [point for point in points if point.at >= begin and (end is None or point.at < end)]
        window = stretch[:reference]
        if len(window) == reference:
            mean = estimate({index: point.mean for index, point in enumerate(window)}).mean
            assert mean is not None, "a full window has points"
            windows.append(Window(first=window[0].at, last=window[-1].at, mean=mean, until=stretch[-1].at))
    return windows


def alarm_sentence(alarm: HistoryAlarm, decimals: int) -> str:
    """An alarm in words: `mean up about 0.82 since 2026-03-02, seen 2026-03-06`. Dates are UTC."""
    known = f"seen {_day(alarm.at)}"
    if alarm.direction == "lost":
        return f"more seeds lost since {_day(alarm.changed_at)}, {known}"
    if alarm.direction is None or alarm.size is None:
        return f"not reproduced since {_day(alarm.changed_at)}, {known}"
    size = number(abs(alarm.size), places_of([alarm.size], decimals))
    return f"mean {alarm.direction} about {size} since {_day(alarm.changed_at)}, {known}"


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"
