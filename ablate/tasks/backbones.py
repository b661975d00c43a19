"""What the tasks on scenes share about their backbone: the trial it starts from, and how its cost is counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ablate.data.datasets import describe, describe_for
from ablate.errors import DataError, SiteError, TrialError, quote
from ablate.models.cost_cache import count_architecture
from ablate.recipes.classify import OWN_NETWORKS, ActivationFields, ClassifyRecipe, architecture_of
from ablate.recipes.scenes import SceneFields
from ablate.trials.trial import Cost

NAME = "backbone"
COST_PX = 224
"""Side of the images at which the paper counts multiply-adds, independent of the images of a training."""


def needs_of(recipe: SceneFields) -> dict[str, tuple[str, ClassifyRecipe]]:
    """See `Task.needs`: the classification trial from whose weights the backbone starts, if any."""
    parent = recipe.backbone_recipe()
    return {} if parent is None else {NAME: ("classify", parent)}


def check_needs(recipe: SceneFields, needs: Mapping[str, Path]) -> None:
    """Refuse to train on random weights if the recipe asks for the weights of a trial.

    Raises:
        TrialError: the folder of the backbone's trial is not given.
    """
    if recipe.backbone is not None and NAME not in needs:
        raise TrialError(
            f"the recipe has a '{NAME}', but no folder of its trial was given; allowed: needs = {{'{NAME}': folder}}"
        )


def check_scenes(recipe: SceneFields, task: str) -> None:
    """Refuse a recipe whose backbone has no feature maps to use, or that asks for more than its data set has.

    Raises:
        SiteError: the network is not ours.
        DataError: the data set is unknown, for another task, or smaller than the recipe asks for.
    """
    if not recipe.is_own:
        raise SiteError(f"{recipe.model} cannot be a backbone; allowed: {', '.join(OWN_NETWORKS)}")
    info = describe_for(task, recipe.dataset)
    for name in ("train_images", "test_images"):
        wanted, there = getattr(recipe, name), getattr(info, name)
        if wanted > there:
            raise DataError(f"{name} is {wanted:,}, and data set {quote(info.name)} has {there:,}; 0 takes all")


def site_px(recipe: SceneFields) -> int:
    """The side at which the backbone's call sites are found: that of the images it was trained on, if any."""
    parent = recipe.backbone_recipe()
    of = recipe if parent is None else parent
    return of.resolution_px or describe(of.dataset).resolution_px


def counted_as(recipe: SceneFields) -> ClassifyRecipe:
    """The classification network that is counted for a recipe: its backbone at 224 px, as in the paper's tables.

    Its head is that of the trial whose weights it starts from, or, with random weights, ImageNet's.
    """
    parent = recipe.backbone_recipe()
    if parent is None:
        own = {name: getattr(recipe, name) for name in ActivationFields.model_fields}
        parent = ClassifyRecipe.model_validate(own | {"dataset": "imagenet"})
    return parent.model_copy(update={"resolution_px": COST_PX})


def count_backbone(recipe: SceneFields) -> Cost:
    """Parameters and multiply-adds of `counted_as`."""
    return count_architecture(architecture_of(counted_as(recipe)).model_dump_json())
