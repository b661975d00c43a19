"""Two rows, paired by seed: the difference over common seeds with its t interval.

A seed is a block: all rows of a seed share their random streams. Rows are therefore compared within seeds, and a seed
that one of the two rows lacks is left out as a whole. Tests and verdicts use the same `differences`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ablate.statistics.estimate import CONFIDENCE, estimate, t_interval


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Row minus reference over common seeds.

    Attributes:
        n: number of common seeds, at least 1.
        mean: mean of the differences.
        sd: sample standard deviation of the differences; None for n = 1.
        low: lower end of the t interval; None for n = 1.
        high: upper end; None for n = 1.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


def differences(values: Mapping[int, float], reference: Mapping[int, float]) -> dict[int, float]:
    """`values - reference` for each seed that both have, by seed in ascending order."""
    return {seed: values[seed] - reference[seed] for seed in sorted(values.keys() & reference.keys())}


def paired_difference(
    values: Mapping[int, float], reference: Mapping[int, float], confidence: float = CONFIDENCE
) -> PairedDifference | None:
    """The mean paired difference with its interval; None without a common seed."""
    found = estimate(differences(values, reference))
    if found.mean is None:
        return None
    if found.sd is None:
        return PairedDifference(found.n, found.mean, None, None, None)
    low, high = t_interval(found.mean, found.sd, found.n, confidence)
    return PairedDifference(found.n, found.mean, found.sd, low, high)
