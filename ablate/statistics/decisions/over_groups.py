"""Rows over several groups, such as data sets: mean ranks, and one sign-flip test of the differences of all groups.

Each group gives one number for each row: its mean difference from the baseline. Seeds of different groups are never one
sample. The test asks how often random signs of these numbers give a sum at least as large; p is corrected over the rows
(Holm). It is exact if the groups are independent and each difference is symmetric about 0 where the row does nothing.
It speaks of groups like these, which nobody drew at random, and related data sets, such as two versions of one, count
as more than they are.

Demsar (2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7:1-30) recommends Wilcoxon's signed
ranks over data sets. That is the sign flip of ranks. Here the differences themselves are flipped, since their mean is
the number that a table shows. A group with much larger differences than the others therefore weighs most; scales do
not change the level of the test, only what it detects. With six groups both tests decide on the signs alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ablate.statistics.decisions.corrections import holm
from ablate.statistics.decisions.paired import difference
from ablate.statistics.decisions.power import flip_seeds
from ablate.statistics.decisions.signflip import signflip_p, smallest_p
from ablate.statistics.words import counted, format_p

MIN_GROUPS = 6
"""The fewest groups with which one row can be decided at 5 %: the smallest p is `2 / 2^n`."""


@dataclass(frozen=True, slots=True)
class OverGroups:
    """One row over all groups.

    Attributes:
        mean: mean of the differences.
        p: p-value of the sign-flip test.
        p_adj: p corrected for all rows.
        decision: `better`, `worse` or `undecided`.
    """

    mean: float
    p: float
    p_adj: float
    decision: str


def mean_ranks(values: Sequence[Sequence[float]], *, lower_is_better: bool) -> list[float]:
    """The mean rank of each row over the groups, 1 for the best; equal values share the mean of their ranks.

    Args:
        values: for each row, its value in each group.
        lower_is_better: direction of the values.
    """
    sign = 1 if lower_is_better else -1
    by_group = [ranks([sign * value for value in group]) for group in zip(*values, strict=True)]
    return [math.fsum(found) / len(found) for found in zip(*by_group, strict=True)]


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, 1 for the smallest; values that differ by rounding only share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    starts = [0] + [
        place for place, (one, other) in enumerate(pairwise(order), start=1) if difference(values[other], values[one])
    ]
    by_index = [0.0] * len(values)
    for start, end in pairwise([*starts, len(order)]):
        for index in order[start:end]:
            by_index[index] = (start + 1 + end) / 2
    return by_index


def decide_over_groups(
    differences: Sequence[Sequence[float] | None], *, alpha: float, lower_is_better: bool
) -> list[OverGroups | None]:
    """Test every row over the groups.

    Args:
        differences: for each row, its mean difference from the baseline in each group; None for a row that cannot be
            tested, which counts with p = 1 in the correction.
        alpha: family-wise error rate over the rows.
        lower_is_better: direction of the metric.
    """
    p_values = [1.0 if found is None else signflip_p(found) for found in differences]
    decided: list[OverGroups | None] = []
    for found, p, p_adj in zip(differences, p_values, holm(p_values), strict=True):
        if found is None:
            decided.append(None)
            continue
        mean = math.fsum(found) / len(found)
        word = "better" if (mean < 0) == lower_is_better else "worse"
        decided.append(OverGroups(mean, p, p_adj, word if p_adj <= alpha else "undecided"))
    return decided


def describe_power_over_groups(n_groups: int, n_rows: int, alpha: float, noun: str) -> str:
    """Why the test over groups cannot decide, in words; empty if it can, or if there is nothing to test.

    Args:
        n_groups: number of groups.
        n_rows: comparisons, without the baseline.
        alpha: family-wise error rate.
        noun: what the groups are, in the plural.
    """
    if n_groups < MIN_GROUPS:
        return f"no test over {noun}: there are {n_groups}, and the exact test needs {MIN_GROUPS}"
    smallest = min(1.0, n_rows * smallest_p(n_groups))
    if n_rows < 1 or smallest <= alpha:
        return ""
    enough = flip_seeds(n_rows, alpha)
    can = f"{enough} {noun} can" if enough else f"no number of {noun} can"
    cannot = f"the test over {noun} cannot decide (smallest corrected p {format_p(smallest)})"
    return f"{n_groups} {noun}, {counted(n_rows, 'comparison')}: {cannot}; {can}"
