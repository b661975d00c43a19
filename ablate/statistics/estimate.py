"""A single row: mean, sample standard deviation and t interval over seeds.

Sums are exact rationals of the standard library, so no result depends on the order or the names of the seeds. scipy is
imported only when a quantile is needed. There is no percentile bootstrap on purpose: over few seeds its intervals are
too short (a nominal 95 % covers 73 % at n = 3).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

CONFIDENCE = 0.95
FEWEST_SEEDS = 3
"""Fewest seeds with which a t test, Dunnett's test or an F test decides. Two seeds leave one degree of freedom: p is
then small whenever the two happen to be close together, and nothing in the data can check the assumptions."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean and spread over seeds.

    Attributes:
        n: number of seeds.
        mean: mean over seeds; None for n = 0.
        sd: sample standard deviation (ddof = 1), which is the spread of single seeds and not the error of the mean;
            None below n = 2.
    """

    n: int
    mean: float | None
    sd: float | None


def estimate(values: Mapping[int, float]) -> Estimate:
    """Mean and sample standard deviation of the values of some seeds."""
    numbers = list(values.values())
    if not numbers:
        return Estimate(0, None, None)
    mean = statistics.mean(numbers)
    return Estimate(len(numbers), mean, statistics.stdev(numbers) if len(numbers) > 1 else None)


def fold_factor(n: int, folds: int | None) -> float:
    """How much larger the error of a mean over n blocks is than independent blocks would give; 1 without folds.

    The folds of one data set share training data, so their values depend on each other. The corrected resampled t test
    (Nadeau and Bengio 2003) takes the variance of the mean as (1/n + n_test/n_train) s^2, and k folds have
    n_test/n_train = 1/(k - 1).
    """
    return 1.0 if folds is None else math.sqrt(1 + n / (folds - 1))


def t_interval(mean: float, sd: float, n: int, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Student's t interval of a mean, `mean -+ t(n - 1) sd / sqrt(n)`; a point if sd = 0.

    None for two seeds that are equal: that they are does not show that there is no spread.

    Args:
        mean: mean of the sample.
        sd: sample standard deviation.
        n: size of the sample, at least 2.
        confidence: two-sided coverage, in (0, 1).

    Raises:
        ValueError: n is below 2; one seed does not show the spread.
    """
    if n < 2:
        raise ValueError(f"a t interval needs n >= 2, given {n}")
    if sd == 0:
        return None if n < FEWEST_SEEDS else (mean, mean)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * sd / math.sqrt(n)
    return mean - half, mean + half
