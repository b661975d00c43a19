"""The task `detect`. This module imports without torch; training does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from ablate.errors import TrialError
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import DetectRecipe
from ablate.tasks import backbones
from ablate.tasks.detect.metrics import METRICS
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import Cost, Message


class Detect(Task[DetectRecipe]):
    """Detection by RetinaNet on a backbone of ours; the last step is reported, nothing is selected."""

    Recipe = DetectRecipe
    metrics: Mapping[str, bool] = MappingProxyType({**dict.fromkeys(METRICS, False), "train_loss": True})
    preload = ("torch",)

    def needs(self, recipe: DetectRecipe) -> dict[str, tuple[str, ClassifyRecipe]]:
        """See `ablate.tasks.backbones.needs_of`."""
        return backbones.needs_of(recipe)

    def run(
        self, recipe: DetectRecipe, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """See `ablate.tasks.detect.practice.train`."""
        from ablate.tasks.detect.practice import train

        return train(recipe, seed, workdir, needs)

    def check(self, recipe: DetectRecipe) -> None:
        """See `ablate.tasks.backbones.check_scenes`."""
        backbones.check_scenes(recipe, "detect")

    def counted_network(self, recipe: DetectRecipe) -> ClassifyRecipe:
        """The backbone at 224 px; see `ablate.tasks.backbones.counted_as`."""
        return backbones.counted_as(recipe)

    def inspect(self, recipe: DetectRecipe) -> Cost:
        """Count the backbone at 224 px.

        Raises what training would raise before its first step, except for missing weights.
        """
        self.check(recipe)
        groups = max(recipe.pyramid_channels // 8, 1)
        if recipe.head_norm == "gn" and recipe.pyramid_channels % groups:
            raise TrialError(
                f"head_norm 'gn' cannot divide pyramid_channels {recipe.pyramid_channels} into {groups} groups of "
                "equal size; take a multiple of 8"
            )
        return backbones.count_backbone(recipe)

    def time_steps(self, recipe: DetectRecipe, count: int) -> float:
        """See `ablate.training.measure.time_steps`; the backbone's own trial is not included."""
        from ablate.tasks.detect.practice import PRACTICE
        from ablate.training.measure import time_steps

        return time_steps(recipe, count, PRACTICE)


task = Detect()
