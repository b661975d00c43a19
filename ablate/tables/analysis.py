"""From rows to findings: each family is tested against its baseline and compared with the paper.

`ablate.statistics` computes the statistics; this module converts rows to their input and their results to the documents
of a table. Nothing is decided while a planned seed is outstanding, because repeated looks at a test raise its
false-alarm rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ablate.paper.published import PublishedTable
from ablate.statistics.decisions.anytime import AnytimeAnswer, answer_at_any_time
from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.family import (
    FamilyAnalysis,
    RowAnalysis,
    analyse_family,
    seeds_to_decide,
    seeds_to_equivalence,
)
from ablate.statistics.decisions.row_comparison import Superiority as BetterShare
from ablate.statistics.decisions.row_comparison import compare_runs
from ablate.statistics.decisions.sentences import describe_decision, describe_spread, describe_test
from ablate.statistics.estimate import FEWEST_SEEDS
from ablate.study.plan import Plan
from ablate.tables.agreement import (
    TRIED_BEFORE,
    Labels,
    agreement_of,
    compare_with_paper,
    printed_differences,
    row_agreement,
)
from ablate.tables.results import RowResults, row_notes, runs_of
from ablate.tables.tries import PairHistory
from ablate.tables.verdicts import Audit, Bounds, Family, RowAgreement, Superiority, Tested, Tries
from ablate.tables.words import metric_unit


@dataclass(frozen=True, slots=True)
class RowFinding:
    """The findings on one row.

    Attributes:
        analysis: numbers of the comparison with the baseline; `tested` is their document.
        agreement: agreement with the printed difference; None without one.
        retried: number of this try and the answer that is still valid, for a row that was tried before; else None.
    """

    analysis: RowAnalysis
    tested: Tested
    agreement: RowAgreement | None
    retried: tuple[int, AnytimeAnswer] | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings on a table; empty while seeds are outstanding.

    Attributes:
        families: families in the order of the groups.
        rows: findings by row name, without the baselines.
    """

    families: tuple[Family, ...] = ()
    rows: Mapping[str, RowFinding] = field(default_factory=dict)


def design_of(plan: Plan) -> DecisionRule:
    """The tests that the study fixed."""
    table = plan.study.table
    return DecisionRule(
        plan.lower_is_better[plan.metric],
        table.alpha,
        table.margin,
        table.test,
        unit=metric_unit(plan.metric),
        folds=plan.study.folds,
    )


def find_verdicts(
    plan: Plan,
    results: Sequence[RowResults],
    audits: Sequence[RowResults],
    published: PublishedTable | None,
    retried: Mapping[str, PairHistory],
) -> Findings:
    """Test every family of a plan.

    Args:
        plan: plan of the study.
        results: results of every row.
        audits: results of the hidden duplicates of baselines.
        published: printed numbers, joined by row label.
        retried: name -> tries of the rows that were tried before.
    """
    if any(result.missing for result in (*results, *audits)):
        return Findings()
    families: list[Family] = []
    rows: dict[str, RowFinding] = {}
    groups: dict[str | None, list[RowResults]] = {}
    for result in results:
        groups.setdefault(result.row.group, []).append(result)
    copies = {audit.row.group: audit for audit in audits}
    for group, members in groups.items():
        family, found = _test_family(plan, members, copies.get(group), published, retried.keys())
        families.append(family)
        rows |= {label: _with_tries(plan, one, retried.get(label)) for label, one in found.items()}
    return Findings(tuple(families), rows)


def _test_family(
    plan: Plan, members: Sequence[RowResults], copy: RowResults | None, published: PublishedTable | None, tried: Labels
) -> tuple[Family, dict[str, RowFinding]]:
    baseline = next(result for result in members if result.row.is_baseline)
    rows = [result for result in members if result is not baseline]
    printed = printed_differences(plan.metric, baseline, rows, published)
    found = analyse_family(
        [runs_of(result, plan.metric) for result in rows], runs_of(baseline, plan.metric), design_of(plan)
    )
    agreed = compare_with_paper(plan, found, printed, published, tried)
    verdicts = {row.label: row_agreement(row) for row in agreed.rows} if agreed else {}
    family = Family(
        group=baseline.row.group,
        baseline=baseline.row.name,
        comparisons=found.evidence.comparisons,
        n=found.evidence.n,
        test=found.evidence.test,
        method=describe_test(found),
        spread=describe_spread(found.evidence.pooled) if found.evidence.pooled else None,
        agreement=agreement_of(plan, agreed, members, published, tried) if agreed else None,
        audit=_audit(plan, baseline, copy) if copy else None,
    )
    return family, {
        row.label: RowFinding(row, _tested(row, found, printed.get(row.label)), verdicts.get(row.label))
        for row in found.rows
    }


def _with_tries(plan: Plan, found: RowFinding, history: PairHistory | None) -> RowFinding:
    """The finding on a row, with the answer that stays valid if it was tried before."""
    if history is None:
        return found
    answer = answer_at_any_time(history.differences, design_of(plan), found.tested.comparisons)
    text = f"{answer.decision}: try {history.number} of these rows"
    tested = found.tested.model_copy(
        update={"test": "anytime", "reason": TRIED_BEFORE, "text": text, "seeds_needed": None, "seeds_equivalent": None}
    )
    return replace(found, tested=tested, retried=(history.number, answer))


def _tested(analysis: RowAnalysis, family: FamilyAnalysis, printed: float | None) -> Tested:
    evidence, lost, pairing = analysis.evidence, analysis.evidence.failures, analysis.pairing
    target = abs(printed) if printed else family.design.margin
    is_open = analysis.decision == "undecided" and analysis.reason != "failures"  # more seeds do not repair failed runs
    return Tested(
        test=evidence.test,
        p_t=evidence.comparison.p_t,
        comparisons=evidence.comparisons,
        simultaneous=bounds_of(evidence.interval),
        p_better=superiority_of(analysis.better),
        reason=analysis.reason,
        text=describe_decision(analysis, family.design),
        mde=analysis.mde,
        mde_sd=analysis.mde_sd,
        target=target,
        seeds_needed=seeds_to_decide(analysis, target, family.design) if is_open and target else None,
        seeds_equivalent=seeds_to_equivalence(analysis, family.design) if is_open else None,
        rho=pairing.rho if pairing else None,
        pairing_gain=pairing.gain if pairing else None,
        p_lost=lost.p if lost.row_only or lost.reference_only else None,
        p_worst=lost.p_worst,
        p_worst_adj=None if lost.p_worst is None else evidence.p_worst_adj,
    )


def tries_of(number: int, answer: AnytimeAnswer) -> Tries:
    """The answer for a row that was tried before, as a document."""
    return Tries(
        number=number,
        n=answer.n,
        lost=answer.lost,
        mean=answer.mean,
        e=answer.e,
        needed=answer.needed,
        low=answer.low,
        high=answer.high,
    )


def bounds_of(interval: tuple[float, float] | None) -> Bounds | None:
    """An interval as a document."""
    return Bounds(low=interval[0], high=interval[1]) if interval else None


def superiority_of(found: BetterShare | None) -> Superiority | None:
    """P(better) as a document."""
    if found is None:
        return None
    return Superiority(share=found.share, wins=found.wins, ties=found.ties, n=found.n, low=found.low, high=found.high)


def _audit(plan: Plan, baseline: RowResults, copy: RowResults) -> Audit:
    """By the paired t test, since sign flip could never raise an alarm on five seeds."""
    ours, theirs = runs_of(copy, plan.metric), runs_of(baseline, plan.metric)
    found = compare_runs(ours, theirs, plan.study.folds)
    is_constant = found.n >= FEWEST_SEEDS and found.p_t is None and bool(found.mean)  # without spread, but different
    is_apart = is_constant or (found.p_t is not None and found.p_t <= plan.study.table.alpha)
    return Audit(
        n=found.n,
        diff=found.mean,
        low=found.low,
        high=found.high,
        p=found.p_t,
        lost=row_notes(copy, (plan.metric,)),
        baseline_lost=len(theirs.lost),
        is_alarm=is_apart or (not ours.usable and bool(theirs.usable)),
    )
