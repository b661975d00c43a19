"""The history of a schedule as a document: each row's mean and interval at each firing, and what is said of drift.

Rows are shown by their means, or by their paired differences from the baseline, which is where a paper's printed
difference can stand beside them. What raised an alarm is the means, in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Literal

from ablate.documents import Document
from ablate.errors import TableError, nearest, quote
from ablate.statistics.decisions.paired import differences
from ablate.statistics.drift.watch import MIN_REFERENCE
from ablate.statistics.estimate import estimate, t_interval
from ablate.tables.words import ARROWS, metric_name, number, places_of

Values = Mapping[str, Mapping[int, float]]
"""Row -> seed -> primary metric."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a history is of.

    Attributes:
        schedule: its name.
        metric, lower_is_better: the primary metric.
        baseline: label of the row that others are compared with; None shows means.
        printed: row -> difference from the baseline in a paper.
    """

    schedule: str
    metric: str
    lower_is_better: bool
    baseline: str | None = None
    printed: Mapping[str, float] = field(default_factory=dict)


class HistoryPoint(Document):
    """A row at one firing: mean over `n` seeds and its 95 % t interval, null for one seed."""

    at: datetime
    mean: float
    low: float | None
    high: float | None
    n: int


class HistoryAlarm(Document):
    """A change of a row.

    Attributes:
        row: its label.
        at: instant of the firing at which it was known.
        changed_at: of the estimated first changed firing.
        direction, size: of the change of the mean, in units of the metric; null where a repeated trial did not give its
            stored numbers.
        acknowledged: the reason that was given; null while it is open.
    """

    row: str
    at: datetime
    changed_at: datetime
    direction: Literal["up", "down"] | None = None
    size: float | None = None
    acknowledged: str | None = None


class Window(Document):
    """A reference window of a row: instants of its first and last firing, mean of what is shown there, until when."""

    first: datetime
    last: datetime
    mean: float
    until: datetime


class HistoryRow(Document):
    """A row's points, oldest first, with its full reference windows, its alarms and the printed difference."""

    label: str
    points: list[HistoryPoint]
    windows: list[Window]
    alarms: list[HistoryAlarm]
    printed: float | None


class History(Document):
    """The rows of a schedule over time.

    Attributes:
        schedule, metric, lower_is_better: see `Heading`.
        baseline: what rows are shown as differences from; null where they are shown by their means.
        instants: of all firings, oldest first.
        rows: in the order in which they appeared.
    """

    schedule: str
    metric: str
    lower_is_better: bool
    baseline: str | None
    instants: list[datetime]
    rows: list[HistoryRow]

    def row(self, label: str) -> HistoryRow:
        """The row of that label; TableError where there is none."""
        found = {row.label: row for row in self.rows}
        if label not in found:
            raise TableError(f"no row {quote(label)} in the history of {quote(self.schedule)}{nearest(label, found)}")
        return found[label]

    @property
    def measure(self) -> str:
        """What the numbers are, for a heading: `top-1 error (%) ↓, difference from 'ReLU'`."""
        metric = f"{metric_name(self.metric)} {ARROWS[self.lower_is_better]}"
        return f"{metric}, difference from '{self.baseline}'" if self.baseline else metric


def build_history(
    heading: Heading,
    firings: Sequence[tuple[datetime, Values]],
    *,
    alarms: Sequence[HistoryAlarm] = (),
    restarts: Sequence[datetime] = (),
    reference: int = MIN_REFERENCE,
) -> History:
    """The history of a schedule.

    Args:
        heading: what it is of.
        firings: instant and values of each, oldest first; a row that has no value is left out.
        alarms: open and acknowledged ones.
        restarts: instants from which on a reference window is taken: the beginning, and each acknowledged alarm. None
            for a schedule that has no reference window.
        reference: firings of a window; see `statistics.drift.watch`.

    Raises:
        TableError: no firing has the baseline.
    """
    labels = dict.fromkeys(label for _, values in firings for label in values)
    if firings and heading.baseline and heading.baseline not in labels:
        raise TableError(f"no baseline {quote(heading.baseline)} in any firing{nearest(heading.baseline, labels)}")
    rows = []
    for label in labels:
        if label == heading.baseline:
            continue
        points = [point for at, values in firings if (point := _point(at, values, label, heading.baseline))]
        own = [alarm for alarm in alarms if alarm.row == label]
        printed = heading.printed.get(label) if heading.baseline else None
        windows = _windows(points, restarts, reference)
        rows.append(HistoryRow(label=label, points=points, windows=windows, alarms=own, printed=printed))
    return History(
        schedule=heading.schedule,
        metric=heading.metric,
        lower_is_better=heading.lower_is_better,
        baseline=heading.baseline,
        instants=[at for at, _ in firings],
        rows=rows,
    )


def _point(at: datetime, values: Values, label: str, baseline: str | None) -> HistoryPoint | None:
    shown = values.get(label, {})
    if baseline is not None:
        shown = differences(shown, values.get(baseline, {}))
    found = estimate(shown)
    if found.mean is None:
        return None
    low, high = (None, None) if found.sd is None else t_interval(found.mean, found.sd, found.n)
    return HistoryPoint(at=at, mean=found.mean, low=low, high=high, n=found.n)


def _windows(points: Sequence[HistoryPoint], restarts: Sequence[datetime], reference: int) -> list[Window]:
    """The windows that are full; each holds until the next begins."""
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
    if alarm.direction is None or alarm.size is None:
        return f"not the stored numbers since {_day(alarm.changed_at)}, {known}"
    size = number(abs(alarm.size), places_of([alarm.size], decimals))
    return f"mean {alarm.direction} about {size} since {_day(alarm.changed_at)}, {known}"


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"
