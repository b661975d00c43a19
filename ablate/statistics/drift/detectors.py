"""Detectors of change in a series whose first values are a reference, and the first detector that crosses.

`shift` and `apart` use ranks: their false alarm rate holds for exchangeable values with any distribution. `constant` is
for values that are equal to the bit; exchangeable values that are equal by chance pass it in at most
p^4 (1 - p)^2 < 2.2 % of all series, once. `jumps` raise no alarm, only a notice, because their rate assumes noise with
tails not heavier than Student's t with 3 degrees of freedom.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal

from ablate.statistics.decisions.paired import SMALLEST
from ablate.statistics.drift.sequential_ranks import find_split, threshold

SHARES = {"shift": 1.0, "apart": 0.1, "lost": 0.1}
"""Shares of the false alarms. Their sum is above 1, since alarms coincide, the ranks of few values cross slowly, and
counts of lost seeds stay below their level. With these shares the measured time between false alarms is nearest to the
stated one. `lost` is for each of the two tests of `ablate.statistics.drift.losses`."""
JUMP_SHARE = 0.1
"""Jumps per stated false alarm, for noise with tails of Student's t; they do not count among the alarms."""
JUMP_DF = 3
"""Degrees of freedom of that t, for any number of values."""
DIFFERENT_RUN = 3
"""Number of consecutive values that must differ from a constant series to count as a change."""

Detector = Literal["shift", "apart", "constant", "lost"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The thresholds of the detectors.

    Attributes:
        shift: height of the CUSUM of rank scores.
        apart: probability that exchangeable values are apart at a given split, on a given side.
        lost: probability of a false alarm of each test of lost seeds at a given firing.
        jump: distance of a value in standard errors of its prediction, for a notice.
    """

    shift: float
    apart: float
    lost: float
    jump: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """The value at which a detector crosses and the estimated first changed value, as places in the series."""

    place: int
    changed: int
    detector: Detector


@lru_cache(maxsize=64)
def thresholds(mean_time: float) -> Thresholds:
    """Thresholds with one false alarm in `mean_time` values over all detectors; ValueError unless > 2."""
    from scipy.special import stdtrit

    return Thresholds(
        shift=threshold(mean_time / SHARES["shift"]),
        apart=SHARES["apart"] / mean_time / 2,
        lost=SHARES["lost"] / mean_time,
        jump=-float(stdtrit(JUMP_DF, JUMP_SHARE / mean_time / 2)),
    )


def jumps(values: Sequence[float]) -> list[float | None]:
    """Distance of each value from the mean of those before it, in standard errors of a prediction.

    None if fewer than 2 values come before it, or if all of them are equal, or so close that the square of their
    distance is no float of full precision: the spread is then unknown.
    """
    found, mean, squares = list[float | None](), 0.0, 0.0
    for n, value in enumerate(values):
        error = math.sqrt(squares / (n - 1) * (1 + 1 / n)) if squares >= SMALLEST else 0.0
        found.append((value - mean) / error if error else None)
        step = value - mean
        mean += step / (n + 1)
        squares += step * (value - mean)
    return found


def find_crossing(values: Sequence[float], sums: Sequence[tuple[float, float]], at: Thresholds) -> Crossing | None:
    """The first crossing after the reference; of several at one value, the one with the simplest meaning.

    Args:
        values: the reference and the values after it.
        sums: the CUSUMs of the values after the reference, see `sequential_ranks.cusum`.
        at: thresholds.
    """
    reference = len(values) - len(sums)
    found = [
        _find_constant(values, reference),
        find_apart(values, reference, at.apart),
        _find_shift(values, sums, at.shift),
    ]
    return min((one for one in found if one), key=lambda one: one.place, default=None)


def _find_constant(values: Sequence[float], reference: int) -> Crossing | None:
    equal = next((place for place, value in enumerate(values) if value != values[0]), len(values))
    others = values[equal : equal + DIFFERENT_RUN]
    if equal < reference or len(others) < DIFFERENT_RUN or values[0] in others:
        return None
    return Crossing(equal + DIFFERENT_RUN - 1, equal, "constant")


def find_apart(values: Sequence[float], reference: int, chance: float, *, upward_only: bool = False) -> Crossing | None:
    """The first value at which all values from a split on are on one side of all before it, with small probability.

    n exchangeable values are above m others in one of C(m + n, n) orders. A split that was once not apart never is
    again, so each split has one value at which it can cross, and there is one split per value.
    """
    highest, lowest = list(accumulate(values, max)), list(accumulate(values, min))
    for place in range(reference, len(values)):
        low = high = values[place]
        for split in range(place, reference - 1, -1):
            low, high = min(low, values[split]), max(high, values[split])
            if low <= highest[reference - 1] and high >= lowest[reference - 1]:
                break  # no earlier split is apart either
            is_apart = low > highest[split - 1] or (high < lowest[split - 1] and not upward_only)
            if is_apart and math.comb(place + 1, split) >= 1 / chance:
                return Crossing(place, split, "apart")
    return None


def _find_shift(values: Sequence[float], sums: Sequence[tuple[float, float]], height: float) -> Crossing | None:
    reference = len(values) - len(sums)
    for place, (up, down) in enumerate(sums, reference):
        if max(up, down) > height:
            changed = find_split(values[: place + 1], reference, is_upward=up > down)
            return Crossing(place, changed, "shift")
    return None


def shift_size(values: Sequence[float], crossing: Crossing) -> float:
    """Mean from the changed value to the crossing, minus the mean before the changed value."""
    changed = values[crossing.changed : crossing.place + 1]
    return statistics.mean(changed) - statistics.mean(values[: crossing.changed])
