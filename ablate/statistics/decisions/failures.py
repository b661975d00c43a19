"""Runs that were lost: are they more frequent in a row than in its reference, and what if each had been the worst?

Lost runs (diverged, out of memory, not finite) are not missing at random, so leaving them out of a comparison flatters
the row that loses its bad seeds. The rate has a test of its own; the worst case says whether a decision depends on
them. Both look at seeds that ended in both rows; a seed that is still to come is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.statistics.decisions.comparison import NOISE, Runs
from ablate.statistics.decisions.signflip import signflip_p


@dataclass(frozen=True, slots=True)
class Failures:
    """Lost runs of a row and its reference.

    Attributes:
        n: seeds that ended in both.
        row_only: of these, lost in the row alone.
        reference_only: lost in the reference alone.
        both: lost in both.
        p: exact McNemar test that the two rates are equal, two-sided; 1 where neither is lost alone.
        p_worst: sign flip on signed ranks, a lost run counting as the worst value; None where neither is lost alone.
        worst_sign: direction of that: 1 if the row's values are larger than the reference's, -1 smaller, 0 neither.
    """

    n: int
    row_only: int
    reference_only: int
    both: int
    p: float
    p_worst: float | None
    worst_sign: int


def compare_failures(row: Runs, reference: Runs, *, lower_is_better: bool) -> Failures:
    """Lost runs of a row against those of its reference, paired by seed."""
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
    """Exact two-sided McNemar test: the pairs that differ are fair coins if the two rates are equal.

    Args:
        row_only: pairs in which only the row was lost.
        reference_only: pairs in which only the reference was.
    """
    from scipy.stats import binomtest

    differing = row_only + reference_only
    return float(binomtest(row_only, differing).pvalue) if differing else 1.0


def worst_case_scores(row: Runs, reference: Runs, *, lower_is_better: bool) -> dict[int, float]:
    """Signed ranks of row minus reference by seed, a lost run counting as the worst value there is.

    Ranks are of the absolute difference, ties averaged (they are then multiples of 1/2, exact as floats); a run lost in
    one of the two ranks above every measured difference, lost in both it is a tie. Ties have the score 0.
    """
    from scipy.stats import rankdata

    ours, theirs = row.usable, reference.usable
    ended = (row.lost | ours.keys()) & (reference.lost | theirs.keys())
    worst = 1 if lower_is_better else -1
    signed = {seed: _difference(ours.get(seed), theirs.get(seed), worst * float("inf")) for seed in sorted(ended)}
    noise = NOISE * max(map(abs, (*ours.values(), *theirs.values())), default=0.0)
    ranks = rankdata(_merged([abs(difference) for difference in signed.values()], noise)).tolist() if signed else []
    return {
        seed: rank * ((difference > 0) - (difference < 0))
        for (seed, difference), rank in zip(signed.items(), ranks, strict=True)
    }


def _merged(magnitudes: Sequence[float], noise: float) -> list[float]:
    """The magnitudes, those equal but for rounding noise made equal, since ranks would see an order in them."""
    merged: dict[float, float] = {}
    last = -1.0
    for magnitude in sorted(set(magnitudes)):
        last = magnitude if magnitude - last > noise else last
        merged[magnitude] = last
    return [merged[magnitude] for magnitude in magnitudes]


def _difference(ours: float | None, theirs: float | None, worst: float) -> float:
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else worst if ours is None else -worst
    return 0.0 if abs(ours - theirs) <= NOISE * max(abs(ours), abs(theirs)) else ours - theirs
