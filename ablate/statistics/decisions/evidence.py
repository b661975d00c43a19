"""The tests of many comparisons, corrected together: the p that counts for each, and its simultaneous interval.

One choice of test for all of them, made from numbers of seeds and never from values. m, the number of comparisons,
counts every pair given, with data or without: a row that failed altogether takes part with p = 1 and must not make the
others easier. Decisions are taken elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablate.statistics.decisions.comparison import Comparison, Runs, compare_runs
from ablate.statistics.decisions.failures import Failures, compare_failures
from ablate.statistics.decisions.multiple import bonferroni_level, holm
from ablate.statistics.decisions.pooled import PooledFit, compare_pooled, fit_blocks
from ablate.statistics.decisions.power import Test, pick_test
from ablate.statistics.estimate import t_interval

Applied = Literal["flip", "t", "pooled"]


@dataclass(frozen=True, slots=True)
class TestDesign:
    """What was fixed before the runs.

    Attributes:
        lower_is_better: of the metric.
        alpha: family-wise error, in (0, 1).
        margin: differences within +-margin are equivalent, in metric units; None claims no equivalence.
        test: `pooled` falls back to `auto` where there are fewer than 2 blocks, or no spread at all, or where a row has
            a seed that another one lacks.
    """

    lower_is_better: bool
    alpha: float = 0.05
    margin: float | None = None
    test: Test = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha lies in (0, 1), given {self.alpha}")
        if self.margin is not None and not (self.margin > 0 and math.isfinite(self.margin)):
            raise ValueError(f"margin is None or a finite number above 0, given {self.margin}")
        if self.test not in ("auto", "flip", "t", "pooled"):
            raise ValueError(f"test is auto, flip, t or pooled, given {self.test!r}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found on one row against its reference.

    Attributes:
        comparison: over all common seeds.
        failures: lost runs of the two.
        test: None below 2 common seeds. Where all differences are equal, `flip` in place of `t`, which has no meaning.
        p: of that test, uncorrected; None without a test.
        p_adj: corrected for all comparisons, by Holm or, if pooled, by Dunnett.
        p_worst_adj: Holm over the worst cases of all comparisons, see `Failures.p_worst`; a comparison that has
            none takes part with `p`.
        n: seeds that the test used.
        difference: that it is about: the mean over those seeds.
        sd: of a paired difference, with `df` degrees of freedom; None without a test.
        df: n - 1, or those of the pooled variance.
        interval: simultaneous, 1 - alpha for all together: Bonferroni t, or Dunnett's; None without a test.
        comparisons: m, for all of which p and interval are corrected.
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
        test: the choice for all; None where no comparison has 2 common seeds.
        n: seeds that decided the choice: the fewest common seeds of a comparison that has at least 2 (complete blocks,
            if pooled); 0 where there is none.
        comparisons: m.
        pooled: the fitted model, where the test is pooled.
        found: in the order of the pairs.
    """

    test: Applied | None
    n: int
    comparisons: int
    pooled: PooledFit | None
    found: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class _Tested:
    """The part of `Evidence` that a test decides on."""

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
    design: TestDesign,
    *,
    shared: Runs | None = None,
    comparisons: int | None = None,
) -> JointEvidence:
    """Test each row against its reference and correct for all of them.

    Args:
        pairs: (row, reference), all the comparisons that were planned.
        design: alpha, test, direction.
        shared: the reference of all pairs; without it there is no pooled test.
        comparisons: all that were planned, where the pairs are only some of them: the correction is Bonferroni then,
            which is never easier than Holm.
    """
    planned = comparisons or len(pairs)
    compared = [compare_runs(row, reference) for row, reference in pairs]
    failures = [compare_failures(*pair, lower_is_better=design.lower_is_better) for pair in pairs]
    testable = [index for index, comparison in enumerate(compared) if comparison.n > 1]
    fit = None
    if design.test == "pooled" and shared is not None:
        fit = fit_blocks([pairs[index][0].usable for index in testable], shared.usable)
        if fit and any(compared[index].n > len(fit.seeds) for index in testable):
            fit = None  # a row must not be judged by the seeds that another one happens to have
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


def _choose(design: TestDesign, n: int, comparisons: int) -> Applied:
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
    return _Tested(n=comparison.n, difference=comparison.mean)


def _paired(comparison: Comparison, test: Applied, comparisons: int, design: TestDesign) -> _Tested:
    mean, sd, n = comparison.mean, comparison.sd, comparison.n
    if mean is None or sd is None:
        return _untested(comparison)
    is_flip = test == "flip" or comparison.p_t is None
    return _Tested(
        test="flip" if is_flip else "t",
        p=comparison.p_flip if is_flip else comparison.p_t,
        n=n,
        difference=mean,
        sd=sd,
        df=n - 1,
        interval=t_interval(mean, sd, n, 1 - bonferroni_level(design.alpha, comparisons)),
    )


def _pooled(fit: PooledFit, place: int, comparisons: int, design: TestDesign) -> _Tested:
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
