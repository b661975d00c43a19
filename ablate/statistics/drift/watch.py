"""Drift of a scheduled study: which row has changed since the first firings, since when, and by how much.

The detectors of `ablate.statistics.drift.detectors` watch the mean of each row, those of
`ablate.statistics.drift.losses` its lost seeds. Their false alarms together come once in a stated mean time over all
rows (Bonferroni over rows), whatever the noise, if firings without a change are exchangeable. `shift` detects lasting
changes of a standard deviation, `apart` that all firings since a change are on one side of all before it, `constant`
that firings were equal to the bit and three in a row no longer are, and `lost` that more seeds are lost than before. A
firing is judged by all firings before it; the reference window only defines the start.

A jump is one firing far outside, or the first one that differs after firings that were equal to the bit. It is no
alarm, since how often it comes without a change depends on the noise. Nor is a rise of lost seeds that is too small.

For a stated mean time of 200, a CUSUM with the mean and sd of that window has a false alarm every 127 normal firings.
Hawkins' self-starting form corrects this, but has a false alarm every 57 firings under lognormal noise, 91 under
exponential and 94 under t3 noise (n = 3,000). `benchmarks/drift_detector.py` has the measured times of these detectors.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from ablate.statistics.drift.losses import Loss, find_loss, find_rise
from ablate.statistics.drift.sequential_ranks import cusum, rank_scores

MIN_REFERENCE = 4
MEAN_TIME = 200.0
"""Mean number of firings between two false alarms over all rows of a schedule."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of one firing of a schedule.

    Attributes:
        at: instant of the firing.
        means: row -> mean of the primary metric over the seeds that ended; a row without such a seed is absent.
        losses: row -> number of lost seeds, which diverged or failed, and number of all seeds.
    """

    at: datetime
    means: Mapping[str, float]
    losses: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A row that has changed. Indices refer to the history.

    Attributes:
        row: label of the row.
        direction: direction of the metric's number, up or down, not of better or worse; `lost` for lost seeds.
        detector: `shift`, `apart`, `constant` or `lost`, see the module.
        at_index: index of the firing that raised the alarm.
        changed_index: index of the estimated first changed firing, after the reference window and at most `at_index`.
        size: mean from the changed firing to the alarm minus the mean before. Both ends were selected for a large
            difference, so it is too large on average, and an interval around it would not have its stated coverage.
            None for lost seeds.
        loss: numbers of lost seeds before and after; None for a change of the mean.
    """

    row: str
    direction: Literal["up", "down", "lost"]
    detector: Detector
    at_index: int
    changed_index: int
    size: float | None
    loss: Loss | None = None


@dataclass(frozen=True, slots=True)
class Jump:
    """A firing far outside of those before it: a notice, which assumes noise with tails like Student's t.

    Attributes:
        index: index of the firing in the history.
        size: its mean minus the mean of all firings before it.
        distance: the same in standard errors of its prediction; None if all before it were equal to the bit, which is
            a notice whatever the noise, once in a row's history.
    """

    index: int
    size: float
    distance: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """The detectors of a row at one firing after its reference window.

    Attributes:
        index: index of the firing in the history.
        up, down: the two CUSUMs of `shift`.
        jump: distance from the mean of all earlier firings, in standard errors of its prediction; None if those were
            all equal.
    """

    index: int
    up: float
    down: float
    jump: float | None


@dataclass(frozen=True, slots=True)
class RowWatch:
    """One row under watch.

    Attributes:
        reference_indices: indices of the reference window: the first k firings with the row; fewer until it is full.
        series: detectors at each firing with the row after the window, including firings after an alarm.
        jumps: the firings after the window that are far outside.
        alarms: the first alarm of the mean and the first one of lost seeds, in order of time.
        rise: lost seeds at the last firing that are a notice and no alarm, see `ablate.statistics.drift.losses`.
    """

    reference_indices: tuple[int, ...]
    series: tuple[Point, ...]
    jumps: tuple[Jump, ...]
    alarms: tuple[Alarm, ...]
    rise: Loss | None = None

    @property
    def alarm(self) -> Alarm | None:
        """The first alarm; None without one."""
        return self.alarms[0] if self.alarms else None


@dataclass(frozen=True, slots=True)
class Watch:
    """The rows of a schedule, by label in order of appearance."""

    rows: Mapping[str, RowWatch]

    @property
    def alarm(self) -> Alarm | None:
        """The first alarm of any row; at the same firing the one with the earliest change, then in order of rows."""
        alarms = [row.alarm for row in self.rows.values() if row.alarm]
        return min(alarms, key=lambda alarm: (alarm.at_index, alarm.changed_index), default=None)


def watch(
    history: Sequence[Observation],
    *,
    reference: int = MIN_REFERENCE,
    mean_time_between_false_alarms: float = MEAN_TIME,
) -> Watch:
    """Judge the firings of a schedule since it began, or since an alarm was acknowledged.

    The same history gives the same answer. Later firings never change an existing alarm, unless a new row appears,
    which raises the thresholds of all rows. After an alarm is acknowledged, pass only the firings after it, since the
    alarm selected the firings that raised it.

    Args:
        history: firings in order of time; a row may be missing from some.
        reference: number of firings of a row that count as good, at least 4; more firings before a change make it
            easier to detect.
        mean_time_between_false_alarms: mean time in firings, over all rows, above 2.

    Raises:
        ValueError: a mean is not finite, firings are out of order, or the reference or the mean time is too short.
    """
    if reference < MIN_REFERENCE:
        raise ValueError(f"reference is {reference} firings; at least {MIN_REFERENCE} are needed to know a spread")
    _check(history)
    labels = dict.fromkeys(label for firing in history for label in (*firing.losses, *firing.means))
    found = thresholds(mean_time_between_false_alarms * max(1, len(labels)))
    return Watch({label: _watch_row(label, history, reference, found) for label in labels})


def _check(history: Iterable[Observation]) -> None:
    before: Observation | None = None
    for firing in history:
        if before and firing.at < before.at:
            raise ValueError(f"the firing of {firing.at} comes after that of {before.at}; sort the firings by time")
        for label, mean in firing.means.items():
            if not math.isfinite(mean):
                raise ValueError(
                    f"firing of {firing.at}, row {label!r}: its mean is {mean}; it must be finite, so leave a row "
                    "without a result out of `means`"
                )
        for label, (lost, seeds) in firing.losses.items():
            if not 0 <= lost <= seeds:
                raise ValueError(
                    f"firing of {firing.at}, row {label!r}: {lost} of {seeds} seeds are lost; give 0 to all of them"
                )
        before = firing


def _watch_row(label: str, history: Sequence[Observation], reference: int, at: Thresholds) -> RowWatch:
    indices = [index for index, firing in enumerate(history) if label in firing.means]
    values = [float(history[index].means[label]) for index in indices]
    lost, rise = _find_loss(label, history, reference, at)
    if len(values) < reference:
        return RowWatch(tuple(indices), (), (), lost, rise)
    sums, distances = cusum(rank_scores(values)[reference:]), jumps(values)[reference:]
    series = zip(indices[reference:], sums, distances, strict=True)
    first_other = next((place for place, value in enumerate(values) if value != values[0]), None)
    moved = _find_change(label, indices, values, find_crossing(values, sums, at))
    return RowWatch(
        reference_indices=tuple(indices[:reference]),
        series=tuple(Point(index, *both, distance) for index, both, distance in series),
        jumps=tuple(
            Jump(indices[place], values[place] - statistics.mean(values[:place]), distance)
            for place, distance in enumerate(distances, reference)
            if (place == first_other if distance is None else abs(distance) > at.jump)
        ),
        alarms=tuple(sorted((*moved, *lost), key=lambda alarm: (alarm.at_index, alarm.changed_index))),
        rise=rise,
    )


def _find_loss(
    label: str, history: Sequence[Observation], reference: int, at: Thresholds
) -> tuple[tuple[Alarm, ...], Loss | None]:
    """The first alarm of lost seeds, and the notice without one; its places are then indices of the history."""
    indices = [index for index, firing in enumerate(history) if label in firing.losses]
    counts = [history[index].losses[label] for index in indices]
    if loss := find_loss(counts, reference, at.lost):
        return (Alarm(label, "lost", "lost", indices[loss.place], indices[loss.changed], None, loss),), None
    rise = find_rise(counts, reference, at.lost)
    return (), rise and replace(rise, place=indices[rise.place], changed=indices[rise.changed])


def _find_change(
    label: str, indices: Sequence[int], values: Sequence[float], crossing: Crossing | None
) -> tuple[Alarm, ...]:
    if crossing is None:
        return ()
    size = shift_size(values, crossing)
    places = indices[crossing.place], indices[crossing.changed]
    return (Alarm(label, "up" if size > 0 else "down", crossing.detector, *places, size),)
