"""The task `classify`. This module imports without torch; training does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ablate.dataset_info import DatasetInfo
from ablate.datasets import describe_for
from ablate.errors import DataError, quote
from ablate.recipe import ClassifyRecipe, architecture_of
from ablate.trial import Cost, EpochMetrics, Heartbeat, Measured, Outcome

STREAMED = "resized_crop_flip_jitter"
"""The augmentation for which files are decoded while the network trains; for any other they are held in memory."""
MEMORY_LIMIT_BYTES = 8 << 30


@cache
def count_architecture(architecture: str) -> Cost:
    """Cost of a network, counted once a process: rows that differ in training alone share it."""
    from ablate.models.probe import answer

    found = answer({"what": "cost", "recipe": json.loads(architecture)})
    return Cost.model_validate(found["cost"])


def check_data(recipe: ClassifyRecipe) -> None:
    """Refuse a recipe that asks for what its data set cannot give.

    Raises:
        DataError: the data set is unknown or another task's, smaller than asked for, has no files to crop from, or has
            too many to hold.
    """
    info = describe_for("classify", recipe.dataset)
    for name in ("train_images", "test_images"):
        wanted, there = getattr(recipe, name), getattr(info, name)
        if wanted > there:
            raise DataError(f"{name} is {wanted:,}, and data set {quote(info.name)} has {there:,}; 0 takes all")
    if recipe.augment == STREAMED and not info.is_folder:
        raise DataError(
            f"augment '{STREAMED}' crops from image files of any size, and data set {quote(info.name)} has images of "
            f"{info.resolution_px} px in memory; allowed: none, flip, crop, crop_flip"
        )
    if recipe.augment != STREAMED and info.is_folder:
        _check_memory(recipe, info)


def _check_memory(recipe: ClassifyRecipe, info: DatasetInfo) -> None:
    side = recipe.resolution_px or info.resolution_px
    count = (recipe.train_images or info.train_images) + (recipe.test_images or info.test_images)
    needed_bytes = count * 3 * side**2
    if needed_bytes > MEMORY_LIMIT_BYTES:
        raise DataError(
            f"augment '{recipe.augment}' keeps data set {quote(info.name)} in memory: {count:,} images of {side} px "
            f"are {needed_bytes / 2**30:,.1f} GiB, above the limit of {MEMORY_LIMIT_BYTES / 2**30:g}. "
            f"Take '{STREAMED}', which decodes them as it trains, a smaller resolution_px, or subsets (train_images, "
            "test_images)"
        )


class Classify:
    """Image classification by one network, trained from scratch; the last step is reported, nothing is selected."""

    Recipe = ClassifyRecipe
    metrics: Mapping[str, bool] = MappingProxyType(
        {"top1_error_pct": True, "top5_error_pct": True, "test_loss": True, "train_loss": True}
    )

    def run(self, recipe: ClassifyRecipe, seed: int, workdir: Path) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
        """See `ablate.training.loop.carry_out`."""
        from ablate.training.classifying import train

        return train(recipe, seed, workdir)

    def inspect(self, recipe: ClassifyRecipe) -> Cost:
        """Build the network and count; raises what training would raise before its first step."""
        check_data(recipe)
        return count_architecture(architecture_of(recipe).model_dump_json())

    def time_steps(self, recipe: ClassifyRecipe, count: int) -> float:
        """See `ablate.training.measure.time_steps`."""
        from ablate.training.measure import time_steps

        return time_steps(recipe, count)

    def is_trained(self, workdir: Path) -> bool:
        """See `ablate.training.checkpoint.is_finished`."""
        from ablate.training.checkpoint import is_finished

        return is_finished(workdir)

    def measure(self, recipes: Sequence[ClassifyRecipe]) -> list[Measured]:
        """See `ablate.training.measure.measure`."""
        from ablate.training.measure import measure

        return measure(recipes)


task = Classify()
