"""Sequential ranks: evidence of change in a series with unknown distribution, mean and spread.

The rank of the n-th of exchangeable values among the first n is uniform on 1..n and independent of all earlier ranks,
for any distribution (Renyi 1962). A CUSUM of their normal scores (McDonald 1990) therefore has the same run length
under normal, skewed and heavy-tailed noise. The series is its own reference, so no error of a reference matters. A
series in other units, or under any increasing map, has the same scores.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from functools import lru_cache

ALLOWANCE = 0.5
"""Amount that the CUSUM subtracts at each step, in standard deviations: best for a shift of twice this amount."""
OVERSHOOT = 1.166
"""Mean excess of a CUSUM of normal steps over its threshold, at both ends (Siegmund 1985, section 10.2)."""


def rank_scores(values: Sequence[float]) -> list[float]:
    """The normal score of each value's rank among itself and earlier values, with mean 0 and variance 1.

    Ties get the middle of their ranks, so their scores are smaller than those of distinct values.

    Args:
        values: finite values in order of time.
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

    It uses Siegmund's approximation for one side; two sides halve the time. Scores of a few ranks have lighter tails
    than normal steps, so their time is up to an eighth longer.

    Args:
        mean_time: mean time in steps, above 2.

    Raises:
        ValueError: the mean time is not above 2 and finite.
    """
    from scipy.optimize import brentq

    if not 2 < mean_time < math.inf:
        raise ValueError(f"mean time between false alarms is {mean_time:g}; it must be above 2 and finite")
    return float(brentq(lambda height: _two_sided_time(height) - mean_time, -OVERSHOOT, 300.0))


def find_split(values: Sequence[float], first: int, *, is_upward: bool) -> int:
    """The index of the split after which values are highest (lowest) compared with the values before it.

    Args:
        values: finite values in order of time.
        first: smallest candidate index, 1 to len(values) - 1.
        is_upward: whether the values after the split are higher.

    Returns:
        The index with the largest standardised difference of the normal scores of ranks over the whole series.
    """
    ordered, n = sorted(values), len(values)
    side = 1 if is_upward else -1
    scores = [side * _score((bisect_left(ordered, value) + bisect_right(ordered, value)) / 2 / n) for value in values]
    heights = {index: math.fsum(scores[index:]) / math.sqrt(index * (n - index)) for index in range(first, n)}
    return max(heights, key=lambda index: heights[index])


def _two_sided_time(height: float) -> float:
    far = 2 * ALLOWANCE * (height + OVERSHOOT)
    return (math.exp(far) - far - 1) / (2 * ALLOWANCE**2) / 2


def _score(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))


@lru_cache(maxsize=4096)
def _spread(n: int) -> float:
    """Root mean square of the n possible scores of the n-th value; 1 for n = 1, whose score is 0."""
    import numpy as np
    from scipy.special import ndtri

    scores = ndtri((np.arange(n) + 0.5) / n)
    return math.sqrt(float(np.mean(scores**2))) if n > 1 else 1.0
