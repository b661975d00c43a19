"""Amounts of variation in sums of squares, with confidence bounds, and the share of one amount in a sum.

The amount of an effect is its sum of squares minus the contribution of noise: sigma^2 times a noncentrality. Its bounds
invert the noncentral chi squared of `between / error mean square`. Because the error is an estimate, Student's quantile
replaces the normal one; for one degree of freedom and a clear effect the result is the t interval. The bounds of a
share come from the bounds of its terms, which vary together within an ellipse through their bounds (MOVER; Zou and
Donner 2008). A term of 0 stays possible throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.statistics.estimate import CONFIDENCE

LARGE = 1e5
"""Limit above which a chi squared is treated as a squared normal deviate around the root of its noncentrality."""

DIRECTIONS = 91
"""Number of evaluated directions on the quarter ellipse."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of variation, in squared units of the metric, with its 95 % bounds; none is negative."""

    value: float
    low: float
    high: float


def effect_amount(between: float, df: float, error_mean: float, df_error: float) -> Amount:
    """The amount of variation of an effect.

    Args:
        between: sum of squares of the effect.
        df: degrees of freedom of the effect, at least 1.
        error_mean: mean square of its error term, above 0.
        df_error: degrees of freedom of the error term, at least 1.
    """
    from scipy.special import ndtr, stdtrit

    t = float(stdtrit(df_error, (1 + CONFIDENCE) / 2))
    low, high = (error_mean * noncentrality(between / error_mean, df, float(ndtr(side * t))) for side in (1, -1))
    return Amount(max(0.0, between - df * error_mean), low, high)


def noise_amount(value: float, df: float) -> Amount:
    """The amount of noise: a variance, estimated with these degrees of freedom."""
    from scipy.special import chdtri

    low, high = (value * df / float(chdtri(df, tail)) for tail in _tails())
    return Amount(value, low, high)


def share_interval(own: Amount, others: Sequence[Amount], noise: Amount) -> tuple[float, float]:
    """The 95 % interval of `own / (own + others + noise)`; amounts are treated as independent, noise is above 0."""
    import numpy as np

    rest = noise.value + math.fsum(other.value for other in others)
    up = math.hypot(noise.high - noise.value, *(max(0.0, other.high - other.value) for other in others))
    down = math.hypot(noise.value - noise.low, *(max(0.0, other.value - other.low) for other in others))
    down = min(down, rest - noise.low)  # noise is never less than its own bound
    angle = np.linspace(0, math.pi / 2, DIRECTIONS)
    along, across = np.cos(angle), np.sin(angle)
    least = ((own.value - max(0.0, own.value - own.low) * along) / (rest + up * across)).min()
    most = ((own.value + max(0.0, own.high - own.value) * along) / (rest - down * across)).max()
    return float(least / (1 + least)), float(most / (1 + most))


def noncentrality(chi_squared: float, df: float, probability: float) -> float:
    """The noncentrality at which chi squared is at most this value with this probability; 0 if even 0 is less likely.

    Args:
        chi_squared: at least 0.
        df: at least 1.
        probability: in (0, 1).
    """
    from scipy.optimize import brentq
    from scipy.special import chndtr, ndtri

    if chi_squared > LARGE:
        return float(max(0.0, math.sqrt(chi_squared) - float(ndtri(probability))) ** 2)
    high = 2 * chi_squared + 10.0

    def excess(center: float) -> float:
        return float(chndtr(chi_squared, df, center)) - probability

    if excess(0.0) <= 0:
        return 0.0
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, rtol=1e-9))


def _tails() -> tuple[float, float]:
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
