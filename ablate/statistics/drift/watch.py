"""Drift of a scheduled study: has a row's mean changed since the first firings, which row, since when, by how much.

Each row is watched by the detectors of `ablate.statistics.drift.detectors`, whose false alarms together come once in a
stated mean time over all rows (Bonferroni over rows): `shift` sees lasting changes of a standard deviation, `jump` one
firing far outside, `apart` that all firings since a change lie on one side of all before it, `constant` that firings
were equal to the bit and are so no more. A firing is judged by all firings before it; the reference window only says
what was there to begin with. A CUSUM with the mean and sd of that window has a false alarm every 127 normal firings for
a stated 200, and Hawkins' self-starting form, which mends that, every 57 under lognormal noise, 91 under exponential
and 94 under t3 (n = 3,000). `benchmarks/drift_detector.py` has the times that were measured of what is here.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ablate.statistics.drift.detectors import (
    Crossing,
    Detector,
    Thresholds,
    find_crossing,
    jumps,
    shift_size,
    thresholds,
)
from ablate.statistics.drift.sequential_ranks import cusum, rank_scores

MIN_REFERENCE = 4
MEAN_TIME = 200.0
"""Firings between two false alarms over all rows of a schedule."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one firing of a schedule found.

    Attributes:
        at: its instant.
        means: row -> mean of the primary metric over the firing's seeds; a row that has a hole is absent.
    """

    at: datetime
    means: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A row that has changed. Indices are of the history.

    Attributes:
        row: its label.
        direction: of the metric's number, whichever is better.
        detector: `shift`, `jump`, `apart` or `constant`, see the module.
        at_index: the firing at which it was known.
        changed_index: the estimated first changed firing, after the reference window and at most `at_index`.
        size: mean from the changed firing to the alarm minus mean before. Both ends were picked because the difference
            is large there, so that it is too large on average, and an interval around it would not hold what it says.
    """

    row: str
    direction: Literal["up", "down"]
    detector: Detector
    at_index: int
    changed_index: int
    size: float


@dataclass(frozen=True, slots=True)
class Point:
    """The detectors of a row at one firing after its reference window.

    Attributes:
        index: of the firing in the history.
        up, down: the two CUSUMs of `shift`.
        jump: distance from the mean of all firings before it, in standard errors of its prediction; None where those
            were all equal.
    """

    index: int
    up: float
    down: float
    jump: float | None


@dataclass(frozen=True, slots=True)
class RowWatch:
    """One row under watch.

    Attributes:
        reference_indices: firings of its reference window: the first k that have the row; fewer while they are not in.
        reference_mean: of the row's means there; None while the window is not full.
        reference_sd: their standard deviation (ddof = 1), likewise.
        series: the detectors at each firing after the window that has the row, also behind an alarm.
        alarm: the first one, else None.
    """

    reference_indices: tuple[int, ...]
    reference_mean: float | None
    reference_sd: float | None
    series: tuple[Point, ...]
    alarm: Alarm | None


@dataclass(frozen=True, slots=True)
class Watch:
    """The rows of a schedule, by label in the order in which they appeared.

    Attributes:
        rows: by label.
        thresholds: the same for every row.
    """

    rows: Mapping[str, RowWatch]
    thresholds: Thresholds

    @property
    def alarm(self) -> Alarm | None:
        """The first alarm of any row; of those at one firing that with the earliest change, then in order of rows."""
        alarms = [row.alarm for row in self.rows.values() if row.alarm]
        return min(alarms, key=lambda alarm: (alarm.at_index, alarm.changed_index), default=None)


def watch(
    history: Sequence[Observation],
    *,
    reference: int = MIN_REFERENCE,
    mean_time_between_false_alarms: float = MEAN_TIME,
) -> Watch:
    """Judge the firings of a schedule since it began, or since an alarm was acknowledged.

    The same history gives the same answer, and later firings never change an alarm that is there, as long as no new
    row appears (which raises the thresholds of all). After an alarm is acknowledged, pass the firings behind it: those
    that raised it were picked by it.

    Args:
        history: firings in order of time; a row may be missing from some.
        reference: firings of a row that are taken as good, at least 4; a change is the easier to see the more
            firings came before it, in the window or behind it.
        mean_time_between_false_alarms: in firings, over all rows, above 2.

    Raises:
        ValueError: a mean that is not finite, firings out of order, a reference or a mean time that is too short.
    """
    if reference < MIN_REFERENCE:
        raise ValueError(f"reference is {reference} firings; at least {MIN_REFERENCE} are needed to know a spread")
    _check(history)
    labels = dict.fromkeys(label for firing in history for label in firing.means)
    found = thresholds(mean_time_between_false_alarms * max(1, len(labels)))
    return Watch({label: _watch_row(label, history, reference, found) for label in labels}, found)


def _check(history: Iterable[Observation]) -> None:
    before: Observation | None = None
    for firing in history:
        if before and firing.at < before.at:
            raise ValueError(f"firing of {firing.at} stands behind that of {before.at}; put them in order of time")
        for label, mean in firing.means.items():
            if not math.isfinite(mean):
                raise ValueError(
                    f"firing of {firing.at}, row {label!r}: its mean is {mean}; it must be finite, so leave a row "
                    "without a result out of `means`"
                )
        before = firing


def _watch_row(label: str, history: Sequence[Observation], reference: int, at: Thresholds) -> RowWatch:
    indices = [index for index, firing in enumerate(history) if label in firing.means]
    values = [float(history[index].means[label]) for index in indices]
    window = values[:reference]
    if len(window) < reference:
        return RowWatch(tuple(indices), None, None, (), None)
    sums, distances = cusum(rank_scores(values)[reference:]), jumps(values)[reference:]
    series = zip(indices[reference:], sums, distances, strict=True)
    return RowWatch(
        reference_indices=tuple(indices[:reference]),
        reference_mean=statistics.mean(window),
        reference_sd=statistics.stdev(window),
        series=tuple(Point(index, *both, distance) for index, both, distance in series),
        alarm=_alarm(label, indices, values, find_crossing(values, sums, distances, at)),
    )


def _alarm(label: str, indices: Sequence[int], values: Sequence[float], crossing: Crossing | None) -> Alarm | None:
    if crossing is None:
        return None
    size = shift_size(values, crossing)
    return Alarm(
        row=label,
        direction="up" if size > 0 else "down",
        detector=crossing.detector,
        at_index=indices[crossing.place],
        changed_index=indices[crossing.changed],
        size=size,
    )
