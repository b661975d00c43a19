"""What a set of miniature scenes is made with. Imports nothing heavy, since the catalog of data sets imports it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ablate.documents import Document

VERSION = 1
"""Raise it when the same recipe gives other scenes: earlier sets are then made again. A trial's key contains only the
name of a set, so raise `ablate.trials.trial.SEMANTICS_VERSION` with it."""


class SceneRecipe(Document):
    """What decides every pixel of a set.

    Attributes:
        format: format of the folder that is written.
        train_scenes, val_scenes: how many scenes; the first n of a set are those of a smaller set.
        height_px, width_px: size of each scene.
        seed: seed of the whole set.
        version: version of the code that composes scenes.
    """

    format: Literal["coco", "cityscapes"]
    train_scenes: int = Field(2_000, ge=1, le=100_000)
    val_scenes: int = Field(500, ge=1, le=100_000)
    height_px: int = Field(192, ge=64, le=1_024)
    width_px: int = Field(192, ge=64, le=2_048)
    seed: int = Field(0, ge=0)
    version: int = VERSION


COCO_MINIATURE = SceneRecipe(format="coco")
"""On 192 x 192 pixels there is room for what COCO calls large, above 96^2 of them."""
STREETS_MINIATURE = SceneRecipe(format="cityscapes", height_px=96, width_px=192)
"""The streets have Cityscapes' aspect ratio of 1 : 2."""
MANIFEST = "manifest.json"
