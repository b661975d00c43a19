"""Recipes: the flat list of choices that, with a seed, decides a trial.

Every task has its own `Recipe` class; that of image classification is composed here from groups of fields (network,
activation, funnel, training). Every field has a type, a range, a default and a description; the catalog, `--help` and
the JSON Schema are generated from them. Which fields apply, and which enter a trial's key: `ablate.recipes.identity`.
This module never imports torch.
"""

from __future__ import annotations

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
"""Length of `depth`, by family."""

ACTIVATIONS: tuple[str, ...] = get_args(Activation)

DATASET = r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:@[0-9a-f]{16})?$"
"""Names of data sets; that of a registered folder ends with the first digits of its fingerprint in a plan."""


class NetworkFields(Recipe):
    """Which network, on which data, at which size."""

    model: str = Field(
        "resnet50",
        max_length=100,
        pattern=r"^(?:[a-z0-9_.]+|torchvision/[A-Za-z0-9_.]+|timm/[A-Za-z0-9_.]+)$",
        description=f"the network: {', '.join(OWN_NETWORKS)} (ours), torchvision/NAME or timm/NAME",
    )
    dataset: str = Field(
        "imagenet",
        max_length=64,
        pattern=DATASET,
        description="the data set; `ablate data list` lists them",
    )
    resolution_px: int = Field(
        0, ge=0, le=1024, description="side to which images are resized on the device; 0 keeps the data's own size"
    )
    width: float = Field(1.0, gt=0, le=8, description="multiplier on the channels of our own networks")
    depth: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Strict(False)] | None = Field(
        None,
        description="blocks in each stage of our own networks (ResNet 4 numbers, MobileNet 5, ShuffleNet 3); "
        "null: the network's own",
    )
    stem: Literal["imagenet", "small", "small_s2"] = Field(
        "imagenet",
        description="first layer of our own networks: as published; a 3x3 convolution of stride 1; the same of stride "
        "2; the small ones have no pooling after them",
    )
    se: bool = Field(False, description="squeeze-and-excitation in each block of our own networks")
    se_ratio: int = Field(16, ge=1, le=256, description="reduction of squeeze-and-excitation, C -> C/ratio -> C")
    se_position: SePosition = Field(
        "residual",
        description="position of squeeze-and-excitation in a ResNet's block: at the end of the residual branch, at "
        "its beginning (pre), after the block's last activation (post), or on the shortcut (identity)",
    )
    stride_in: Literal["1x1", "3x3"] = Field(
        "1x1",
        description="where a stage of our ResNets has its stride: in the first 1x1 convolution (v1) or the 3x3 (v1.5)",
    )
    conv_bias: bool = Field(
        False, description="a bias in every convolution of our own networks, before its normalisation"
    )

    @field_validator("model")
    @classmethod
    def _known_network(cls, name: str) -> str:
        if "/" not in name and name not in OWN_NETWORKS:
            known = (*OWN_NETWORKS, "torchvision/NAME", "timm/NAME")
            raise ValueError(f"no network {quote(name)}{nearest(name, known)}")
        return name

    @model_validator(mode="after")
    def _depth_fits(self) -> NetworkFields:
        expected = STAGES_OF_OWN.get(self.model.split("_")[0].rstrip("0123456789"))
        if self.depth is not None and self.is_own and len(self.depth) != expected:
            raise ValueError(f"depth: {len(self.depth)} numbers given, {self.model} has {expected} stages")
        return self

    @property
    def is_own(self) -> bool:
        """Whether the network is one of ours (native activation ReLU, with the fields of `FIELDS_OF_OWN`)."""
        return "/" not in self.model

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if not self.is_own:
            reason = f"only our own networks ({', '.join(OWN_NETWORKS)}) have it, {self.model} does not"
            return gone | dict.fromkeys(FIELDS_OF_OWN, reason)
        if not self.model.startswith("resnet"):
            gone["stride_in"] = f"only our ResNets have it, {self.model} does not"
            gone["se_position"] = f"a block of {self.model} has only one position for it"
        if not self.se:
            gone |= dict.fromkeys(("se_ratio", "se_position"), "se is false")
        return gone


FIELDS_OF_OWN = ("width", "depth", "stem", "se", "se_ratio", "se_position", "stride_in", "conv_bias")
"""Fields that only our own networks have."""


class ActivationFields(NetworkFields):
    """Which activation is used at which call sites."""

    activation: Activation = Field("frelu", description="activation at the selected call sites")
    elsewhere: Literal["keep", "relu"] = Field(
        "keep", description="activation at the other call sites; keep: their own"
    )
    stages: Literal["all"] | Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Strict(False)] = Field(
        (2, 3, 4), description='stages whose sites are selected (conv1 is stage 1), or "all"'
    )
    layers: Literal["all"] | Annotated[tuple[Layer, ...], Strict(False)] = Field(
        ("1x1", "3x3", "add"),
        description='kinds of site that are selected, by what feeds them: 1x1, 3x3 (or larger), add, stem; or "all"',
    )
    swish_trainable: bool = Field(False, description="learn Swish's beta, one per channel, from 1")
    condition: Literal["parametric", "max_pool", "avg_pool"] = Field(
        "parametric", description="the funnel condition T(x): depthwise convolution or pooling"
    )
    window: Window = Field("3x3", description="window of the funnel condition; 1x3+3x1 has two branches")
    window_dilation: int = Field(1, ge=1, le=8, description="dilation of the window")
    branch_combine: Literal["sum", "max"] = Field("sum", description="how the two branches of 1x3+3x1 are combined")
    combine: Literal["max", "sum", "dw_relu"] = Field(
        "max", description="max(x, T(x)), x + T(x), or max(T(x), 0) (Table 5, row E)"
    )
    norm: Norm = Field(
        "bn", description="normalisation of each branch of the condition; default bn, after a pooling none"
    )
    norm_groups: int = Field(
        8, ge=1, le=512, description="groups of gn; lowered to the largest divisor of the channels"
    )
    funnel_init: Literal["normal", "kaiming"] = Field(
        "normal",
        description="standard deviation of the condition's weights: init_std (normal), or sqrt(2 / (C k)) (kaiming) "
        "with C channels and k weights in the window",
    )
    init_std: float = Field(0.01, ge=0, le=10, description="standard deviation of the condition's Gaussian init")
    gamma_init: float = Field(1.0, ge=-10, le=10, description="initial gain of the condition's normalisation")
    funnel_bias: bool = Field(False, description="a bias in the condition's convolution")

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
            raise ValueError('the list is empty; name at least one, or "all"')
        if len(set(value)) < len(value):
            raise ValueError("the list has a duplicate")
        return tuple(sorted(value))

    def conditional_defaults(self) -> dict[str, Any]:
        """See `Recipe.conditional_defaults`."""
        return {} if self.condition == "parametric" else {"norm": "none"}

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.is_own:
            gone["elsewhere"] = "our own networks already have ReLU everywhere else"
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
            gone["window_dilation"] = "a window of 1x1 has nothing to dilate"
        if self.condition == "avg_pool":
            gone["window_dilation"] = "an average pooling cannot be dilated"
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
    """How the network is trained."""

    train_images: int = Field(0, ge=0, description="size of the training subset, drawn for each seed; 0 = all")
    test_images: int = Field(0, ge=0, description="size of the test subset, the same for every seed; 0 = all")
    epochs: int = Field(120, ge=1, le=100_000, description="passes over the training images; `steps` overrides it")
    steps: int = Field(0, ge=0, le=100_000_000, description="optimiser steps; 0: as many as `epochs` has")
    batch_size: int = Field(256, ge=1, le=65_536, description="images per step")
    lr: float = Field(0.1, gt=0, le=1000, description="highest learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of SGD")
    nesterov: bool = Field(False, description="Nesterov's form of momentum")
    weight_decay: float = Field(1e-4, ge=0, le=10, description="of matrices and kernels; vectors have none")
    schedule: Literal["linear", "onecycle", "cosine", "constant"] = Field(
        "linear", description="learning-rate schedule, down to zero except for constant; onecycle is triangular"
    )
    warmup_epochs: float = Field(0.0, ge=0, le=1000, description="epochs of linear warm-up from zero")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all classes")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout before the head")
    augment: Literal["none", "flip", "crop", "crop_flip", "resized_crop_flip_jitter"] = Field(
        "crop_flip",
        description="flip, a shift by up to 1/8 of the side (crop), both; or ImageNet's random resized crop, flip and "
        "colour jitter of 0.4",
    )
    input_norm: Literal["dataset", "none"] = Field(
        "dataset", description="normalise pixels by the data set's mean and standard deviation; none: 0 to 255"
    )
    norm_batch: int = Field(
        0,
        ge=0,
        le=65_536,
        description="images over which batch normalisation computes its statistics, a divisor of batch_size; 0: the "
        "step's whole batch",
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16: mixed precision by autocast")
    channels_last: bool = Field(True, description="memory format; faster for depthwise convolutions")

    @model_validator(mode="after")
    def _consistent(self) -> TrainingFields:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: needs momentum above 0")
        if self.norm_batch and self.batch_size % self.norm_batch:
            raise ValueError(f"norm_batch: {self.norm_batch} does not divide batch_size {self.batch_size}")
        return self

    def inapplicable(self) -> dict[str, str]:
        """See `Recipe.inapplicable`."""
        gone = super().inapplicable()
        if self.steps:
            gone["epochs"] = "steps is given"
        if self.schedule == "onecycle":
            gone["warmup_epochs"] = "onecycle has its own warm-up"
        return gone


class ClassifyRecipe(TrainingFields, ActivationFields):
    """Recipe of the task `classify`: image classification by one network, trained from scratch."""


EXCLUSIVE = (("epochs", "steps"),)
"""Fields that replace each other: a later layer's choice of one overrides an earlier layer's choice of the other."""


def architecture_of(recipe: ClassifyRecipe) -> ClassifyRecipe:
    """The recipe reduced to what decides its network; recipes that differ only in training give the same one."""
    names = (*ActivationFields.model_fields, "dropout")
    return ClassifyRecipe.model_construct(**{name: getattr(recipe, name) for name in names})
