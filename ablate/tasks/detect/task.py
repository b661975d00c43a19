"""The task `detect`. This module imports without torch; training does not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ablate.errors import TrialError
from ablate.recipes.scenes import DetectRecipe
from ablate.tasks.backbones import SceneTask
from ablate.tasks.detect.metrics import METRICS


class Detect(SceneTask[DetectRecipe]):
    """Detection by RetinaNet."""

    name = "detect"
    Recipe = DetectRecipe
    metrics: Mapping[str, bool] = MappingProxyType({**dict.fromkeys(METRICS, False), "train_loss": True})

    def check_network(self, recipe: DetectRecipe) -> None:
        """Refuse a head whose norm cannot divide its channels."""
        groups = max(recipe.pyramid_channels // 8, 1)
        if recipe.head_norm == "gn" and recipe.pyramid_channels % groups:
            raise TrialError(
                f"head_norm 'gn' cannot divide pyramid_channels {recipe.pyramid_channels} into {groups} groups of "
                "equal size; take a multiple of 8"
            )


task = Detect()
