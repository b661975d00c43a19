"""Which rows of a study are comparable with a printed table, in recipe and in cost."""

from __future__ import annotations

from ablate.paper.presets import preset_of
from ablate.paper.published import PublishedTable
from ablate.recipes.classify import ClassifyRecipe
from ablate.study.plan import Plan

COSTS = ("params", "multiply_adds")
"""Names of the printed costs."""


def is_papers_own(plan: Plan, published: PublishedTable | None) -> bool:
    """Whether every row trains the paper's network on its data with its recipe, so that the noise is the same."""
    if published is None:
        return False
    presets = {preset_of(row.recipe) for row in plan.rows}
    trained = [(row.label, getattr(row.recipe, "model", ""), getattr(row.recipe, "dataset", "")) for row in plan.rows]
    return (
        len(presets) == 1
        and None not in presets
        and all(published.networks.get(label) == model for label, model, _ in trained)
        and all(dataset in published.dataset.lower() for _, _, dataset in trained)
    )


def has_printed_cost(plan: Plan, published: PublishedTable | None) -> bool:
    """Whether printed costs are comparable with ours: Table 3 prints those of backbones, ours are of detectors."""
    if published is None or not all(isinstance(row.recipe, ClassifyRecipe) for row in plan.rows):
        return False
    return any(published.cells.get(row.label, {}).keys() & set(COSTS) for row in plan.rows)
