"""Which rows of a study are comparable with a printed table, in recipe, in what the paper varies, and in cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablate.paper.presets import FIXED, FULL_SIZE, preset_of
from ablate.paper.published import PublishedTable
from ablate.recipes.classify import ActivationFields, ClassifyRecipe, applicable_values
from ablate.study.levels import text_of
from ablate.study.plan import Plan, Row

COSTS = ("params", "multiply_adds")
"""Names of the printed costs."""

COMPARED = ActivationFields.model_fields.keys() - {*FULL_SIZE, *FIXED, "dataset"}
"""Fields that make a row the printed one: network, activation and its sites. Presets fix the other fields."""


def papers_own(plan: Plan, published: PublishedTable | None) -> frozenset[str]:
    """Labels of the rows that are the printed ones, trained on the paper's data by its recipe, like their baselines.

    The noise of such a row is that of the printed difference.
    """
    if published is None:
        return frozenset()
    unlike = unlike_printed(plan, published)
    presets = {
        row.name: preset_of(row.recipe)
        for row in plan.rows
        if getattr(row.recipe, "dataset", "") in published.dataset.lower()
        and row.name in published.factors
        and row.name not in unlike
    }
    of_baselines = {row.group: presets.get(row.name) for row in plan.rows if row.is_baseline}
    found = ((row.name, presets.get(row.name), of_baselines[row.group]) for row in plan.rows)
    return frozenset(label for label, own, of_baseline in found if own is not None and own == of_baseline)


def unlike_printed(plan: Plan, published: PublishedTable) -> dict[str, str]:
    """Rows that are not the printed ones: label -> the fields that differ, in words."""
    found = {row.name: _differing(row, published.factors.get(row.name)) for row in plan.rows}
    return {label: ", ".join(fields) for label, fields in found.items() if fields}


def _differing(row: Row, factors: Mapping[str, Any] | None) -> list[str]:
    """The differing fields; those that apply to one of the two only follow from others."""
    if factors is None or not isinstance(row.recipe, ActivationFields):
        return []
    ours, printed = applicable_values(row.recipe), applicable_values(ClassifyRecipe(**factors))
    names = [name for name in ActivationFields.model_fields if name in COMPARED & ours.keys() & printed.keys()]
    return [f"{name} {text_of(ours[name])} (paper: {text_of(printed[name])})" for name in names
            if ours[name] != printed[name]]  # fmt: skip


def has_printed_cost(plan: Plan, published: PublishedTable | None) -> bool:
    """Whether a row has a printed cost. Like the paper, scene tasks count the backbone alone, at 224 px."""
    cells = published.cells if published else {}
    return any(cells.get(row.name, {}).keys() & set(COSTS) for row in plan.rows)
