"""PSPNet on one of our backbones: pyramid pooling, a head, and an auxiliary head on an earlier map.

Zhao et al. 2017 (1612.01105). Only the backbone has the recipe's activation; heads have ReLU. Letters: B images of
H x W pixels, K classes, C channels of the backbone's last map of h x w.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.errors import SiteError
from ablate.models.features import Features, build_features
from ablate.models.own_networks import Stream, drawing_from
from ablate.recipes.scenes import SegmentRecipe
from ablate.tasks.scene_network import SceneNetwork

BINS = (1, 2, 3, 6)
"""Sides of the pooled maps."""
DILATED: Mapping[str, tuple[int, ...]] = {"imagenet": (4, 5), "small_s2": (5,), "small": ()}
"""Stem -> stages that are dilated for an output stride of 8."""


class Scores(NamedTuple):
    """Logits of every pixel, (B, K, H, W).

    Attributes:
        main: logits of the head.
        aux: logits of the auxiliary head; None in evaluation mode or without such a head.
    """

    main: Tensor
    aux: Tensor | None


def build_street_features(recipe: SegmentRecipe, stream: Stream, resolution_px: int) -> Features:
    """Build the backbone's maps C4 and C5, with an output stride of 8.

    Args:
        recipe: recipe; its network, activation and funnel fields are read.
        stream: see `build_features`.
        resolution_px: side of the classification images in pixels.

    Raises:
        SiteError: the network has no stages that can be dilated, or no site is selected.
    """
    check_network(recipe)
    return build_features(recipe, stream, resolution_px=resolution_px, levels=(4, 5), dilate=DILATED[recipe.stem])


def check_network(recipe: SegmentRecipe) -> None:
    """Refuse a network that cannot be PSPNet's backbone.

    Raises:
        SiteError: it is not one of our ResNets.
    """
    if not (recipe.is_own and recipe.model.startswith("resnet")):
        raise SiteError(
            f"{recipe.model} cannot be the backbone of PSPNet, which dilates its last stages; allowed: resnet50, "
            "resnet101"
        )


class PSPNet(SceneNetwork):
    """The segmenter.

    Args:
        features: maps C4 and C5.
        recipe: recipe; `pyramid_channels`, `aux_weight`, `dropout` and `freeze_norm` are read.
        num_classes: K.
        stream: source of the generator for `init/pspnet`; rows of a seed have the same initial heads.
    """

    def __init__(self, features: Features, recipe: SegmentRecipe, num_classes: int, stream: Stream) -> None:
        super().__init__(features, recipe)
        last, earlier = features.channels["C5"], features.channels["C4"]
        with drawing_from(stream, "init/pspnet"):
            self.pyramid = PooledPyramid(last)
            self.head = _build_head(2 * last, recipe.pyramid_channels, num_classes, recipe.dropout)
            self.aux = None
            if recipe.aux_weight:
                self.aux = _build_head(earlier, max(earlier // len(BINS), 1), num_classes, recipe.dropout)

    def forward(self, images: Tensor) -> Scores:
        """Images (B, 3, H, W) to the logits of their pixels."""
        maps, size = self.backbone(images), images.shape[-2:]
        main = _enlarge(self.head(self.pyramid(maps["C5"])), size)
        if self.aux is None or not self.training:
            return Scores(main, None)
        return Scores(main, _enlarge(self.aux(maps["C4"]), size))


class PooledPyramid(nn.Module):
    """Pyramid pooling: a map (B, C, h, w) and its averages at four scales, concatenated to (B, 2 C, h, w).

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        own = channels // len(BINS)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), *_convolution(channels, own, kernel=1)) for side in BINS
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 2 C, h, w)."""
        return torch.cat([x, *(_enlarge(branch(x), x.shape[-2:]) for branch in self.branches)], dim=1)


def _convolution(channels: int, out: int, *, kernel: int) -> list[nn.Module]:
    conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def _build_head(channels: int, inner: int, num_classes: int, dropout: float) -> nn.Sequential:
    last = nn.Conv2d(inner, num_classes, 1)
    return nn.Sequential(*_convolution(channels, inner, kernel=3), nn.Dropout(dropout), last)


def _enlarge(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
