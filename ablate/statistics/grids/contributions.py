"""The contribution of each component to the full method, from a leave-one-out table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ablate.statistics.decisions.paired import PairedDifference, paired_difference

NOT_IMPORTANCE = (
    "A contribution is the loss when one component is removed from the full method. If components interact, "
    "contributions are not importances and do not add up; a grid shows main effects and interactions."
)
"""The note with every list of contributions."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """The contribution of a component to the full method.

    Attributes:
        label: label of the row without it, `- NAME`.
        difference: full minus that row, over common seeds, with its 95 % t interval; None without a common seed.
        gain: mean difference, positive if the component improves the metric; None if `difference` is None.
    """

    label: str
    difference: PairedDifference | None
    gain: float | None


def contributions(
    full: Mapping[int, float], without: Mapping[str, Mapping[int, float]], *, lower_is_better: bool
) -> tuple[Contribution, ...]:
    """Full minus each row that lacks a component, in the order given. Read with `NOT_IMPORTANCE`.

    Args:
        full: values of the row `full` by seed; NaN and infinite values are left out.
        without: label of a row without one component -> its values by seed.
        lower_is_better: direction of the metric.
    """
    present = _finite(full)
    found = {label: paired_difference(present, _finite(values)) for label, values in without.items()}
    sign = -1.0 if lower_is_better else 1.0
    return tuple(
        Contribution(label, difference, sign * difference.mean if difference else None)
        for label, difference in found.items()
    )


def _finite(values: Mapping[int, float]) -> dict[int, float]:
    return {seed: value for seed, value in values.items() if math.isfinite(value)}
