"""What a detector and a segmenter share: a backbone, whose norms a recipe may freeze."""

from __future__ import annotations

from typing import Self

from torch import nn

from ablate.models.features import Features
from ablate.scene_recipes import SceneFields


class SceneNetwork(nn.Module):
    """A backbone; what stands on it is the subclass's.

    Args:
        features: give the backbone.
        recipe: `freeze_norm`, which means something only where there is a `backbone` that brings norms along.

    Attributes:
        frozen: batch norms of the backbone, those of funnels too, that keep their statistics and gains.
    """

    def __init__(self, features: Features, recipe: SceneFields) -> None:
        super().__init__()
        self.backbone = features.network
        is_frozen = recipe.freeze_norm and recipe.backbone is not None
        self.frozen = [part for part in self.backbone.modules() if is_frozen and isinstance(part, nn.BatchNorm2d)]
        for norm in self.frozen:
            norm.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """See `nn.Module.train`; frozen normalisations stay in evaluation mode."""
        super().train(mode)
        for norm in self.frozen:
            norm.eval()
        return self
