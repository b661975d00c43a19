"""A family of rows against one reference: evidence, decisions with reasons, and detectable differences.

A row is decided by its corrected p (better, worse), else by equivalence within a margin chosen in advance, else it is
undecided. A decision that depends on lost runs is undone:

    p_adj <= alpha -> better / worse          else interval inside the margin -> equivalent
    else undecided                            worst case disagrees -> undecided (failures)

A family consists of the rows of one group with one reference, on the primary metric. Do not show a decision while
trials are still running: repeated looks after each seed multiply the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablate.statistics.decisions.equivalence import Equivalence, two_one_sided
from ablate.statistics.decisions.evidence import DecisionRule, Evidence, JointEvidence, gather_evidence
from ablate.statistics.decisions.power import detectable_effect, seeds_for_effect, tost_seeds, upper_sd
from ablate.statistics.decisions.row_comparison import Pairing, Runs, Superiority, pairing, superiority
from ablate.statistics.estimate import FEWEST_SEEDS

Decision = Literal["better", "worse", "equivalent", "undecided"]
Reason = Literal[
    "no common seed", "one seed", "two seeds", "all seeds tie", "too few seeds", "no clear difference", "failures",
    "no spread",
]  # fmt: skip
"""Reason of an undecided row; see `sentences.describe_decision` for the words. `one seed`, `two seeds`: a test needs 3.
`too few seeds`: sign flip could not decide with any values. `failures`: the worst case of the lost runs disagrees. `no
spread`: folds whose differences are all equal, and not 0."""
FEW: tuple[Reason, ...] = ("no common seed", "one seed", "two seeds")
"""The reason why a row has no test, by its number of common seeds."""


@dataclass(frozen=True, slots=True)
class RowAnalysis:
    """One row against its reference.

    Attributes:
        label: label of the row.
        reference: label of the reference.
        n_planned: number of planned seeds of the row.
        evidence: differences, tests, intervals and failures.
        better: P(better) with its interval; None without a common seed.
        pairing: correlation and gain; None below 3 common seeds.
        equivalence: outcome of the equivalence test; None without a margin or below 3 common seeds.
        decision: word of the decision.
        reason: reason of an undecided row; else None.
        mde_sd: smallest difference that n seeds can detect with 80 % power, in sd of a paired difference; None if no
            difference is large enough.
        mde: the same in metric units, by the sd of the data; None if that is 0.
    """

    label: str
    reference: str
    n_planned: int
    evidence: Evidence
    better: Superiority | None
    pairing: Pairing | None
    equivalence: Equivalence | None
    decision: Decision
    reason: Reason | None
    mde_sd: float | None
    mde: float | None


@dataclass(frozen=True, slots=True)
class FamilyAnalysis:
    """All rows of a family.

    Attributes:
        reference: label of the reference.
        design: rules that were fixed before the runs.
        evidence: evidence on all rows together.
        rows: analyses in the given order, without the reference.
    """

    reference: str
    design: DecisionRule
    evidence: JointEvidence
    rows: tuple[RowAnalysis, ...]


def analyse_family(rows: Sequence[Runs], reference: Runs, design: DecisionRule) -> FamilyAnalysis:
    """Analyse the rows of one family.

    Args:
        rows: every planned row except the reference, including rows without any result.
        reference: row with which they are compared.
        design: rules that were fixed before the runs.
    """
    joint = gather_evidence([(row, reference) for row in rows], design, shared=reference)
    found = zip(rows, joint.found, strict=True)
    return FamilyAnalysis(
        reference=reference.label,
        design=design,
        evidence=joint,
        rows=tuple(analyse_comparison(row, reference, evidence=evidence, design=design) for row, evidence in found),
    )


def analyse_comparison(row: Runs, reference: Runs, *, evidence: Evidence, design: DecisionRule) -> RowAnalysis:
    """The analysis of one comparison of a family, with its decision."""
    equivalence = _equivalence(evidence, design)
    decision, reason = _decide(evidence, equivalence, design)
    if _is_undone_by_failures(decision, evidence, design):
        decision, reason = "undecided", "failures"
    mde_sd = None
    if evidence.test:
        mde_sd = detectable_effect(evidence.n, comparisons=evidence.comparisons, alpha=design.alpha, test=evidence.test)
    return RowAnalysis(
        label=row.label,
        reference=reference.label,
        n_planned=row.n_planned,
        evidence=evidence,
        better=superiority(evidence.comparison, lower_is_better=design.lower_is_better),
        pairing=pairing(evidence.comparison, row, reference),
        equivalence=equivalence,
        decision=decision,
        reason=reason,
        mde_sd=mde_sd,
        mde=mde_sd * evidence.sd if mde_sd and evidence.sd else None,
    )


def depends_on_failures(row: RowAnalysis, design: DecisionRule) -> bool:
    """Whether failed runs may be the reason for a row's decision, or for the direction of its mean difference."""
    mean = row.evidence.comparison.mean
    if row.reason == "failures" or not mean:
        return row.reason == "failures"
    return _is_undone_by_failures(direction(mean, design), row.evidence, design)


def seeds_to_decide(row: RowAnalysis, effect: float, design: DecisionRule) -> int | None:
    """The number of seeds that decide an effect of this size with 80 % power, in the same family.

    It is planned with the upper 80 % limit of the standard deviation, not with the estimate itself.

    Args:
        row: row whose spread is used.
        effect: effect in metric units, of any sign.
        design: rules of the family.

    Returns:
        None if the spread is unknown, the effect is 0, or more than `power.MAX_SEEDS` seeds are needed.
    """
    evidence = row.evidence
    if not evidence.sd or design.folds:  # more seeds on the same data make the mean little more certain
        return None
    test = "auto" if design.test == "pooled" and evidence.test != "pooled" else design.test
    effect_sd = effect / upper_sd(evidence.sd, evidence.df)
    return seeds_for_effect(effect_sd, comparisons=evidence.comparisons, alpha=design.alpha, test=test)


def seeds_to_equivalence(row: RowAnalysis, design: DecisionRule) -> int | None:
    """The number of seeds that show the row equivalent with 80 % power if it does not differ at all.

    It is planned with the upper 80 % limit of the standard deviation of the paired differences.

    Returns:
        None without a margin or a spread, or if more than `power.MAX_SEEDS` seeds are needed.
    """
    found = row.evidence.comparison
    if design.margin is None or not found.sd or design.folds:
        return None
    margin_sd = design.margin / upper_sd(found.sd, found.n - 1)
    return tost_seeds(margin_sd, comparisons=row.evidence.comparisons, alpha=design.alpha)


def _equivalence(evidence: Evidence, design: DecisionRule) -> Equivalence | None:
    """Equivalence by the row's own t interval, with any test: a margin concerns one row at a time."""
    found = evidence.comparison
    if design.margin is None or found.mean is None or found.sd is None or found.n < FEWEST_SEEDS:
        return None
    return two_one_sided(
        found.mean, found.sd, found.n, margin=design.margin, level=design.alpha, comparisons=evidence.comparisons
    )


def _decide(
    evidence: Evidence, equivalence: Equivalence | None, design: DecisionRule
) -> tuple[Decision, Reason | None]:
    """The decision from the runs that succeeded."""
    if evidence.p_adj is None or evidence.difference is None:
        n = evidence.comparison.n
        return "undecided", FEW[n] if n < len(FEW) else "no spread"  # only with folds
    if evidence.p_adj <= design.alpha:
        return direction(evidence.difference, design), None
    if equivalence and equivalence.is_shown:
        return "equivalent", None
    if not any(evidence.comparison.differences.values()):
        return "undecided", "all seeds tie"
    if evidence.test == "flip" and evidence.comparisons * evidence.comparison.smallest_p > design.alpha:
        return "undecided", "too few seeds"
    return "undecided", "no clear difference"


def direction(difference: float, design: DecisionRule) -> Decision:
    """The word for a difference that is decided, row minus reference."""
    return "better" if (difference < 0) == design.lower_is_better else "worse"


def _is_undone_by_failures(decision: Decision, evidence: Evidence, design: DecisionRule) -> bool:
    """Whether the worst case of the lost runs disagrees with the decision.

    The worst case is a rank test and weaker than the test that decided. It is therefore used only if lost runs could
    weaken the decision; lost runs of a row that is worse, or of a reference that is worse than the row, do not. With
    folds it has no valid level, so every lost run that could weaken a decision undoes it.
    """
    lost = evidence.failures
    if lost.p_worst is None:
        return False
    if decision == "equivalent":
        return True
    is_decided = evidence.p_worst_adj <= design.alpha and not design.folds
    if decision == "undecided":
        return is_decided
    against = lost.row_only if decision == "better" else lost.reference_only
    return against > 0 and not (is_decided and direction(lost.worst_sign, design) == decision)
