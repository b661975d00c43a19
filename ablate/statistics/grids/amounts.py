"""Amounts of variation in sums of squares, with confidence bounds, and the share of one amount in a sum.

The amount of an effect is its sum of squares minus the contribution of noise: sigma^2 times a noncentrality. Its bounds
invert the noncentral chi squared of `between / error mean square`. Because the error is an estimate, Student's quantile
replaces the normal one; for one degree of freedom and a clear effect the result is the t interval. The bounds of a
share come from the bounds of its terms, which vary together within an ellipse through their bounds (MOVER; Zou and
Donner 2008), tilted if the terms are correlated. A term of 0 stays possible throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.statistics.estimate import CONFIDENCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LARGE = 1e5
"""Limit above which a chi squared is treated as a squared normal deviate around the root of its noncentrality."""

DIRECTIONS = 361
"""Number of evaluated directions on the ellipse."""


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

    low, high = (value * df / float(chdtri(df, tail)) for tail in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Amount(value, low, high)


def share_interval(
    own: Amount, others: Sequence[Amount], noise: Amount, correlations: Array | None = None
) -> tuple[float, float]:
    """The 95 % interval of `own / (own + others + noise)`; noise is above 0 and independent of the amounts.

    Args:
        own: amount whose share is asked for.
        others: all other amounts.
        noise: amount of noise.
        correlations: of the estimates of `own` and `others`, in this order; None if they are independent.
    """
    import numpy as np

    size = len(others) + 1
    matrix = np.eye(size) if correlations is None else correlations
    among, with_own = matrix[1:, 1:], matrix[0, 1:]
    rest = noise.value + math.fsum(other.value for other in others)
    upper = np.array([max(0.0, other.high - other.value) for other in others])
    lower = np.array([max(0.0, other.value - other.low) for other in others])
    up, down = (
        math.sqrt(side**2 + float(steps @ among @ steps))
        for side, steps in ((noise.high - noise.value, upper), (noise.value - noise.low, lower))
    )
    length = up + down or 1.0
    together = max(-1.0, min(1.0, float(with_own @ (upper + lower)) / length))
    angle = np.linspace(0, 2 * math.pi, DIRECTIONS)
    along = np.cos(angle)
    across = together * along + math.sqrt(max(0.0, 1 - together**2)) * np.sin(angle)
    steps = along * np.where(along < 0, max(0.0, own.value - own.low), max(0.0, own.high - own.value))
    other_steps = across * np.where(across < 0, min(down, rest - noise.low), up)  # noise is never below its bound
    ratio = (own.value + steps) / (rest + other_steps)
    least, most = float(ratio.min()), float(ratio.max())
    return least / (1 + least), most / (1 + most)


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
