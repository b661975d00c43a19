"""The task `classify`. This module imports without torch; training does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from ablate.recipe import ClassifyRecipe
from ablate.trial import EpochMetrics, Heartbeat, Outcome


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


task = Classify()
