"""Any two rows of a table, paired by seed: the analysis of a family, corrected over all pairs of rows.

A comparison that was chosen after the table was seen is post hoc: any of the pairs could have looked striking, so all
of them count. Pairs have no shared reference and so no pooled test; `pooled` is treated as `auto`. A row and the
reference of its family are a planned comparison, and the answer is that of the family.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

from ablate.statistics.decisions.evidence import DecisionRule, JointEvidence, gather_evidence
from ablate.statistics.decisions.family import RowAnalysis, analyse_comparison, seeds_to_decide
from ablate.statistics.decisions.row_comparison import Runs
from ablate.statistics.decisions.sentences import describe_pair

MAX_ROWS = 40
"""Largest number of rows for which all pairs are tested, as Holm's correction requires.

Above it, the pair is corrected by Bonferroni, and `auto` uses the seeds of the pair, not the fewest of all pairs.
"""


@dataclass(frozen=True, slots=True)
class SeedPair:
    """The two values of one seed.

    Attributes:
        seed: seed that both rows have.
        a: value of the first row.
        b: value of the second row.
        difference: a - b; 0 if that is rounding noise.
    """

    seed: int
    a: float
    b: float
    difference: float


@dataclass(frozen=True, slots=True)
class PairAnalysis:
    """The first of two rows against the second.

    Attributes:
        analysis: analysis with the second row as reference.
        seeds: values of the common seeds, ascending.
        is_post_hoc: whether the comparison was not planned.
        pairs: number of comparisons for which `p_adj` is corrected: all pairs of the table's rows, or those of the
            family.
        seeds_needed: number of seeds that decide a difference as large as the observed one; see
            `family.seeds_to_decide`. None if the decision depends on lost runs.
        sentence: the result in a few sentences.
    """

    analysis: RowAnalysis
    seeds: tuple[SeedPair, ...]
    is_post_hoc: bool
    pairs: int
    seeds_needed: int | None
    sentence: str


def analyse_pair(
    rows: Sequence[Runs], a: str, b: str, *, design: DecisionRule, planned: Collection[str] = ()
) -> PairAnalysis:
    """Compare two rows of a table.

    Args:
        rows: all rows of the table, including the baseline.
        a: label of the row to judge.
        b: label of the row for comparison.
        design: rules of the study.
        planned: labels of all rows of a family, without the reference, if the two are a row and the reference of that
            family; else empty.

    Raises:
        ValueError: no row has such a label, or both are the same.
    """
    by_label = {row.label: row for row in rows}
    for label in (a, b):
        if label not in by_label:
            raise ValueError(f"no row {label!r}; rows are {', '.join(by_label)}")
    if a == b:
        raise ValueError(f"row {a!r} cannot be compared with itself; name two rows")
    wanted = (by_label[a], by_label[b])
    if planned:
        joint, place = _of_family([by_label[label] for label in planned], wanted, design)
    else:
        joint, place = _of_all_pairs(rows, wanted, design), 0
    analysis = analyse_comparison(*wanted, evidence=joint.found[place], design=design)
    mean = analysis.evidence.comparison.mean
    seeds_needed = seeds_to_decide(analysis, mean, design) if mean and analysis.reason != "failures" else None
    return PairAnalysis(
        analysis=analysis,
        seeds=_by_seed(*wanted, analysis),
        is_post_hoc=not planned,
        pairs=joint.comparisons,
        seeds_needed=seeds_needed,
        sentence=describe_pair(analysis, design, seeds_needed=seeds_needed, is_post_hoc=not planned),
    )


def _of_family(members: Sequence[Runs], wanted: tuple[Runs, Runs], design: DecisionRule) -> tuple[JointEvidence, int]:
    """The evidence of a family and the place of the two rows in it; from the reference's side if that comes first."""
    a, b = wanted
    if a in members:
        return gather_evidence([(row, b) for row in members], design, shared=b), members.index(a)
    return gather_evidence([(a, row) for row in members], design), members.index(b)


def _of_all_pairs(rows: Sequence[Runs], wanted: tuple[Runs, Runs], design: DecisionRule) -> JointEvidence:
    """The evidence of all pairs, the wanted one first."""
    labels = {row.label for row in wanted}
    others = combinations(rows, 2) if len(rows) <= MAX_ROWS else ()
    unlike = [pair for pair in others if {pair[0].label, pair[1].label} != labels]
    return gather_evidence([wanted, *unlike], design, comparisons=comb(len(rows), 2))


def _by_seed(a: Runs, b: Runs, analysis: RowAnalysis) -> tuple[SeedPair, ...]:
    ours, theirs = a.usable, b.usable
    differences = analysis.evidence.comparison.differences
    return tuple(SeedPair(seed, ours[seed], theirs[seed], difference) for seed, difference in differences.items())
