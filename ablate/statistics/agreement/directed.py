"""One-sided t tests of effects whose direction was stated in advance: simultaneous bounds of many rows, by Holm.

An effect is a mean paired difference, positive in the expected direction. A row that cannot be tested is None. It still
counts in the family, so that a failed row does not make the other rows easier to decide.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.statistics.decisions.corrections import holm

MAX_SEEDS = 1_000
"""Largest number of needed seeds that is reported."""


@dataclass(frozen=True, slots=True)
class DirectedEffect:
    """The differences of a row, in numbers.

    Attributes:
        mean: mean difference, positive in the expected direction.
        sd: sample standard deviation of the differences, above 0.
        n: number of differences, at least 2.
    """

    mean: float
    sd: float
    n: int


@dataclass(frozen=True, slots=True)
class Bound:
    """A one-sided t bound of an effect and its test.

    The bound has the level at which Holm tests its row. The statement that it is beyond its limit holds for all rows
    together; the distance beyond the limit does not.

    Attributes:
        value: lower or upper bound.
        limit: value with which the bound is compared.
        p: one-sided p-value, adjusted by Holm; the bound is beyond its limit exactly if p <= alpha.
    """

    value: float
    limit: float
    p: float


def bounds_above(effects: Sequence[DirectedEffect | None], limit: float, alpha: float) -> list[Bound | None]:
    """Lower bounds against `limit` sd, for each row at its level in Holm's procedure for `alpha`."""
    return _bounds(effects, 1, limit, alpha)


def bounds_below(effects: Sequence[DirectedEffect | None], limit: float, alpha: float) -> list[Bound | None]:
    """Upper bounds against `limit` sd, for each row at its level in Holm's procedure for `alpha`."""
    return _bounds(effects, -1, limit, alpha)


def seeds_to_decide(effect: DirectedEffect, absent_below: float | None, level: float, power: float = 0.8) -> int | None:
    """The approximate fewest seeds, more than now, that decide a row if its standardised effect is the true one.

    The formulas are normal approximations; the tests check that they are within 2 seeds, or a tenth, of simulations.
    With d = mean / sd the sign needs `((z(1 - level) + z(power)) / d)^2 + z(1 - level)^2 / 2`. For an effect below k
    sd, k - d replaces d, and z(power) is multiplied by sqrt(1 + k^2 / 2) for the noise of sd itself.

    Args:
        effect: observed effect.
        absent_below: k; None if only the sign decides.
        level: one-sided level of each test.
        power: probability with which the easier of the two tests decides.

    Returns:
        None if 1,000 seeds are not enough.
    """
    from scipy.special import ndtri

    quantile, margin = -float(ndtri(level)), float(ndtri(power))
    seen = effect.mean / effect.sd
    ways = [(abs(seen), margin)]
    if absent_below is not None:
        ways.append((absent_below - seen, margin * math.sqrt(1 + absent_below**2 / 2)))
    roots = [((quantile + way) / gap) for gap, way in ways if gap > 0]  # a product may be infinite, a power may not
    needed = min((root * root + quantile**2 / 2 for root in roots), default=math.inf)
    return max(math.ceil(needed), effect.n + 1) if needed <= MAX_SEEDS else None


def _bounds(effects: Sequence[DirectedEffect | None], side: int, limit: float, alpha: float) -> list[Bound | None]:
    raw = [1.0 if effect is None else _p(effect, side, limit) for effect in effects]
    adjusted = holm(raw)
    rejected = sum(p <= alpha for p in adjusted)
    found: list[Bound | None] = []
    for effect, p, p_adjusted in zip(effects, raw, adjusted, strict=True):
        # rows with equal p share a level; all rows that stay undecided are tested at the level of the first of them
        level = alpha / (len(raw) - min(sum(other < p for other in raw), rejected))
        found.append(_bound(effect, side, limit, level, p_adjusted) if effect else None)
    return found


def _bound(effect: DirectedEffect, side: int, limit: float, level: float, p: float) -> Bound:
    from scipy.special import stdtrit

    half = float(stdtrit(effect.n - 1, 1 - level)) * effect.sd / math.sqrt(effect.n)
    return Bound(effect.mean - side * half, limit * effect.sd, p)


def _p(effect: DirectedEffect, side: int, limit: float) -> float:
    from scipy.special import stdtr

    t = side * (effect.mean / effect.sd - limit) * math.sqrt(effect.n)
    # underflow must not claim a certainty that no sample has
    return max(float(stdtr(effect.n - 1, -t)), sys.float_info.min)
