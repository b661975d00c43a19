"""The task `segment`. This module imports without torch; training does not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ablate.errors import TrialError
from ablate.recipes.scenes import SegmentRecipe
from ablate.tasks.backbones import SceneTask
from ablate.tasks.segment.metrics import METRICS


class Segment(SceneTask[SegmentRecipe]):
    """Segmentation of streets by PSPNet.

    A class that occurs neither in the test scenes nor in the predictions has no metric: the miniature lacks 8 of the
    19.
    """

    name = "segment"
    Recipe = SegmentRecipe
    metrics: Mapping[str, bool] = MappingProxyType(
        {**dict.fromkeys((*METRICS, "pixel_accuracy_pct"), False), "test_loss": True, "train_loss": True}
    )

    def check_network(self, recipe: SegmentRecipe) -> None:
        """See `ablate.tasks.segment.network.check_network`; the pyramid's norm needs two images."""
        from ablate.tasks.segment.network import check_network

        check_network(recipe)
        if recipe.batch_size < 2:
            raise TrialError("batch_size is 1; PSPNet pools to one pixel, and a norm of that needs 2 images or more")


task = Segment()
