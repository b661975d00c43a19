"""Lost runs: are they more frequent in a row than in its reference, and what if each had been the worst?

Lost runs (diverged, out of memory, not finite) are not missing at random. Without them, a comparison favours the row
that loses its bad seeds. Their rate has its own test, and the worst case shows whether a decision depends on them. Both
use the seeds that ended in both rows; an outstanding seed is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.statistics.decisions.paired import NOISE, SMALLEST, difference
from ablate.statistics.decisions.row_comparison import Runs
from ablate.statistics.decisions.signflip import signflip_p


@dataclass(frozen=True, slots=True)
class Failures:
    """Lost runs of a row and its reference.

    Attributes:
        n: number of seeds that ended in both rows.
        row_only: number of these seeds that only the row lost.
        reference_only: number of seeds that only the reference lost.
        both: number of seeds that both lost.
        p: two-sided p-value of the exact McNemar test for equal rates; 1 if every lost seed is lost in both.
        p_worst: p-value of sign flip on signed ranks, with a lost run as the worst value; None if every lost seed is
            lost in both.
        worst_sign: direction of the worst case: 1 if the row's values are larger than the reference's, -1 if smaller,
            else 0.
    """

    n: int
    row_only: int
    reference_only: int
    both: int
    p: float
    p_worst: float | None
    worst_sign: int


def compare_failures(row: Runs, reference: Runs, *, lower_is_better: bool) -> Failures:
    """The lost runs of a row compared with those of its reference, paired by seed."""
    lost, lost_there = row.lost, reference.lost
    ended = (lost | row.usable.keys()) & (lost_there | reference.usable.keys())
    row_only, reference_only = len(ended & (lost - lost_there)), len(ended & (lost_there - lost))
    p_worst, worst_sign = None, 0
    if row_only or reference_only:
        scores = worst_case_scores(row, reference, lower_is_better=lower_is_better).values()
        p_worst, worst_sign = signflip_p(list(scores)), (sum(scores) > 0) - (sum(scores) < 0)
    return Failures(
        n=len(ended),
        row_only=row_only,
        reference_only=reference_only,
        both=len(ended & lost & lost_there),
        p=mcnemar_p(row_only, reference_only),
        p_worst=p_worst,
        worst_sign=worst_sign,
    )


def mcnemar_p(row_only: int, reference_only: int) -> float:
    """Exact two-sided McNemar test: pairs that differ are fair coin tosses if the two rates are equal.

    Args:
        row_only: number of pairs in which only the row is lost.
        reference_only: number of pairs in which only the reference is lost.
    """
    from scipy.stats import binomtest

    differing = row_only + reference_only
    return float(binomtest(row_only, differing).pvalue) if differing else 1.0


def worst_case_scores(row: Runs, reference: Runs, *, lower_is_better: bool) -> dict[int, float]:
    """Signed ranks of row minus reference by seed, with a lost run as the worst possible value.

    The absolute differences are ranked, with averaged ties (multiples of 1/2, exact as floats). A run lost in one of
    the two rows ranks above every measured difference; a run lost in both is a tie. Ties have the score 0.
    """
    from scipy.stats import rankdata

    ours, theirs = row.usable, reference.usable
    ended = (row.lost | ours.keys()) & (reference.lost | theirs.keys())
    worst = 1 if lower_is_better else -1
    signed = {seed: _difference(ours.get(seed), theirs.get(seed), worst * float("inf")) for seed in sorted(ended)}
    noise = max(NOISE * max(map(abs, (*ours.values(), *theirs.values())), default=0.0), SMALLEST)
    ranks = rankdata(_merged([abs(difference) for difference in signed.values()], noise)).tolist() if signed else []
    return {
        seed: rank * ((difference > 0) - (difference < 0))
        for (seed, difference), rank in zip(signed.items(), ranks, strict=True)
    }


def _merged(magnitudes: Sequence[float], noise: float) -> list[float]:
    """The magnitudes, made equal if they differ by rounding noise only, since ranks would order them."""
    merged: dict[float, float] = {}
    last = -1.0
    for magnitude in sorted(set(magnitudes)):
        last = magnitude if magnitude - last > noise else last
        merged[magnitude] = last
    return [merged[magnitude] for magnitude in magnitudes]


def _difference(ours: float | None, theirs: float | None, worst: float) -> float:
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else worst if ours is None else -worst
    return difference(ours, theirs)
