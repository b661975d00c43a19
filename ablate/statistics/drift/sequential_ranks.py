"""Sequential ranks: what a series says about change without knowing its distribution, its mean or its spread.

The rank of the n-th of exchangeable values among the first n is uniform on 1..n and independent of all ranks before it,
whatever the distribution (Renyi 1962). A CUSUM of their normal scores (McDonald 1990) so has one and the same run
length under normal, skewed and heavy-tailed noise, and there is no reference whose error could spoil it: the series is
its own, and a series in other units, or under any increasing map, has the same scores.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from functools import lru_cache

ALLOWANCE = 0.5
"""What the CUSUM takes off at each step, in standard deviations: best for a shift of twice as many."""
OVERSHOOT = 1.166
"""By how much a CUSUM of normal steps goes beyond its threshold, on both ends (Siegmund 1985, section 10.2)."""


def rank_scores(values: Sequence[float]) -> list[float]:
    """The normal score of each value's rank among itself and those before it, with mean 0 and variance 1.

    Ties take the middle of their ranks, which makes scores smaller than those of values that differ.

    Args:
        values: finite, in their order of time.
    """
    scores, seen = list[float](), list[float]()
    for value in values:
        insort(seen, value)
        middle = (bisect_left(seen, value) + bisect_right(seen, value)) / 2
        scores.append(_score(middle / len(seen)) / _spread(len(seen)))
    return scores


def cusum(scores: Sequence[float]) -> list[tuple[float, float]]:
    """The upper and the lower CUSUM after each score; both start at 0 and are never negative."""
    up = down = 0.0
    series = []
    for score in scores:
        up, down = max(0.0, up + score - ALLOWANCE), max(0.0, down - score - ALLOWANCE)
        series.append((up, down))
    return series


@lru_cache(maxsize=64)
def threshold(mean_time: float) -> float:
    """The height at which a two-sided CUSUM of standard normal steps has this mean time between false alarms.

    Siegmund's approximation for one side, of which two make half the time. Scores of ranks are less spread out in
    their tails than normal steps while they are few, so their time is up to an eighth longer.

    Args:
        mean_time: in steps, above 2.

    Raises:
        ValueError: it is not.
    """
    from scipy.optimize import brentq

    if not 2 < mean_time < math.inf:
        raise ValueError(f"mean time between false alarms is {mean_time:g}; it must be above 2 and finite")
    return float(brentq(lambda height: _two_sided_time(height) - mean_time, -OVERSHOOT, 300.0))


def find_split(values: Sequence[float], first: int, *, is_upward: bool) -> int:
    """The index of the first value of the part behind that lies highest (lowest) above (below) the part in front.

    Args:
        values: finite, in their order of time.
        first: the least index that is looked at, 1 to len(values) - 1.
        is_upward: whether the part behind is the higher one.

    Returns:
        Where the standardised difference of the normal scores of ranks, over the whole, is largest.
    """
    ordered, n = sorted(values), len(values)
    side = 1 if is_upward else -1
    scores = [side * _score((bisect_left(ordered, value) + bisect_right(ordered, value)) / 2 / n) for value in values]
    behind = {index: math.fsum(scores[index:]) / math.sqrt(index * (n - index)) for index in range(first, n)}
    return max(behind, key=lambda index: behind[index])


def _two_sided_time(height: float) -> float:
    far = 2 * ALLOWANCE * (height + OVERSHOOT)
    return (math.exp(far) - far - 1) / (2 * ALLOWANCE**2) / 2


def _score(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))


@lru_cache(maxsize=4096)
def _spread(n: int) -> float:
    """Root mean square of the n scores that are possible at the n-th value; 1 for n = 1, whose score is 0."""
    import numpy as np
    from scipy.special import ndtri

    scores = ndtri((np.arange(n) + 0.5) / n)
    return math.sqrt(float(np.mean(scores**2))) if n > 1 else 1.0
