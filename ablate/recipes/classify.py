"""Recipes: the flat list of fields that, with a seed, determine a trial.

Every task has its own `Recipe` class. That of the built-in vision tasks is composed here from groups of fields
(network, activation, funnel, training). Every field has a type, a range, a default and a description; the catalog,
`--help` and the JSON Schema are generated from them. `ablate.recipes.identity` decides which fields apply and which
enter a trial's key. This module never imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, Strict, field_validator, model_validator

from ablate.errors import nearest, quote
from ablate.recipes.identity import Recipe, applicable_values, identity_of, inapplicable_fields

__all__ = [
    "ACTIVATIONS", "DATASET", "EXCLUSIVE", "OWN_NETWORKS", "ActivationFields", "ClassifyRecipe", "NetworkFields",
    "Recipe", "TrainingFields", "applicable_values", "architecture_of", "identity_of", "inapplicable_fields",
]  # fmt: skip

Activation = Literal[
    "relu", "leaky_relu", "prelu", "elu", "sigmoid", "tanh", "swish", "mish", "maxout", "frelu"
]  # fmt: skip
Window = Literal["1x1", "3x3", "5x5", "7x7", "1x3+3x1"]
Norm = Literal["none", "bn", "ln", "in", "gn"]
Layer = Literal["1x1", "3x3", "add", "stem"]
SePosition = Literal["residual", "pre", "post", "identity"]

OWN_NETWORKS = ("resnet50", "resnet101", "mobilenet_v1_x0.75", "shufflenet_v2_x0.5", "shufflenet_v2_x1.5")
STAGES_OF_OWN = {"resnet": 4, "mobilenet": 5, "shufflenet": 3}
"""Family -> length of `depth`."""

ACTIVATIONS: tuple[str, ...] = get_args(Activation)

DATASET = r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:@[0-9a-f]{16})?$"
"""Name of a data set; in a plan, a registered folder's name includes the first 16 digits of its fingerprint."""


NETWORK = r"^(?:[a-z0-9_.]+|torchvision/[A-Za-z0-9_.]+|timm/[A-Za-z0-9_.]+)$"
"""Name of a network."""


class NetworkFields(Recipe):
    """Fields of the network, its data set and the image size."""

    model: str = Field(
        "resnet50",
        max_length=100,
        json_schema_extra={"pattern": NETWORK},
        description=f"network: {', '.join(OWN_NETWORKS)} (own networks), torchvision/NAME or timm/NAME",
    )
    dataset: str = Field(
        "imagenet", max_length=64, pattern=DATASET, description="data set; `ablate data list` lists the names"
    )
    resolution_px: int = Field(
        0, ge=0, le=1024, description="side of the resized images in pixels; 0 keeps the size in the data set"
    )
    width: float = Field(1.0, gt=0, le=8, description="factor on the number of channels (own networks)")
    depth: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Strict(False)] | None = Field(
        None,
        description="number of blocks in each stage (own networks: ResNet 4 stages, MobileNet 5, ShuffleNet 3); null: "
        "as published",
    )
    stem: Literal["imagenet", "small", "small_s2"] = Field(
        "imagenet",
        description="first layer (own networks): imagenet as published; small a 3x3 convolution of stride 1; small_s2 "
        "the same with stride 2; the small stems have no pooling layer",
    )
    se: bool = Field(False, description="squeeze-and-excitation in each block (own networks)")
    se_ratio: int = Field(16, ge=1, le=256, description="reduction ratio of squeeze-and-excitation, C -> C/ratio -> C")
    se_position: SePosition = Field(
        "residual",
        description="position of squeeze-and-excitation in a ResNet block: residual at the end of the residual branch, "
        "pre at its beginning, post after the block's last activation, identity on the shortcut",
    )
    stride_in: Literal["1x1", "3x3"] = Field(
        "1x1",
        description="convolution with the stride of a stage (own ResNets): the first 1x1 (v1) or the 3x3 (v1.5)",
    )
    conv_bias: bool = Field(False, description="bias in every convolution, before the normalisation (own networks)")

    @field_validator("model")
    @classmethod
    def _known_network(cls, name: str) -> str:
        known = (*OWN_NETWORKS, "torchvision/NAME", "timm/NAME")
        if not re.fullmatch(NETWORK, name) or ("/" not in name and name not in OWN_NETWORKS):
            raise ValueError(f"no network {quote(name)}{nearest(name, known)}")
        return name

    @model_validator(mode="after")
    def _depth_fits(self) -> NetworkFields:
        expected = STAGES_OF_OWN.get(self.model.split("_")[0].rstrip("0123456789"))
        if self.depth is not None and self.is_own and len(self.depth) != expected:
            raise ValueError(f"depth: {len(self.depth)} numbers are given, {self.model} has {expected} stages")
        return self

    @property
    def is_own(self) -> bool:
        """Whether the network is our own implementation: its activation is ReLU, and `FIELDS_OF_OWN` apply."""
        return "/" not in self.model

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if not self.is_own:
            reason = f"only our own networks have it ({', '.join(OWN_NETWORKS)}), {self.model} does not"
            return gone | dict.fromkeys(FIELDS_OF_OWN, reason)
        if not self.model.startswith("resnet"):
            gone["stride_in"] = f"only our own ResNets have it, {self.model} does not"
            gone["se_position"] = f"a block of {self.model} has only one position for squeeze-and-excitation"
        if not self.se:
            gone |= dict.fromkeys(("se_ratio", "se_position"), "se is false")
        return gone


FIELDS_OF_OWN = ("width", "depth", "stem", "se", "se_ratio", "se_position", "stride_in", "conv_bias")
"""Fields that apply only to our own networks."""


class ActivationFields(NetworkFields):
    """Fields of the studied activation and its call sites."""

    activation: Activation = Field("frelu", description="activation at the selected call sites")
    elsewhere: Literal["keep", "relu"] = Field(
        "keep", description="activation at the other call sites: their own (keep) or relu"
    )
    stages: Literal["all"] | Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Strict(False)] = Field(
        (2, 3, 4), description='stages whose call sites are selected (conv1 is stage 1), or "all"'
    )
    layers: Literal["all"] | Annotated[tuple[Layer, ...], Strict(False)] = Field(
        ("1x1", "3x3", "add"),
        description='selected kinds of call site, by the operation before: 1x1, 3x3 (or larger), add, stem; or "all"',
    )
    swish_trainable: bool = Field(False, description="learn the beta of Swish, one per channel, initial value 1")
    condition: Literal["parametric", "max_pool", "avg_pool"] = Field(
        "parametric", description="funnel condition T(x): parametric is a depthwise convolution, else a pooling"
    )
    window: Window = Field("3x3", description="window size of the funnel condition; 1x3+3x1 has two branches")
    window_dilation: int = Field(1, ge=1, le=8, description="dilation of the window")
    branch_combine: Literal["sum", "max"] = Field("sum", description="combination of the two branches of 1x3+3x1")
    combine: Literal["max", "sum", "dw_relu"] = Field(
        "max",
        description="output of the funnel: max(x, T(x)), x + T(x) (sum), or max(T(x), 0) (dw_relu; Table 5, row E)",
    )
    norm: Norm = Field(
        "bn", description="normalisation of each branch of the condition; default: bn, or none after a pooling"
    )
    norm_groups: int = Field(
        8, ge=1, le=512, description="number of groups of gn; reduced to the largest divisor of the channels"
    )
    funnel_init: Literal["normal", "kaiming"] = Field(
        "normal",
        description="standard deviation of the condition's Gaussian initial weights: init_std (normal), or "
        "sqrt(2 / (C k)) (kaiming) with C channels and k weights per window",
    )
    init_std: float = Field(
        0.01, ge=0, le=10, description="standard deviation of the condition's Gaussian initial weights"
    )
    gamma_init: float = Field(1.0, ge=-10, le=10, description="initial scale (gamma) of the condition's normalisation")
    funnel_bias: bool = Field(False, description="bias in the condition's convolution")

    @model_validator(mode="before")
    @classmethod
    def _norm_by_condition(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and data.get("condition") in ("max_pool", "avg_pool"):
            return {"norm": "none", **data}
        return data

    @field_validator("stages", "layers")
    @classmethod
    def _set(cls, value: Any) -> Any:
        if value == "all":
            return value
        if not value:
            raise ValueError('the list is empty; give at least one item, or "all"')
        if len(set(value)) < len(value):
            raise ValueError("the list repeats an item; give each once")
        return tuple(sorted(value))

    def conditional_defaults(self) -> dict[str, Any]:
        """See `Recipe.conditional_defaults`."""
        return {} if self.condition == "parametric" else {"norm": "none"}

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.is_own:
            gone["elsewhere"] = "our own networks already have ReLU at all other sites"
            if self.activation == "relu":
                reason = "our own networks already have ReLU at every site"
                gone |= dict.fromkeys(("stages", "layers"), reason)
        if self.stages == "all" and self.layers == "all":
            gone["elsewhere"] = "every site is selected"
        if self.activation != "swish":
            gone["swish_trainable"] = f"activation is {self.activation}, not swish"
        return gone | self._funnel_fields_without_meaning()

    def _funnel_fields_without_meaning(self) -> dict[str, str]:
        if self.activation != "frelu":
            return dict.fromkeys(FUNNEL_FIELDS, f"activation is {self.activation}, which has no funnel condition")
        gone = {}
        if self.window == "1x1":
            gone["window_dilation"] = "a 1x1 window cannot be dilated"
        if self.condition == "avg_pool":
            gone["window_dilation"] = "average pooling cannot be dilated"
        if self.window != "1x3+3x1":
            gone["branch_combine"] = f"window {self.window} has one branch"
        if self.condition != "parametric":
            reason = f"condition {self.condition} has no weights"
            gone |= dict.fromkeys(("funnel_init", "init_std", "funnel_bias"), reason)
        elif self.funnel_init != "normal":
            gone["init_std"] = f"funnel_init is {self.funnel_init}"
        if self.norm == "none":
            gone["gamma_init"] = "norm is none"
        if self.norm != "gn":
            gone["norm_groups"] = f"norm is {self.norm}, not gn"
        return gone


FUNNEL_FIELDS = (
    "condition", "window", "window_dilation", "branch_combine", "combine",
    "norm", "norm_groups", "funnel_init", "init_std", "gamma_init", "funnel_bias",
)  # fmt: skip


class TrainingFields(Recipe):
    """Fields of the training."""

    train_images: int = Field(0, ge=0, description="number of training images, a random subset per seed; 0: all")
    test_images: int = Field(0, ge=0, description="number of test images, the same subset for every seed; 0: all")
    epochs: int = Field(120, ge=1, le=100_000, description="passes over the training images; ignored if `steps` is set")
    steps: int = Field(0, ge=0, le=100_000_000, description="optimiser steps; 0: given by `epochs`")
    batch_size: int = Field(256, ge=1, le=65_536, description="images per optimiser step")
    lr: float = Field(0.1, gt=0, le=1000, description="maximum learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of SGD")
    nesterov: bool = Field(False, description="Nesterov momentum")
    weight_decay: float = Field(
        1e-4, ge=0, le=10, description="weight decay of matrices and kernels; vectors (biases, norms) have none"
    )
    schedule: Literal["linear", "onecycle", "cosine", "constant"] = Field(
        "linear", description="learning rate schedule; all except constant end at zero; onecycle is triangular"
    )
    warmup_epochs: float = Field(0.0, ge=0, le=1000, description="epochs of linear learning rate warm-up from zero")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="label smoothing: share of the target spread over all classes"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout probability before the head")
    augment: Literal["none", "flip", "crop", "crop_flip", "resized_crop_flip_jitter"] = Field(
        "crop_flip",
        description="augmentation: flip mirrors, crop shifts by up to 1/8 of the side, crop_flip does both; "
        "resized_crop_flip_jitter is ImageNet's random resized crop, flip and colour jitter of 0.4",
    )
    input_norm: Literal["dataset", "none"] = Field(
        "dataset",
        description="input normalisation by the data set's mean and standard deviation; none: pixels 0 to 255",
    )
    norm_batch: int = Field(
        0, ge=0, le=65_536, description="images per batch-norm statistic, a divisor of batch_size; 0: the whole batch"
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="numerical precision; bf16: mixed precision (autocast)"
    )
    channels_last: bool = Field(
        True, description="channels-last memory format, which is faster for depthwise convolutions"
    )

    @model_validator(mode="after")
    def _consistent(self) -> TrainingFields:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: requires momentum above 0")
        if self.norm_batch and self.batch_size % self.norm_batch:
            raise ValueError(f"norm_batch: {self.norm_batch} does not divide batch_size {self.batch_size}")
        return self

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.steps:
            gone["epochs"] = "steps is set"
        if self.schedule == "onecycle":
            gone["warmup_epochs"] = "onecycle has its own warm-up"
        return gone


class ClassifyRecipe(TrainingFields, ActivationFields):
    """Recipe of the task `classify`: image classification with one network, trained from scratch."""


EXCLUSIVE = (("epochs", "steps"),)
"""Pairs of fields that exclude each other: if a later layer sets one, it removes the other of an earlier layer."""


def architecture_of(recipe: ClassifyRecipe) -> ClassifyRecipe:
    """The recipe reduced to the fields of its network; recipes that differ only in training give the same."""
    names = (*ActivationFields.model_fields, "dropout")
    return ClassifyRecipe.model_construct(**{name: getattr(recipe, name) for name in names})
