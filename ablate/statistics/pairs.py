"""Any two rows of a table, seed by seed: the analysis of a family, corrected over all pairs of the table's rows.

A comparison that was chosen after the table was seen is post hoc: any of the pairs might have been the one to look
striking, so all of them count. There is no shared reference, hence no pooled test: `pooled` is taken as `auto`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

from ablate.statistics.comparison import Runs
from ablate.statistics.evidence import Design, gather_evidence
from ablate.statistics.family import RowAnalysis, conclude, seeds_to_decide
from ablate.statistics.sentences import describe_pair

MOST_ROWS = 40
"""Rows up to which all pairs are tested, as Holm needs them.

Beyond, the one pair is corrected by Bonferroni, and `auto` looks at its own seeds, not at the fewest of all pairs.
"""


@dataclass(frozen=True, slots=True)
class SeedPair:
    """Two values of one seed.

    Attributes:
        seed: common to both rows.
        a: value of the first row.
        b: value of the second.
        difference: a - b; 0 where that is rounding noise.
    """

    seed: int
    a: float
    b: float
    difference: float


@dataclass(frozen=True, slots=True)
class PairAnalysis:
    """The first of two rows against the second, post hoc.

    Attributes:
        analysis: with the second row as reference; its `p_adj` is corrected over all pairs.
        seeds: the common ones, ascending.
        pairs: number of all pairs of the table's rows.
        seeds_needed: to decide an effect as large as the one seen; see `family.seeds_to_decide`.
        sentence: all of it in one.
    """

    analysis: RowAnalysis
    seeds: tuple[SeedPair, ...]
    pairs: int
    seeds_needed: int | None
    sentence: str


def analyse_pair(rows: Sequence[Runs], a: str, b: str, *, design: Design) -> PairAnalysis:
    """Compare two rows of a table.

    Args:
        rows: all rows of the table, the baseline among them.
        a: label of the row to judge.
        b: label of the row that it is compared with.
        design: of the study.

    Raises:
        ValueError: no row has such a label, or both are the same.
    """
    by_label = {row.label: row for row in rows}
    for label in (a, b):
        if label not in by_label:
            raise ValueError(f"no row {label!r}; rows are {', '.join(by_label)}")
    if a == b:
        raise ValueError(f"row {a!r} is compared with itself; name two rows")
    wanted = (by_label[a], by_label[b])
    others = combinations(by_label.values(), 2) if len(rows) <= MOST_ROWS else ()
    unlike = [pair for pair in others if {pair[0].label, pair[1].label} != {a, b}]
    joint = gather_evidence([wanted, *unlike], design, comparisons=comb(len(rows), 2))
    analysis = conclude(*wanted, evidence=joint.found[0], design=design)
    mean = analysis.evidence.comparison.mean
    seeds_needed = seeds_to_decide(analysis, mean, design) if mean else None
    return PairAnalysis(
        analysis=analysis,
        seeds=_by_seed(*wanted, analysis),
        pairs=joint.comparisons,
        seeds_needed=seeds_needed,
        sentence=describe_pair(analysis, design, seeds_needed=seeds_needed),
    )


def _by_seed(a: Runs, b: Runs, analysis: RowAnalysis) -> tuple[SeedPair, ...]:
    ours, theirs = a.usable, b.usable
    differences = analysis.evidence.comparison.differences
    return tuple(SeedPair(seed, ours[seed], theirs[seed], difference) for seed, difference in differences.items())
