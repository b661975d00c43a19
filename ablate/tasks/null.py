"""The task `null`: it draws a number and trains nothing. `ablate selftest` makes studies without any effect of it.

The catalog does not list it. A trial takes about a millisecond, and needs neither data nor torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from numpy.random import Generator, SeedSequence, default_rng
from pydantic import Field

from ablate.recipes.identity import Recipe
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import EpochMetrics, Message, Outcome

Noise = Literal["normal", "lognormal", "t2"]

NOISES: Mapping[Noise, Callable[[Generator], float]] = {
    "normal": lambda random: random.normal(),
    "lognormal": lambda random: random.lognormal(),
    "t2": lambda random: random.standard_t(2),
}
"""Noise -> one draw of it: symmetric, skewed, and with tails so heavy that it has no standard deviation."""


class NullRecipe(Recipe):
    """What decides a drawn number, in addition to the seed."""

    world: int = Field(0, ge=0, description="number of the world; each world has its own random numbers")
    row: int = Field(0, ge=0, description="number of the row; each row of a world has its own random numbers")
    noise: Noise = Field(
        "normal", description="distribution of the noise: normal, lognormal (skewed), t2 (heavy tails)"
    )
    effect: float = Field(0.0, description="what the row adds to the number; 0: the row has no effect")


class Null(Task[NullRecipe]):
    """`error` = 10 + a normal number that the rows of a seed share + the row's own noise + the row's effect."""

    Recipe = NullRecipe
    metrics: Mapping[str, bool] = MappingProxyType({"error": True})

    def run(
        self, recipe: NullRecipe, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """See `Task.run`; it writes no file."""
        shared = default_rng(SeedSequence(seed, spawn_key=(recipe.world,)))
        own = default_rng(SeedSequence(seed, spawn_key=(recipe.world, recipe.row + 1)))
        error = 10 + shared.normal() + NOISES[recipe.noise](own) + recipe.effect
        yield EpochMetrics(step=1, steps=1, epoch=1.0, metrics={"error": error})
        yield Outcome(status="succeeded", metrics={"error": error}, train_s=0.0)


task = Null()
