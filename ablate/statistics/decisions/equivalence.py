"""Two one-sided tests (TOST): is the difference within a margin that was chosen before the runs?

The t interval decides: a row is equivalent if its interval with confidence 1 - 2 alpha / m is inside (-margin, margin).
m is the number of comparisons (Bonferroni); the confidence is 90 % for one comparison at 5 %. Without a detected
difference a row is not yet equivalent.
"""

from __future__ import annotations

from dataclasses import dataclass

from ablate.statistics.decisions.corrections import bonferroni_level
from ablate.statistics.estimate import FEWEST_SEEDS, t_interval


@dataclass(frozen=True, slots=True)
class Equivalence:
    """The outcome of the two one-sided tests.

    Attributes:
        low: lower end of the interval with confidence 1 - 2 alpha / m, in metric units.
        high: upper end.
        is_shown: whether the row is equivalent.
    """

    low: float
    high: float
    is_shown: bool


def two_one_sided(
    mean: float, sd: float, n: int, *, margin: float, level: float = 0.05, comparisons: int = 1
) -> Equivalence:
    """Equivalence of a row and its reference over n paired differences.

    Without any spread there is no t test, and the interval is a point. Two one-sided sign-flip tests about the margins
    then decide: n equal differences inside have probability 2^-n at a margin, so a few seeds that happen to tie show
    nothing.

    Args:
        mean: mean of the differences.
        sd: standard deviation of the differences; 0 if all are equal.
        n: number of seeds, at least 3.
        margin: half width of the range of equivalent differences, above 0, in metric units.
        level: level of the family.
        comparisons: number of comparisons in the family.

    Raises:
        ValueError: n is below 3, or the margin is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"the margin of equivalence must be above 0, given {margin}")
    each = bonferroni_level(level, comparisons)
    interval = t_interval(mean, sd, n, 1 - 2 * each) if n >= FEWEST_SEEDS else None
    if interval is None:
        raise ValueError(f"the test of equivalence needs n >= {FEWEST_SEEDS}, given {n}")
    low, high = interval
    is_inside = -margin < low and high < margin
    return Equivalence(low, high, is_inside and (sd > 0 or 2.0**-n <= each))
