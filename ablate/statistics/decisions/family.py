"""A family of rows against one reference: evidence, decision and its reason, and what the seeds could have seen.

The headline of an honest table. A row is decided by its corrected p (better, worse), else by equivalence within a
margin chosen beforehand, else it is undecided, and a decision that rests on lost runs is undone:

    p_adj <= alpha -> better / worse          else interval inside the margin -> equivalent
    else undecided                            worst case says otherwise -> undecided (failures)

Only rows of one group with one reference are a family, and only the primary metric; a row whose trials are still
running should not be shown a decision, since looking again after each seed multiplies the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablate.statistics.decisions.comparison import Pairing, Runs, Superiority, pairing, superiority
from ablate.statistics.decisions.equivalence import Equivalence, two_one_sided
from ablate.statistics.decisions.evidence import DecisionRule, Evidence, JointEvidence, gather_evidence
from ablate.statistics.decisions.power import detectable_effect, seeds_for_effect, tost_seeds, upper_sd

Decision = Literal["better", "worse", "equivalent", "undecided"]
Reason = Literal[
    "no common seed", "one seed", "all seeds tie", "too few seeds", "no clear difference", "failures"
]  # fmt: skip
"""Of an undecided row; see `sentences.describe_decision` for the words. `too few seeds`: sign flip could not have
decided whatever the values. `failures`: the worst case of the lost runs says otherwise."""


@dataclass(frozen=True, slots=True)
class RowAnalysis:
    """One row against its reference.

    Attributes:
        label: of the row.
        reference: label of the reference.
        n_planned: seeds of the row.
        evidence: differences, tests, intervals and failures.
        better: P(better) with its interval; None without a common seed.
        pairing: correlation and gain; None below 3 common seeds.
        equivalence: None without a margin or below 2 common seeds.
        decision: the word.
        reason: None unless undecided.
        mde_sd: smallest effect that this n could have decided with 80 % power, in sd of a difference; None where none.
        mde: the same in metric units, by the sd that was found; None where that is 0.
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
        reference: label.
        design: as given.
        evidence: the choice of test and what all rows share.
        rows: in the order given, without the reference.
    """

    reference: str
    design: DecisionRule
    evidence: JointEvidence
    rows: tuple[RowAnalysis, ...]


def analyse_family(rows: Sequence[Runs], reference: Runs, design: DecisionRule) -> FamilyAnalysis:
    """Analyse the rows of one family.

    Args:
        rows: every planned row but the reference, also those without any result.
        reference: what they are compared with.
        design: what was fixed before the runs.
    """
    joint = gather_evidence([(row, reference) for row in rows], design, shared=reference)
    found = zip(rows, joint.found, strict=True)
    return FamilyAnalysis(
        reference=reference.label,
        design=design,
        evidence=joint,
        rows=tuple(conclude(row, reference, evidence=evidence, design=design) for row, evidence in found),
    )


def conclude(row: Runs, reference: Runs, *, evidence: Evidence, design: DecisionRule) -> RowAnalysis:
    """The decision on one comparison of a family, and what goes with it."""
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


def seeds_to_decide(row: RowAnalysis, effect: float, design: DecisionRule) -> int | None:
    """The seeds with which an effect of that size would be decided with 80 % power, in the same family.

    Planned with the upper 80 % limit of the standard deviation found, not with the value itself.

    Args:
        row: whose spread is used.
        effect: in metric units, of any sign.
        design: of the family.

    Returns:
        None where no spread is known, the effect is 0, or it takes more than `power.MAX_SEEDS`.
    """
    evidence = row.evidence
    if not evidence.sd:
        return None
    test = "auto" if design.test == "pooled" and evidence.test != "pooled" else design.test
    effect_sd = effect / upper_sd(evidence.sd, evidence.df)
    return seeds_for_effect(effect_sd, comparisons=evidence.comparisons, alpha=design.alpha, test=test)


def seeds_to_equivalence(row: RowAnalysis, design: DecisionRule) -> int | None:
    """The seeds with which the row would be shown equivalent with 80 % power if it did not differ at all.

    Planned with the upper 80 % limit of the standard deviation of the paired differences.

    Returns:
        None without a margin or a spread, or where it takes more than `power.MAX_SEEDS`.
    """
    found = row.evidence.comparison
    if design.margin is None or not found.sd:
        return None
    margin_sd = design.margin / upper_sd(found.sd, found.n - 1)
    return tost_seeds(margin_sd, comparisons=row.evidence.comparisons, alpha=design.alpha)


def _equivalence(evidence: Evidence, design: DecisionRule) -> Equivalence | None:
    """By the row's own t interval, whichever test is used: a margin asks about one row at a time."""
    found = evidence.comparison
    if design.margin is None or found.mean is None or found.sd is None:
        return None
    return two_one_sided(
        found.mean, found.sd, found.n, margin=design.margin, level=design.alpha, comparisons=evidence.comparisons
    )


def _decide(
    evidence: Evidence, equivalence: Equivalence | None, design: DecisionRule
) -> tuple[Decision, Reason | None]:
    """By the runs that succeeded."""
    if evidence.comparison.n < 2 or evidence.p_adj is None or evidence.difference is None:
        return "undecided", "one seed" if evidence.comparison.n else "no common seed"
    if evidence.p_adj <= design.alpha:
        return _direction(evidence.difference, design), None
    if equivalence and equivalence.is_shown:
        return "equivalent", None
    if not any(evidence.comparison.differences.values()):
        return "undecided", "all seeds tie"
    if evidence.test == "flip" and evidence.comparisons * evidence.comparison.smallest_p > design.alpha:
        return "undecided", "too few seeds"
    return "undecided", "no clear difference"


def _direction(difference: float, design: DecisionRule) -> Decision:
    return "better" if (difference < 0) == design.lower_is_better else "worse"


def _is_undone_by_failures(decision: Decision, evidence: Evidence, design: DecisionRule) -> bool:
    """Whether the worst case of the lost runs says something else.

    The worst case is a rank test, weaker than the test that decided, so it is asked only where lost runs speak against
    the decision: lost runs of a row that is worse, or of a reference that is beaten, do not weaken it.
    """
    lost = evidence.failures
    if lost.p_worst is None:
        return False
    if decision == "equivalent":
        return True
    is_decided = evidence.p_worst_adj <= design.alpha
    if decision == "undecided":
        return is_decided
    against = lost.row_only if decision == "better" else lost.reference_only
    return against > 0 and not (is_decided and _direction(lost.worst_sign, design) == decision)
