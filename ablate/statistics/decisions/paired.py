"""Two rows, paired by seed: the difference over common seeds with its t interval.

A seed is a block: all rows of a seed share their random streams. Rows are therefore compared within seeds, and a seed
that one of the two rows lacks is left out as a whole. Differences at the level of rounding noise count as 0, since they
would give the sign-flip test a pattern and the t test a spread. Tables, tests and verdicts use these differences.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ablate.statistics.estimate import CONFIDENCE, estimate, t_interval

NOISE = 1e-12
"""Relative to the larger value; a smaller difference is rounding, and so is one below `SMALLEST`."""

SMALLEST = sys.float_info.min
"""The smallest float with full precision; also the p-value in place of a smaller one."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Row minus reference over common seeds, of which there is at least one.

    Attributes:
        differences: difference of each seed, ascending.
        mean: mean of the differences.
        sd: sample standard deviation of the differences; None for one seed, 0 if they differ by rounding only.
        low: lower end of the t interval; None for one seed and for two with equal differences, the mean if sd = 0.
        high: upper end.
    """

    differences: Mapping[int, float]
    mean: float
    sd: float | None
    low: float | None
    high: float | None

    @property
    def n(self) -> int:
        """Number of common seeds."""
        return len(self.differences)


def paired_difference(
    values: Mapping[int, float], reference: Mapping[int, float], confidence: float = CONFIDENCE
) -> PairedDifference | None:
    """The mean paired difference with its interval; None without a common seed."""
    common = sorted(values.keys() & reference.keys())
    found = {seed: difference(values[seed], reference[seed]) for seed in common}
    largest = max((max(abs(values[seed]), abs(reference[seed])) for seed in common), default=0.0)
    mean, sd = (whole := estimate(found)).mean, whole.sd
    if mean is None:
        return None
    if sd is None:
        return PairedDifference(found, mean, None, None, None)
    if max(found.values()) - min(found.values()) <= _noise(largest):
        sd = 0.0
    return PairedDifference(found, mean, sd, *(t_interval(mean, sd, len(found), confidence) or (None, None)))


def difference(value: float, reference: float) -> float:
    """Value minus reference; 0 if that is rounding noise."""
    found = value - reference
    return 0.0 if abs(found) <= _noise(max(abs(value), abs(reference))) else found


def _noise(size: float) -> float:
    return max(NOISE * size, SMALLEST)
