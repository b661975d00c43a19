"""Recipes of the tasks `detect` and `segment`: a backbone with the studied activation, and how it is trained on scenes.

A backbone starts from a classification trial of the row's own network with the same seed (`backbone`). That trial is
like any other: it is shared, runs first, and its key is part of the identity. This module never imports torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ablate.recipes.classify import DATASET, ActivationFields, ClassifyRecipe, TrainingFields


class BackboneTraining(TrainingFields):
    """How the backbone is trained first: the fields of a classification recipe without its network and activation."""

    dataset: str = Field("imagenet", max_length=64, pattern=DATASET, description="data set of that training")
    resolution_px: int = Field(0, ge=0, le=1024, description="side of its images; 0 keeps the data's own size")


class SceneFields(ActivationFields):
    """Fields that all recipes on scenes have in common."""

    backbone: BackboneTraining | None = Field(
        None,
        description="the classification training whose weights the backbone starts from, a separate trial with this "
        "row's network, activation and seed; null: from random weights",
    )
    freeze_norm: bool = Field(
        False,
        description="freeze the statistics and gains of the backbone's trained batch norms, including those of funnels",
    )
    train_images: int = Field(0, ge=0, description="size of the training subset, drawn for each seed; 0 = all")
    test_images: int = Field(0, ge=0, description="size of the test subset, the same for every seed; 0 = all")
    epochs: int = Field(12, ge=1, le=100_000, description="passes over the training images; `steps` overrides it")
    steps: int = Field(0, ge=0, le=100_000_000, description="optimiser steps; 0: as many as `epochs` has")
    batch_size: int = Field(16, ge=1, le=4_096, description="images per step")
    lr: float = Field(0.01, gt=0, le=1000, description="highest learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of SGD")
    weight_decay: float = Field(1e-4, ge=0, le=10, description="of matrices and kernels; vectors have none")
    schedule: Literal["poly", "step", "linear", "cosine", "constant"] = Field(
        "poly",
        description="learning-rate schedule: (1 - t)^0.9 (poly); a tenth at 2/3 and a hundredth at 8/9 of the steps "
        "after the warm-up (step); or as in classification",
    )
    warmup_steps: int = Field(0, ge=0, le=1_000_000, description="steps of linear warm-up from zero")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16: mixed precision by autocast")
    channels_last: bool = Field(True, description="memory format; faster for depthwise convolutions")

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.steps:
            gone["epochs"] = "steps is given"
        if self.backbone is None:
            gone["freeze_norm"] = "backbone is null, so no norms have been trained"
        return gone

    def backbone_recipe(self) -> ClassifyRecipe | None:
        """The classification recipe whose trial the backbone starts from."""
        if self.backbone is None:
            return None
        own = {name: getattr(self, name) for name in ActivationFields.model_fields}
        return ClassifyRecipe.model_validate(own | dict(self.backbone))


class DetectRecipe(SceneFields):
    """Recipe of the task `detect`: RetinaNet with a feature pyramid on C3 to C5 of the backbone."""

    dataset: str = Field("coco", max_length=64, pattern=DATASET, description="a COCO folder; `ablate data list`")
    augment: Literal["none", "flip"] = Field("flip", description="flip images and boxes")
    pyramid_channels: int = Field(256, ge=8, le=1024, description="channels of the feature pyramid and the heads")
    head_convs: int = Field(4, ge=1, le=8, description="3x3 convolutions of each head before its last")
    head_norm: Literal["none", "gn"] = Field(
        "none",
        description="after each of these convolutions: nothing, as published, or a group normalisation with 8 channels "
        "per group, with which small heads on small backbones learn from scratch",
    )
    anchor_px: int = Field(
        32, ge=4, le=512, description="side of the anchors on the finest level; it doubles per level"
    )


class SegmentRecipe(SceneFields):
    """Recipe of the task `segment`: PSPNet on the backbone, dilated to an output stride of 8."""

    dataset: str = Field(
        "cityscapes", max_length=64, pattern=DATASET, description="a Cityscapes tree; `ablate data list`"
    )
    augment: Literal["none", "flip", "scale_crop_flip"] = Field(
        "scale_crop_flip", description="flip; also scale by 0.5 to 2 and crop to crop_px"
    )
    crop_px: int = Field(0, ge=0, le=2048, description="side of the square crop; 0: the image's own size")
    pyramid_channels: int = Field(512, ge=8, le=1024, description="channels after the pyramid of pooled maps")
    aux_weight: float = Field(0.4, ge=0, le=10, description="weight of the auxiliary head's loss; 0: no such head")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout before the last convolution of each head")

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.augment != "scale_crop_flip":
            gone["crop_px"] = f"augment is {self.augment}, which does not crop"
        return gone
