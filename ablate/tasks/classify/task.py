"""The task `classify`. This module imports without torch; training does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from ablate.models.probe_client import count_architecture
from ablate.recipes.classify import ClassifyRecipe, architecture_of
from ablate.tasks.classify.limits import check_data
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import Cost, Measured, Message


class Classify(Task[ClassifyRecipe]):
    """Image classification by one network, trained from scratch; the last step is reported, nothing is selected."""

    Recipe = ClassifyRecipe
    metrics: Mapping[str, bool] = MappingProxyType(
        {"top1_error_pct": True, "top5_error_pct": True, "test_loss": True, "train_loss": True}
    )
    preload = ("torch",)

    def run(
        self, recipe: ClassifyRecipe, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """See `ablate.training.loop.carry_out`; it needs no other trial."""
        from ablate.tasks.classify.practice import train

        return train(recipe, seed, workdir)

    def check(self, recipe: ClassifyRecipe) -> None:
        """See `check_data`."""
        check_data(recipe)

    def counted_network(self, recipe: ClassifyRecipe) -> ClassifyRecipe:
        """The network of the recipe itself."""
        return recipe

    def inspect(self, recipe: ClassifyRecipe) -> Cost:
        """Build the network and count; raises what training would raise before its first step."""
        self.check(recipe)
        return count_architecture(architecture_of(recipe).model_dump_json())

    def time_steps(self, recipe: ClassifyRecipe, count: int) -> float:
        """See `ablate.training.measure.time_steps`."""
        from ablate.tasks.classify.practice import PRACTICE
        from ablate.training.measure import time_steps

        return time_steps(recipe, count, PRACTICE)

    def is_trained(self, workdir: Path) -> bool:
        """See `ablate.training.checkpoint.is_finished`."""
        from ablate.training.checkpoint import is_finished

        return is_finished(workdir)

    def measure(self, recipes: Sequence[ClassifyRecipe]) -> list[Measured]:
        """See `ablate.training.measure.measure`."""
        from ablate.tasks.classify.practice import PRACTICE
        from ablate.training.measure import measure

        return measure(recipes, PRACTICE)


task = Classify()
