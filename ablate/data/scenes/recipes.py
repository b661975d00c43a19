"""What a set of miniature scenes is made with. Imports nothing heavy: the catalog of data sets may look at it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from ablate.documents import Document

VERSION = 1
"""Raise it when the same recipe gives other scenes: sets that were made before are then made anew. Keys of trials know
a set by its name alone, so `ablate.trials.trial.SEMANTICS_VERSION` has to be raised with it."""


class SceneRecipe(Document):
    """What decides every pixel of a set.

    Attributes:
        format: of the folder that is written.
        train_scenes, val_scenes: how many; the first n of a set are those of a smaller set.
        height_px, width_px: of each scene.
        seed: of the whole set.
        version: of the code that composes scenes.
    """

    format: Literal["coco", "cityscapes"]
    train_scenes: int = Field(2_000, ge=1, le=100_000)
    val_scenes: int = Field(500, ge=1, le=100_000)
    height_px: int = Field(192, ge=64, le=1_024)
    width_px: int = Field(192, ge=64, le=2_048)
    seed: int = Field(0, ge=0)
    version: int = VERSION


MINIATURES: Mapping[str, SceneRecipe] = MappingProxyType(
    {
        "scenes-coco": SceneRecipe(format="coco"),
        "scenes-cityscapes": SceneRecipe(format="cityscapes", height_px=96, width_px=192),
    }
)
"""Name of the data set -> the recipe of the one that is made here.

On 192 x 192 pixels there is room for what COCO calls large, above 96^2 of them; the streets have Cityscapes' shape of
1 : 2.
"""

MANIFEST = "manifest.json"
