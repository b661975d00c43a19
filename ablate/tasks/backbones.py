"""What the tasks on scenes share: a backbone with the trial it starts from, and how its cost is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ablate.data.datasets import describe, describe_for
from ablate.errors import DataError, SiteError, TrialError, quote
from ablate.models.probe_client import count_architecture
from ablate.recipes.classify import OWN_NETWORKS, ActivationFields, ClassifyRecipe, architecture_of
from ablate.recipes.scenes import SceneFields
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import Cost, Message

S = TypeVar("S", bound=SceneFields)

NAME = "backbone"
COST_PX = 224
"""Side of the images at which the paper counts multiply-adds, independent of the images of a training."""


class SceneTask(Task[S]):
    """A task on scenes with a backbone of ours; the last step is reported, nothing is selected.

    Attributes:
        name: its name in a study, and that of its package, which imports torch when training begins.
    """

    name: ClassVar[str]
    preload = ("torch",)

    def needs(self, recipe: S) -> dict[str, tuple[str, ClassifyRecipe]]:
        """The classification trial from whose weights the backbone starts, if any."""
        parent = recipe.backbone_recipe()
        return {} if parent is None else {NAME: ("classify", parent)}

    def run(self, recipe: S, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS) -> Iterator[Message]:
        """See `train` of the task's practice."""
        messages: Iterator[Message] = self._practice().train(recipe, seed, workdir, needs)
        return messages

    def check(self, recipe: S) -> None:
        """See `check_scenes`."""
        check_scenes(recipe, self.name)

    def check_network(self, recipe: S) -> None:
        """Refuse what cannot be built on the backbone; by default nothing. It may import torch."""
        del recipe

    def counted_network(self, recipe: S) -> ClassifyRecipe:
        """The backbone at 224 px; see `counted_as`."""
        return counted_as(recipe)

    def inspect(self, recipe: S) -> Cost:
        """Count the backbone at 224 px.

        Raises what training would raise before its first step, except for missing weights.
        """
        self.check(recipe)
        self.check_network(recipe)
        return count_backbone(recipe)

    def time_steps(self, recipe: S, count: int) -> float:
        """See `ablate.training.measure.time_steps`; the backbone's own trial is not included."""
        from ablate.training.measure import time_steps

        return time_steps(recipe, count, self._practice().PRACTICE)

    def _practice(self) -> Any:
        return import_module(f"ablate.tasks.{self.name}.practice")


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
