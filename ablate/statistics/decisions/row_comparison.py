"""One row against one reference, paired by seed: difference, interval and the p-values of the paired tests.

Numbers only, no decision. A seed counts if both rows have a usable value; a value that is not finite is a lost run. No
p-value is 0.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ablate.statistics.decisions.paired import SMALLEST, paired_difference
from ablate.statistics.decisions.signflip import signflip_p, smallest_p
from ablate.statistics.estimate import CONFIDENCE, FEWEST_SEEDS

LARGEST = 1e150
"""Limit above which a value counts as not finite, since its square would not be finite."""


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one row.

    Attributes:
        label: label of the row.
        values: metric by seed, for the runs that succeeded.
        planned: planned seeds; seeds that have a value or have ended count as planned too.
        diverged: seeds whose run diverged; their values are not used.
        failed: seeds that ended without a value for any other reason.
    """

    label: str
    values: Mapping[int, float]
    planned: Collection[int] = ()
    diverged: Collection[int] = ()
    failed: Collection[int] = ()

    @property
    def usable(self) -> dict[int, float]:
        """Finite values by seed."""
        ended = {*self.diverged, *self.failed}
        return {seed: value for seed, value in self.values.items() if seed not in ended and _is_usable(value)}

    @property
    def lost(self) -> frozenset[int]:
        """Seeds that ended without a usable value: lost runs."""
        infinite = (seed for seed, value in self.values.items() if not _is_usable(value))
        return frozenset({*self.diverged, *self.failed, *infinite})

    @property
    def n_planned(self) -> int:
        """Number of planned seeds."""
        return len({*self.planned, *self.values, *self.diverged, *self.failed})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Row minus reference over common seeds, in metric units.

    Attributes:
        differences: differences by seed, ascending.
        mean: mean difference; None for n = 0.
        sd: sample standard deviation of the differences; None below n = 2, 0 if all are equal. With folds it is
            enlarged, see `PairedDifference`.
        low: lower end of the 95 % t interval, uncorrected; None below n = 2 and for n = 2 with sd = 0, else the mean if
            sd = 0.
        high: upper end.
        p_flip: p-value of the sign-flip test; None for n = 0, 1 for n = 1 and if all seeds tie.
        p_t: p-value of the paired t test; None below n = 3 and, for lack of a spread, if all differences are equal but
            not 0; 1 if all seeds tie.
        smallest_p: smallest p-value that sign flip could give with the seeds that do not tie.
    """

    differences: Mapping[int, float]
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    p_flip: float | None
    p_t: float | None
    smallest_p: float

    @property
    def n(self) -> int:
        """Number of common seeds."""
        return len(self.differences)


@dataclass(frozen=True, slots=True)
class Pairing:
    """The effect of pairing by seed on a comparison.

    Attributes:
        rho: correlation of row and reference over seeds; None if one of them is constant.
        gain: share of variance that pairing saved, 1 - Var(D) / (Var A + Var B), below 0 if it cost; None if both are
            constant.
    """

    rho: float | None
    gain: float | None


@dataclass(frozen=True, slots=True)
class Superiority:
    """P(better): the share of seeds in which the row is better than its reference.

    Attributes:
        wins: number of seeds in which the row is better.
        ties: number of seeds in which both are equal.
        n: number of seeds.
        share: share of wins, with ties as half.
        low: lower end of the 95 % Clopper-Pearson interval, with ties as losses.
        high: upper end, with ties as wins; the two ends enclose every way to break ties.
    """

    wins: int
    ties: int
    n: int
    share: float
    low: float
    high: float


def compare_runs(row: Runs, reference: Runs, folds: int | None = None) -> Comparison:
    """The paired comparison of two rows over the seeds in which both have a usable value; `folds` as a study has."""
    found = paired_difference(row.usable, reference.usable, folds=folds)
    if found is None:
        return Comparison({}, None, None, None, None, None, None, smallest_p(0))
    numbers = list(found.differences.values())
    return Comparison(
        differences=found.differences,
        mean=found.mean,
        sd=found.sd,
        low=found.low,
        high=found.high,
        p_flip=signflip_p(numbers),
        p_t=None if found.sd is None else _paired_t_p(found.mean, found.sd, found.n),
        smallest_p=smallest_p(sum(1 for number in numbers if number)),
    )


def pairing(comparison: Comparison, row: Runs, reference: Runs) -> Pairing | None:
    """Correlation and gain over the seeds of a comparison; None below 3 seeds, where they have no meaning."""
    if comparison.sd is None or comparison.n < 3:
        return None
    ours, theirs = ([runs.values[seed] for seed in comparison.differences] for runs in (row, reference))
    sd_ours, sd_theirs = statistics.stdev(ours), statistics.stdev(theirs)
    apart = math.hypot(sd_ours, sd_theirs)
    spread = comparison.sd and statistics.stdev(comparison.differences.values())
    gain = 1 - (spread / apart) ** 2 if apart else None
    if not (sd_ours and sd_theirs):
        return Pairing(None, gain)
    products = [a * b for a, b in zip(_standardised(ours, sd_ours), _standardised(theirs, sd_theirs), strict=True)]
    return Pairing(max(-1.0, min(1.0, math.fsum(products) / (len(ours) - 1))), gain)


def superiority(comparison: Comparison, *, lower_is_better: bool) -> Superiority | None:
    """P(better) over the seeds of a comparison; None without a seed."""
    n = comparison.n
    if not n:
        return None
    wins = sum(
        1 for difference in comparison.differences.values() if difference and (difference < 0) == lower_is_better
    )
    ties = sum(1 for difference in comparison.differences.values() if not difference)
    low, high = clopper_pearson(wins, n)[0], clopper_pearson(wins + ties, n)[1]
    return Superiority(wins, ties, n, (wins + ties / 2) / n, low, high)


def clopper_pearson(count: int, n: int) -> tuple[float, float]:
    """The exact 95 % interval of a share, `count` of `n` (Clopper, Pearson 1934): quantiles of beta distributions."""
    from scipy.special import betaincinv

    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
    return low, high


def _is_usable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < LARGEST


def _paired_t_p(mean: float, sd: float, n: int) -> float | None:
    if n < FEWEST_SEEDS:
        return None
    if sd == 0:
        return None if mean else 1.0
    from scipy.special import stdtr

    return max(2 * float(stdtr(n - 1, -abs(mean) / (sd / math.sqrt(n)))), SMALLEST)


def _standardised(values: Sequence[float], sd: float) -> list[float]:
    mean = statistics.mean(values)
    return [(value - mean) / sd for value in values]
