"""Any two rows of a table, paired by seed: the analysis of a family, corrected over all pairs of rows.

A comparison that was chosen after the table was seen is post hoc: any of the pairs could have looked striking, so all
of them count. Pairs have no shared reference and so no pooled test; `pooled` is treated as `auto`. A row and the
reference of its family are a planned comparison, and the answer is that of the family.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

from ablate.statistics.decisions.evidence import DecisionRule, Evidence, JointEvidence, gather_evidence
from ablate.statistics.decisions.failures import compare_failures
from ablate.statistics.decisions.family import RowAnalysis, analyse_comparison, seeds_to_decide
from ablate.statistics.decisions.row_comparison import Runs, compare_runs
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
        joint, evidence = _of_family([by_label[label] for label in planned], wanted, design)
    else:
        joint = _of_all_pairs(rows, wanted, design)
        evidence = joint.found[0]
    analysis = analyse_comparison(*wanted, evidence=evidence, design=design)
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


def _of_family(
    members: Sequence[Runs], wanted: tuple[Runs, Runs], design: DecisionRule
) -> tuple[JointEvidence, Evidence]:
    """The evidence of a family, and that of the two rows in it; seen from the reference if that comes first."""
    a, b = wanted
    row, reference = (a, b) if a in members else (b, a)
    joint = gather_evidence([(member, reference) for member in members], design, shared=reference)
    evidence = joint.found[members.index(row)]
    return joint, evidence if row is a else _reversed(evidence, a, b, design)


def _reversed(evidence: Evidence, a: Runs, b: Runs, design: DecisionRule) -> Evidence:
    """The evidence on b against a, as evidence on a against b: the same p-values, differences of the other sign."""
    difference, interval = evidence.difference, evidence.interval
    return replace(
        evidence,
        comparison=compare_runs(a, b, design.folds),
        failures=compare_failures(a, b, lower_is_better=design.lower_is_better),
        difference=None if difference is None else -difference,
        interval=None if interval is None else (-interval[1], -interval[0]),
    )


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
