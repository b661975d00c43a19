"""Recipes of the tasks `detect` and `segment`: a backbone with the studied activation, trained on scenes.

A backbone can take its weights from a classification trial of the row's own network with the same seed (`backbone`).
This is an ordinary trial: it is shared between rows, finishes before the scene trial starts, and its key is part of the
scene trial's identity. This module never imports torch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ablate.recipes.classify import DATASET, ActivationFields, ClassifyRecipe, TrainingFields, refuse_single_images
from ablate.recipes.optimiser import OptimiserFields


class BackboneTraining(TrainingFields):
    """Training of the backbone: the fields of a classification recipe without its network and activation."""

    dataset: str = Field("imagenet", max_length=64, pattern=DATASET, description="data set of the backbone's training")
    resolution_px: int = Field(0, ge=0, le=1024, description="side of its images in pixels; 0 keeps their size")


class SceneFields(OptimiserFields, ActivationFields):
    """Fields that detection and segmentation share."""

    backbone: BackboneTraining | None = Field(
        None,
        description="classification training whose weights the backbone takes: a separate trial with this row's "
        "network, activation and seed; null: random weights",
    )
    freeze_norm: bool = Field(
        False,
        description="freeze statistics and weights of the backbone's batch norms, including those of funnels",
    )
    train_images: int = Field(0, ge=0, description="number of training images, a random subset per seed; 0: all")
    test_images: int = Field(0, ge=0, description="number of test images, the same subset for every seed; 0: all")
    epochs: int = Field(12, ge=1, le=100_000, description="passes over the training images; ignored if `steps` is set")
    steps: int = Field(0, ge=0, le=100_000_000, description="optimiser steps; 0: given by `epochs`")
    batch_size: int = Field(16, ge=1, le=4_096, description="images per optimiser step")
    lr: float = Field(0.01, gt=0, le=1000, description="maximum learning rate; default of adam and adamw: 0.001")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd, rmsprop and timm's optimisers that have it")
    weight_decay: float = Field(
        1e-4,
        ge=0,
        le=10,
        description="weight decay of matrices and kernels; vectors (biases, norms) have none; default of adamw: 0.01",
    )
    schedule: Literal["poly", "step", "linear", "cosine", "constant"] = Field(
        "poly",
        description="learning rate schedule after the warm-up: poly is (1 - t)^0.9; step is a tenth from 2/3 and a "
        "hundredth from 8/9 of the steps; the others as in classification",
    )
    warmup_steps: int = Field(0, ge=0, le=1_000_000, description="steps of linear learning rate warm-up from zero")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="numerical precision; bf16: mixed precision (autocast)"
    )
    channels_last: bool = Field(
        True, description="channels-last memory format, which is faster for depthwise convolutions"
    )

    @model_validator(mode="after")
    def _has_statistics(self) -> SceneFields:
        refuse_single_images(self, self.batch_size // self.accumulate)
        return self

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.steps:
            gone["epochs"] = "steps is set"
        if self.backbone is None:
            gone["freeze_norm"] = "backbone is null, so there are no trained norms"
        return gone

    def backbone_recipe(self) -> ClassifyRecipe | None:
        """Recipe of the classification trial whose weights the backbone takes; None for random weights."""
        if self.backbone is None:
            return None
        own = {name: getattr(self, name) for name in ActivationFields.model_fields}
        return ClassifyRecipe.model_validate(own | dict(self.backbone))


class DetectRecipe(SceneFields):
    """Recipe of the task `detect`: RetinaNet with a feature pyramid on C3 to C5 of the backbone."""

    dataset: str = Field(
        "coco", max_length=64, pattern=DATASET, description="COCO folder; `ablate data list` lists the names"
    )
    augment: Literal["none", "flip"] = Field("flip", description="augmentation; flip mirrors images and boxes")
    pyramid_channels: int = Field(256, ge=8, le=1024, description="channels of the feature pyramid and of the heads")
    head_convs: int = Field(4, ge=1, le=8, description="3x3 convolutions in each head before the last one")
    head_norm: Literal["none", "gn"] = Field(
        "none",
        description="normalisation after each of these convolutions: none as published, or group normalisation with 8 "
        "channels per group, which lets small heads on small backbones learn from scratch",
    )
    anchor_px: int = Field(
        32, ge=4, le=512, description="side of the anchors in pixels on the finest level; doubles per level"
    )


class SegmentRecipe(SceneFields):
    """Recipe of the task `segment`: PSPNet on the backbone, dilated to an output stride of 8."""

    dataset: str = Field(
        "cityscapes",
        max_length=64,
        pattern=DATASET,
        description="Cityscapes folder; `ablate data list` lists the names",
    )
    augment: Literal["none", "flip", "scale_crop_flip"] = Field(
        "scale_crop_flip", description="augmentation: flip mirrors; scale_crop_flip also scales by 0.5 to 2 and crops"
    )
    crop_px: int = Field(0, ge=0, le=2048, description="side of the square crop in pixels; 0: the size of the image")
    pyramid_channels: int = Field(512, ge=8, le=1024, description="channels after the pyramid pooling")
    aux_weight: float = Field(0.4, ge=0, le=10, description="weight of the auxiliary head's loss; 0: no such head")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout probability before the last convolution of each head")

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.augment != "scale_crop_flip":
            gone["crop_px"] = f"augment is {self.augment}, which does not crop"
        return gone
