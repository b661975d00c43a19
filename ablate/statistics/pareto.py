"""The Pareto front: the rows that no other row beats in both metric and cost.

It compares means only; the tests show whether two means differ at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping


def pareto_front(
    metric: Mapping[str, float | None], cost: Mapping[str, float | None], *, lower_is_better: bool
) -> tuple[str, ...]:
    """The front of one metric against one cost, such as multiply-adds, parameters or time.

    A row dominates another if it is not worse in both and better in one, so rows that are equal in both are on the
    front together.

    Args:
        metric: row label -> mean; None, NaN or infinite if it has none.
        cost: row label -> cost, lower is better; None, NaN, infinite or absent if unknown.
        lower_is_better: direction of the metric.

    Returns:
        Labels that no row dominates, cheapest first, rows of the same cost in the given order. Rows without a mean or
        a cost are left out.
    """
    sign = 1 if lower_is_better else -1
    points = {
        label: (paid, sign * value)
        for label, value in metric.items()
        if value is not None and (paid := cost.get(label)) is not None and math.isfinite(value) and math.isfinite(paid)
    }
    front: list[str] = []
    for label in sorted(points, key=points.__getitem__):
        if not front or points[label][1] < points[front[-1]][1] or points[label] == points[front[-1]]:
            front.append(label)
    return tuple(front)
