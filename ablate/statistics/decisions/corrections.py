"""Correction for many comparisons, in a family and over everything. Valid under any dependence between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: monotone in p, at least p, at most 1.

    A row that cannot be tested counts with p = 1, so that its absence does not make the others easier to decide.

    Raises:
        ValueError: a p-value is outside (0, 1].
    """
    for p in p_values:
        if not 0 < p <= 1:
            raise ValueError(f"a p-value must be in (0, 1], given {p}")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def bonferroni_level(alpha: float, comparisons: int) -> float:
    """The level of one comparison in a family, `alpha / comparisons`; alpha for a family without comparisons."""
    return alpha / max(1, comparisons)


@dataclass(frozen=True, slots=True)
class Discovery:
    """One hypothesis.

    Attributes:
        needed: e-value from which on it is a discovery.
        is_found: whether it is one.
    """

    needed: float
    is_found: bool


def find_discoveries(e_values: Sequence[float], alpha: float) -> list[Discovery]:
    """The discoveries among hypotheses, in the order in which they came.

    The t-th one has the share `alpha * 6 / (pi t)^2` of alpha, times one more than the number of discoveries before it.

    Args:
        e_values: an e-value of each hypothesis, at least 0.
        alpha: false discovery rate, in (0, 1).
    """
    found: list[Discovery] = []
    count = 0
    for place, e in enumerate(e_values, 1):
        needed = (math.pi * place) ** 2 / (6 * alpha * (count + 1))
        found.append(Discovery(needed, e >= needed))
        count += e >= needed
    return found
