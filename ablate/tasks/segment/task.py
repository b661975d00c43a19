"""The task `segment`. This module imports without torch; training does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from ablate.errors import TrialError
from ablate.recipes.classify import ClassifyRecipe
from ablate.recipes.scenes import SegmentRecipe
from ablate.tasks import backbones
from ablate.tasks.segment.metrics import METRICS
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import Cost, Message


class Segment(Task[SegmentRecipe]):
    """Segmentation of streets by PSPNet on a ResNet of ours; the last step is reported, nothing is selected.

    A class that occurs neither in the test scenes nor in the predictions has no metric: the miniature lacks 8 of the
    19.
    """

    Recipe = SegmentRecipe
    metrics: Mapping[str, bool] = MappingProxyType(
        {**dict.fromkeys((*METRICS, "pixel_accuracy_pct"), False), "test_loss": True, "train_loss": True}
    )
    preload = ("torch",)

    def needs(self, recipe: SegmentRecipe) -> dict[str, tuple[str, ClassifyRecipe]]:
        """See `ablate.tasks.backbones.needs_of`."""
        return backbones.needs_of(recipe)

    def run(
        self, recipe: SegmentRecipe, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """See `ablate.tasks.segment.practice.train`."""
        from ablate.tasks.segment.practice import train

        return train(recipe, seed, workdir, needs)

    def check(self, recipe: SegmentRecipe) -> None:
        """See `ablate.tasks.backbones.check_scenes`."""
        backbones.check_scenes(recipe, "segment")

    def counted_network(self, recipe: SegmentRecipe) -> ClassifyRecipe:
        """The backbone at 224 px; see `ablate.tasks.backbones.counted_as`."""
        return backbones.counted_as(recipe)

    def inspect(self, recipe: SegmentRecipe) -> Cost:
        """Count the backbone at 224 px.

        Raises what training would raise before its first step, except for missing weights.
        """
        from ablate.tasks.segment.network import check_network

        self.check(recipe)
        check_network(recipe)
        if recipe.batch_size < 2:
            raise TrialError("batch_size is 1; PSPNet pools to one pixel, and a norm of that needs 2 images or more")
        return backbones.count_backbone(recipe)

    def time_steps(self, recipe: SegmentRecipe, count: int) -> float:
        """See `ablate.training.measure.time_steps`; the backbone's own trial is not included."""
        from ablate.tasks.segment.practice import PRACTICE
        from ablate.training.measure import time_steps

        return time_steps(recipe, count, PRACTICE)


task = Segment()
