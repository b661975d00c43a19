"""The size of our difference compared with a printed one. It is shown and never judged across scales."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ablate.statistics.estimate import t_interval


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Our mean difference compared with the printed one.

    Attributes:
        ratio: our difference divided by the printed one; None if the printed one is 0.
        standardised: our difference divided by its sample sd, with its sign; None without spread.
        low, high: 95 % prediction interval for the difference of one run; None at another scale, below 2 seeds and
            for two with equal differences.
        is_inside: whether the printed difference is in that interval, ends included.
    """

    ratio: float | None
    standardised: float | None
    low: float | None = None
    high: float | None = None
    is_inside: bool | None = None


def magnitude(mean: float, sd: float | None, n: int, printed: float, *, at_paper_scale: bool) -> Magnitude:
    """Ratio, standardised effect and, at the paper's own scale, whether one run could have given the printed number.

    Args:
        mean: mean of our `n` differences.
        sd: sample standard deviation of our differences; None for n = 1.
        n: number of our differences, at least 1.
        printed: printed difference.
        at_paper_scale: whether data set, network and recipe are the paper's; there is no interval otherwise.
    """
    ratio = mean / printed if printed else None
    standardised = mean / sd if sd else None
    if sd is None or not at_paper_scale:
        return Magnitude(ratio, standardised)
    interval = prediction_interval(mean, sd, n)
    if interval is None:
        return Magnitude(ratio, standardised)
    return Magnitude(ratio, standardised, *interval, interval[0] <= printed <= interval[1])


def prediction_interval(mean: float, sd: float, n: int) -> tuple[float, float] | None:
    """The 95 % interval for one further value, `mean -+ t(n - 1) sd sqrt(1 + 1/n)`; where sd = 0, see `t_interval`.

    Raises:
        ValueError: n is below 2.
    """
    # the t interval of a mean uses sd / sqrt(n), that of a single value sd sqrt(1 + 1/n)
    return t_interval(mean, sd * math.sqrt(n + 1), n)
