"""The Pareto front: the rows that no other row beats in both metric and cost.

It compares means only; the tests show whether two means differ at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Front:
    """Rows by metric and one cost.

    Attributes:
        on_front: labels that no row dominates, cheapest first, rows of the same cost in the given order. A row
            dominates another if it is not worse in both and better in one, so rows that are equal in both are on the
            front together.
        dominated: label -> the dominating row with the best metric; among equals the cheaper, then the first.
        left_out: label -> missing value.
    """

    on_front: tuple[str, ...]
    dominated: Mapping[str, str]
    left_out: Mapping[str, str]


def pareto_front(
    metric: Mapping[str, float | None], cost: Mapping[str, float | None], *, lower_is_better: bool
) -> Front:
    """The front of one metric against one cost, such as multiply-adds, parameters or time.

    Args:
        metric: row label -> mean; None, NaN or infinite if it has none.
        cost: row label -> cost, lower is better; None, NaN, infinite or absent if unknown.
        lower_is_better: direction of the metric.
    """
    left_out = {label: lack for label in metric if (lack := _lack(metric[label], cost.get(label)))}
    sign = 1 if lower_is_better else -1
    points = {
        label: (sign * value, paid)
        for label, value in metric.items()
        if label not in left_out and value is not None and (paid := cost.get(label)) is not None
    }
    best = _best_by_cost(points)
    dominated = {label: by for label in points if points[by := best[points[label][1]]] != points[label]}
    on_front = [label for label in points if label not in dominated]
    return Front(tuple(sorted(on_front, key=lambda label: points[label][1])), dominated, left_out)


def _lack(value: float | None, cost: float | None) -> str:
    lacks = [
        name for name, number in (("metric", value), ("cost", cost)) if number is None or not math.isfinite(number)
    ]
    return f"no {' and no '.join(lacks)}" if lacks else ""


def _best_by_cost(points: Mapping[str, tuple[float, float]]) -> dict[float, str]:
    """Cost -> row with the best metric at this cost or less; among equals the cheaper, then the first."""
    best: dict[float, str] = {}
    leader: str | None = None
    for label in sorted(points, key=lambda label: points[label][1]):
        if leader is None or points[label] < points[leader]:
            leader = label
        best[points[label][1]] = leader
    return best
