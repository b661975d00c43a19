"""The task `classify`. This module imports without torch; training does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from ablate.datasets import describe
from ablate.errors import DataError, quote
from ablate.recipe import ClassifyRecipe, architecture_of
from ablate.trial import Cost, EpochMetrics, Heartbeat, Measured, Outcome


@cache
def _count(architecture: str) -> Cost:
    """Cost of a network, counted once a process: rows that differ in training alone share it."""
    from ablate.models.probe import answer

    found = answer({"what": "cost", "recipe": json.loads(architecture)})
    return Cost.model_validate(found["cost"])


def check_data(recipe: ClassifyRecipe) -> None:
    """Refuse a recipe that asks for more than its data set has.

    Raises:
        DataError: the data set is unknown, or smaller than asked for.
    """
    info = describe(recipe.dataset)
    for name in ("train_images", "test_images"):
        wanted, there = getattr(recipe, name), getattr(info, name)
        if wanted > there:
            raise DataError(f"{name} is {wanted:,}, and data set {quote(info.name)} has {there:,}; 0 takes all")


class Classify:
    """Image classification by one network, trained from scratch; the last step is reported, nothing is selected."""

    Recipe = ClassifyRecipe
    metrics: Mapping[str, bool] = MappingProxyType(
        {"top1_error_pct": True, "top5_error_pct": True, "test_loss": True, "train_loss": True}
    )

    def run(self, recipe: ClassifyRecipe, seed: int, workdir: Path) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
        """See `ablate.training.loop.train`."""
        from ablate.training.loop import train

        return train(recipe, seed, workdir)

    def inspect(self, recipe: ClassifyRecipe) -> Cost:
        """Build the network and count; raises what training would raise before its first step."""
        check_data(recipe)
        return _count(architecture_of(recipe).model_dump_json())

    def time_steps(self, recipe: ClassifyRecipe, count: int) -> float:
        """See `ablate.training.measure.time_steps`."""
        from ablate.training.measure import time_steps

        return time_steps(recipe, count)

    def measure(self, recipes: Sequence[ClassifyRecipe]) -> list[Measured]:
        """See `ablate.training.measure.measure`."""
        from ablate.training.measure import measure

        return measure(recipes)


task = Classify()
