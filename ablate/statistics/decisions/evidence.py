"""The tests of many comparisons, corrected together: the p-value of each comparison and its simultaneous interval.

All comparisons use the same test. It is chosen from the numbers of seeds and never from the values. m, the number of
comparisons, counts every given pair, with or without data. A row whose runs all failed counts with p = 1, so that it
does not make the other rows easier to decide. Tests that assume normal errors (paired t and Dunnett's) need 3 seeds:
with fewer, a row has no test. `ablate.statistics.decisions.family` makes the decisions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablate.statistics.decisions.corrections import bonferroni_level, holm
from ablate.statistics.decisions.dunnett import PooledFit, compare_pooled, fit_blocks
from ablate.statistics.decisions.failures import Failures, compare_failures
from ablate.statistics.decisions.power import Test, pick_test
from ablate.statistics.decisions.row_comparison import Comparison, Runs, compare_runs
from ablate.statistics.estimate import FEWEST_SEEDS, t_interval

Applied = Literal["flip", "t", "pooled"]


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """What was fixed before the runs.

    Attributes:
        lower_is_better: direction of the metric.
        alpha: family-wise error rate, in (0, 1).
        margin: half width of the range of equivalent differences, in metric units; None claims no equivalence.
        test: name of the test. `pooled` falls back to `auto` with fewer than 3 blocks, without any spread, or if a row
            has a seed that another row lacks.
        unit: unit of a difference in sentences, such as `points`; may be empty.
        folds: number of folds of each seed; None without. The test is then the corrected t test, see `fold_factor`.
    """

    lower_is_better: bool
    alpha: float = 0.05
    margin: float | None = None
    test: Test = "auto"
    unit: str = ""
    folds: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha must be in (0, 1), given {self.alpha}")
        if self.margin is not None and not (self.margin > 0 and math.isfinite(self.margin)):
            raise ValueError(f"margin must be None or a finite number above 0, given {self.margin}")
        if self.test not in ("auto", "flip", "t", "pooled"):
            raise ValueError(f"test must be auto, flip, t or pooled, given {self.test!r}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence on one row against its reference.

    Attributes:
        comparison: paired comparison over all common seeds.
        failures: lost runs of the row and its reference.
        test: applied test; None below 3 common seeds (2 for `flip`). If all differences are equal, `flip` replaces
            `t`, which is undefined there.
        p: uncorrected p-value of that test; None without a test.
        p_adj: p-value corrected for all comparisons, by Holm or, if pooled, by Dunnett.
        p_worst_adj: Holm's p-value over the worst cases of all comparisons, see `Failures.p_worst`; a comparison
            without a worst case counts with `p`.
        n: number of seeds in the test.
        difference: mean difference over those seeds.
        sd: standard deviation of a paired difference, with `df` degrees of freedom; None below 2 common seeds.
        df: n - 1, or the degrees of freedom of the pooled variance.
        interval: simultaneous interval with confidence 1 - alpha for all comparisons, from Bonferroni's t or Dunnett's
            test; None without a test, and for two seeds with equal differences.
        comparisons: m, the number of comparisons in the correction.
    """

    comparison: Comparison
    failures: Failures
    test: Applied | None
    p: float | None
    p_adj: float | None
    p_worst_adj: float
    n: int
    difference: float | None
    sd: float | None
    df: int
    interval: tuple[float, float] | None
    comparisons: int


@dataclass(frozen=True, slots=True)
class JointEvidence:
    """The evidence on all comparisons of a family.

    Attributes:
        test: test of all comparisons; None if no comparison has enough common seeds for it.
        n: number of seeds from which the test was chosen: the fewest common seeds of a comparison with enough of them
            (complete blocks, if pooled); 0 without any.
        comparisons: m, the number of comparisons.
        pooled: fitted model of the pooled test; else None.
        found: evidence in the order of the pairs.
    """

    test: Applied | None
    n: int
    comparisons: int
    pooled: PooledFit | None
    found: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class _Tested:
    """The part of `Evidence` that depends on the test."""

    test: Applied | None = None
    p: float | None = None
    n: int = 0
    difference: float | None = None
    sd: float | None = None
    df: int = 0
    interval: tuple[float, float] | None = None
    p_dunnett: float | None = None


def gather_evidence(
    pairs: Sequence[tuple[Runs, Runs]],
    design: DecisionRule,
    *,
    shared: Runs | None = None,
    comparisons: int | None = None,
) -> JointEvidence:
    """Test each row against its reference and correct for all of them.

    Args:
        pairs: (row, reference) of every planned comparison.
        design: alpha, test and direction.
        shared: the reference of all pairs; None excludes the pooled test.
        comparisons: number of planned comparisons, if the pairs are only some of them. The correction is then
            Bonferroni, which is never easier than Holm.
    """
    planned = comparisons or len(pairs)
    compared = [compare_runs(row, reference, design.folds) for row, reference in pairs]
    failures = [compare_failures(*pair, lower_is_better=design.lower_is_better) for pair in pairs]
    fewest = 2 if design.test == "flip" and not design.folds else FEWEST_SEEDS
    testable = [index for index, comparison in enumerate(compared) if comparison.n >= fewest]
    fit = None
    if design.test == "pooled" and shared is not None and not design.folds:
        fit = fit_blocks([pairs[index][0].usable for index in testable], shared.usable)
        if fit and any(compared[index].n > len(fit.seeds) for index in testable):
            fit = None  # a row must not be decided on fewer seeds because another row lacks some
    n = len(fit.seeds) if fit else min((compared[index].n for index in testable), default=0)
    test: Applied = "pooled" if fit else _choose(design, n, planned)
    if fit:
        tested = [_untested(comparison) for comparison in compared]
        for place, index in enumerate(testable):
            tested[index] = _pooled(fit, place, planned, design)
    else:
        tested = [_paired(comparison, test, planned, design) for comparison in compared]
    return JointEvidence(
        test=test if testable else None,
        n=n,
        comparisons=planned,
        pooled=fit,
        found=_corrected(compared, failures, tested, planned),
    )


def _choose(design: DecisionRule, n: int, comparisons: int) -> Applied:
    if design.folds:
        return "t"
    if design.test == "flip" or design.test == "t":
        return design.test
    return pick_test(n, comparisons, design.alpha)


def _corrected(
    compared: Sequence[Comparison], failures: Sequence[Failures], tested: Sequence[_Tested], comparisons: int
) -> tuple[Evidence, ...]:
    raw = [1.0 if one.p is None else one.p for one in tested]
    worst = [p if lost.p_worst is None else lost.p_worst for lost, p in zip(failures, raw, strict=True)]
    adjusted, worst_adjusted = (
        holm(p) if comparisons == len(p) else [min(1.0, comparisons * one) for one in p] for p in (raw, worst)
    )
    together = zip(compared, failures, tested, adjusted, worst_adjusted, strict=True)
    return tuple(
        Evidence(
            comparison=comparison,
            failures=lost,
            test=one.test,
            p=one.p,
            p_adj=None if one.p is None else one.p_dunnett or p_adj,
            p_worst_adj=p_worst_adj,
            n=one.n,
            difference=one.difference,
            sd=one.sd,
            df=one.df,
            interval=one.interval,
            comparisons=comparisons,
        )
        for comparison, lost, one, p_adj, p_worst_adj in together
    )


def _untested(comparison: Comparison) -> _Tested:
    return _Tested(n=comparison.n, difference=comparison.mean, sd=comparison.sd, df=max(0, comparison.n - 1))


def _paired(comparison: Comparison, test: Applied, comparisons: int, design: DecisionRule) -> _Tested:
    mean, sd, n = comparison.mean, comparison.sd, comparison.n
    if mean is None or sd is None or (test == "t" and n < FEWEST_SEEDS):
        return _untested(comparison)
    is_flip = test == "flip" or comparison.p_t is None
    if is_flip and design.folds:  # folds depend on each other, so their signs are not exchangeable
        return _untested(comparison)
    return _Tested(
        test="flip" if is_flip else "t",
        p=comparison.p_flip if is_flip else comparison.p_t,
        n=n,
        difference=mean,
        sd=sd,
        df=n - 1,
        interval=t_interval(mean, sd, n, 1 - bonferroni_level(design.alpha, comparisons)),
    )


def _pooled(fit: PooledFit, place: int, comparisons: int, design: DecisionRule) -> _Tested:
    found = compare_pooled(fit, place, comparisons=comparisons, alpha=design.alpha)
    return _Tested(
        test="pooled",
        p=found.p,
        n=len(fit.seeds),
        difference=found.difference,
        sd=math.sqrt(2) * fit.sd,
        df=fit.df,
        interval=(found.low, found.high),
        p_dunnett=found.p_adj,
    )
