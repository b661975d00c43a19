"""Four detectors of change in a series whose first values are a reference, and the first of them that crosses.

`shift` and `apart` go by ranks: their false alarms are those of exchangeable values, whatever the distribution. `jump`
takes noise to have tails no heavier than Student's t with 3 degrees of freedom. `constant` is for values that are equal
to the bit; exchangeable values that are equal by chance pass it in at most p^4 (1 - p)^2 < 2.2 % of all series, once.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal

from ablate.statistics.drift.sequential_ranks import find_split, threshold

SHARES = {"shift": 1.0, "jump": 0.1, "apart": 0.1}
"""Of the false alarms. They add up to more than 1, since alarms fall together and the ranks of few values are slow to
cross: with these the time that is measured is nearest to the one that is stated."""
JUMP_DF = 3
"""A jump is judged by Student's t with so few degrees of freedom, however many values there are: noise has tails."""
DIFFERENT_RUN = 3
"""So many values in a row that differ from what all before them were to the bit are a change."""

Detector = Literal["shift", "jump", "apart", "constant"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the detectors cross.

    Attributes:
        shift: height of the CUSUM of rank scores.
        jump: distance of a value in standard errors of its prediction.
        apart: chance that exchangeable values lie apart at a given split, on a given side.
    """

    shift: float
    jump: float
    apart: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """The value at which a detector crosses, and the estimated first changed value, as places in the series."""

    place: int
    changed: int
    detector: Detector


@lru_cache(maxsize=64)
def thresholds(mean_time: float) -> Thresholds:
    """Thresholds whose false alarms together come once in `mean_time` values, above 2 and finite (ValueError)."""
    from scipy.special import stdtrit

    shift = threshold(mean_time / SHARES["shift"])
    chance = {name: share / mean_time for name, share in SHARES.items()}
    return Thresholds(shift, -float(stdtrit(JUMP_DF, chance["jump"] / 2)), chance["apart"] / 2)


def jumps(values: Sequence[float]) -> list[float | None]:
    """Distance of each value from the mean of those before it, in standard errors of a prediction.

    None where those before it are fewer than 2, or all equal: then nothing is known of the spread.
    """
    found, mean, squares = list[float | None](), 0.0, 0.0
    for n, value in enumerate(values):
        error = math.sqrt(squares / (n - 1) * (1 + 1 / n)) if squares else 0.0
        found.append((value - mean) / error if error else None)
        step = value - mean
        mean += step / (n + 1)
        squares += step * (value - mean)
    return found


def find_crossing(
    values: Sequence[float], sums: Sequence[tuple[float, float]], distances: Sequence[float | None], at: Thresholds
) -> Crossing | None:
    """The first crossing behind the reference; of several at one value, the one with the plainest meaning.

    Args:
        values: the reference and what follows.
        sums: the CUSUMs of what follows the reference, see `sequential_ranks.cusum`.
        distances: the jumps of what follows the reference.
        at: thresholds.
    """
    reference = len(values) - len(sums)
    found = [
        _find_constant(values, reference),
        _find_jump(distances, reference, at.jump),
        _find_apart(values, reference, at.apart),
        _find_shift(values, sums, at.shift),
    ]
    return min((one for one in found if one), key=lambda one: one.place, default=None)


def _find_constant(values: Sequence[float], reference: int) -> Crossing | None:
    equal = next((place for place, value in enumerate(values) if value != values[0]), len(values))
    others = values[equal : equal + DIFFERENT_RUN]
    if equal < reference or len(others) < DIFFERENT_RUN or values[0] in others:
        return None
    return Crossing(equal + DIFFERENT_RUN - 1, equal, "constant")


def _find_jump(distances: Sequence[float | None], reference: int, height: float) -> Crossing | None:
    for place, distance in enumerate(distances, reference):
        if distance is not None and abs(distance) > height:
            return Crossing(place, place, "jump")
    return None


def _find_apart(values: Sequence[float], reference: int, chance: float) -> Crossing | None:
    """The first value with which all from a split on lie on one side of all before it, against so small a chance.

    n exchangeable values lie above m others in one of C(m + n, n) orders. A split that once was not apart never is, so
    that each has one value at which it can cross, and there is one split a value.
    """
    highest, lowest = list(accumulate(values, max)), list(accumulate(values, min))
    for place in range(reference, len(values)):
        low = high = values[place]
        for split in range(place, reference - 1, -1):
            low, high = min(low, values[split]), max(high, values[split])
            if low <= highest[reference - 1] and high >= lowest[reference - 1]:
                break  # nor does any earlier split lie apart
            is_apart = low > highest[split - 1] or high < lowest[split - 1]
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
    behind = values[crossing.changed : crossing.place + 1]
    return statistics.mean(behind) - statistics.mean(values[: crossing.changed])
