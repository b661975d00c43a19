"""Correction of p-values for the number of comparisons in a family. Valid under any dependence between them."""

from __future__ import annotations

from collections.abc import Sequence


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
