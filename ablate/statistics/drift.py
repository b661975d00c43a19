"""Drift of a scheduled study: has a row's mean changed since the first firings, which row, since when, by how much.

Each row is watched by three detectors, whose false alarms together come once in a stated mean time over all rows
(Bonferroni over rows). The first needs no assumption but that firings without change are exchangeable; it sees lasting
shifts of a standard deviation, and needs to have seen more firings before the change than after it. The second sees a
single firing far outside, at once. The third sees a row whose firings were all equal to the bit and are so no more.
`benchmarks/drift_detector.py` has their measured times.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ablate.statistics.sequential_ranks import cusum, find_split, rank_scores, threshold

LEAST_REFERENCE = 4
MEAN_TIME = 200.0
"""Firings between two false alarms over all rows of a schedule."""
JUMP_SHARE = 0.1
"""Share of the false alarms that `jump` may give; `shift` has the rest."""
JUMP_DF = 3
"""A jump is judged by Student's t with so few degrees of freedom, however many firings there are: noise has tails."""
DIFFERENT_RUN = 3
"""So many firings in a row that differ from what all before them were to the bit are a change."""

Detector = Literal["shift", "jump", "constant"]


@dataclass(frozen=True, slots=True)
class Firing:
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
        detector: `shift` a lasting change; `jump` one firing far outside; `constant` equal to the bit until then.
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
        up, down: the two CUSUMs of `shift`; the alarm is at `Watch.threshold`.
        jump: distance from the mean of all firings before it, in standard errors of its prediction; None where those
            were all equal. The alarm is at `Watch.jump_threshold`, on either side.
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
        threshold: of `Point.up` and `Point.down`.
        jump_threshold: of the size of `Point.jump`.
    """

    rows: Mapping[str, RowWatch]
    threshold: float
    jump_threshold: float

    @property
    def alarm(self) -> Alarm | None:
        """The first alarm of any row; of those at one firing that with the earliest change, then in order of rows."""
        alarms = [row.alarm for row in self.rows.values() if row.alarm]
        return min(alarms, key=lambda alarm: (alarm.at_index, alarm.changed_index), default=None)


def watch(
    history: Sequence[Firing], *, reference: int = LEAST_REFERENCE, mean_time_between_false_alarms: float = MEAN_TIME
) -> Watch:
    """Judge the firings of a schedule since it began, or since an alarm was acknowledged.

    The same history gives the same answer, and later firings never change an alarm that is there, as long as no new
    row appears (which raises the thresholds of all). After an alarm is acknowledged, pass what follows it.

    Args:
        history: firings in order of time; a row may be missing from some.
        reference: firings of a row that are taken as good, at least 4; more make a change soon after them easier to
            see.
        mean_time_between_false_alarms: in firings, over all rows, above 2.

    Raises:
        ValueError: a mean that is not finite, firings out of order, a reference or a mean time that is too short.
    """
    if reference < LEAST_REFERENCE:
        raise ValueError(f"reference is {reference} firings; at least {LEAST_REFERENCE} are needed to know a spread")
    _check(history)
    labels = dict.fromkeys(label for firing in history for label in firing.means)
    time = mean_time_between_false_alarms * max(1, len(labels))
    heights = threshold(time / (1 - JUMP_SHARE)), _jump_threshold(time / JUMP_SHARE)
    rows = {label: _watch_row(label, history, reference, heights) for label in labels}
    return Watch(rows, *heights)


def _check(history: Iterable[Firing]) -> None:
    before: Firing | None = None
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


def _jump_threshold(mean_time: float) -> float:
    from scipy.special import stdtrit

    return -float(stdtrit(JUMP_DF, 1 / (2 * mean_time)))


def _watch_row(label: str, history: Sequence[Firing], reference: int, heights: tuple[float, float]) -> RowWatch:
    indices = [index for index, firing in enumerate(history) if label in firing.means]
    values = [float(history[index].means[label]) for index in indices]
    window = values[:reference]
    if len(window) < reference:
        return RowWatch(tuple(indices), None, None, (), None)
    sums = cusum(rank_scores(values)[reference:])
    columns = zip(indices[reference:], sums, _jumps(values)[reference:], strict=True)
    series = tuple(Point(index, *both, jump) for index, both, jump in columns)
    return RowWatch(
        reference_indices=tuple(indices[:reference]),
        reference_mean=statistics.mean(window),
        reference_sd=statistics.stdev(window),
        series=series,
        alarm=_first_alarm(label, indices, values, series, heights),
    )


def _jumps(values: Sequence[float]) -> list[float | None]:
    """Distance of each value from the mean of those before it, in standard errors of a prediction."""
    jumps, mean, squares = list[float | None](), 0.0, 0.0
    for n, value in enumerate(values):
        error = math.sqrt(squares / (n - 1) * (1 + 1 / n)) if squares else 0.0
        jumps.append((value - mean) / error if error else None)
        step = value - mean
        mean += step / (n + 1)
        squares += step * (value - mean)
    return jumps


def _first_alarm(
    label: str, indices: Sequence[int], values: Sequence[float], series: Sequence[Point], heights: tuple[float, float]
) -> Alarm | None:
    reference = len(values) - len(series)
    constant = _leave_constant(values, reference)
    for place, point in enumerate(series, reference):
        found = _judge(values[: place + 1], reference, point, heights)
        if place == constant:
            found = found or ("constant", place + 1 - DIFFERENT_RUN)
        if found:
            detector, changed = found
            size = statistics.mean(values[changed : place + 1]) - statistics.mean(values[:changed])
            direction: Literal["up", "down"] = "up" if size > 0 else "down"
            return Alarm(label, direction, detector, indices[place], indices[changed], size)
    return None


def _judge(
    values: Sequence[float], reference: int, point: Point, heights: tuple[float, float]
) -> tuple[Detector, int] | None:
    """The detector that fires at the last value, if one does, and the place of the first changed value."""
    height, jump_height = heights
    if point.jump is not None and abs(point.jump) > jump_height:
        return "jump", len(values) - 1
    if max(point.up, point.down) > height:
        return "shift", find_split(values, reference, is_upward=point.up > point.down)
    return None


def _leave_constant(values: Sequence[float], reference: int) -> int | None:
    """The place at which so many values in a row are not what all before them were; None where there is none."""
    equal = next((place for place, value in enumerate(values) if value != values[0]), len(values))
    others = values[equal : equal + DIFFERENT_RUN]
    is_left = equal >= reference and len(others) == DIFFERENT_RUN and values[0] not in others
    return equal + DIFFERENT_RUN - 1 if is_left else None
