"""How large our difference is beside a printed one. It is shown and never judged across scales."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ablate.statistics.estimate import t_interval


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Our mean difference beside the printed one.

    Attributes:
        ratio: ours over the printed one; None where that is 0.
        standardised: ours over its sample sd, signed as measured; None without spread.
        low, high: 95 % prediction interval for the difference of one run; None at another scale and below 2 seeds.
        is_inside: whether the printed difference lies in it, ends included.
    """

    ratio: float | None
    standardised: float | None
    low: float | None = None
    high: float | None = None
    is_inside: bool | None = None


def magnitude(mean: float, sd: float | None, n: int, printed: float, *, at_paper_scale: bool) -> Magnitude:
    """Ratio, standardised effect and, at the paper's own scale, whether one run could have given the printed number.

    Args:
        mean: of our `n` differences; `sd` their sample standard deviation, None for n = 1.
        n: at least 1.
        printed: the printed difference.
        at_paper_scale: data set, network and recipe are the paper's; else there is no interval.
    """
    ratio = mean / printed if printed else None
    standardised = mean / sd if sd else None
    if sd is None or not at_paper_scale:
        return Magnitude(ratio, standardised)
    low, high = prediction_interval(mean, sd, n)
    return Magnitude(ratio, standardised, low, high, low <= printed <= high)


def prediction_interval(mean: float, sd: float, n: int) -> tuple[float, float]:
    """The 95 % interval for one further value, `mean -+ t(n - 1) sd sqrt(1 + 1/n)`; a point where sd = 0.

    Raises:
        ValueError: n is below 2.
    """
    # the t interval of a mean has sd / sqrt(n) where a single value has sd sqrt(1 + 1/n)
    return t_interval(mean, sd * math.sqrt(n + 1), n)
