"""Recipes: the flat list of fields that, with a seed, determine a trial.

Every task has its own `Recipe` class. That of the built-in vision tasks is composed here from groups of fields
(network, activation, funnel, training). Every field has a type, a range, a default and a description; the catalog,
`--help` and the JSON Schema are generated from them. `ablate.recipes.identity` decides which fields apply and which
enter a trial's key. This module never imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, Strict, field_validator, model_validator

from ablate.recipes.identity import Recipe, applicable_values, identity_of, inapplicable_fields
from ablate.recipes.network import DATASET, OWN_NETWORKS, NetworkFields
from ablate.recipes.optimiser import OptimiserFields

__all__ = [
    "ACTIVATIONS", "DATASET", "EXCLUSIVE", "OWN_NETWORKS", "ActivationFields", "ClassifyRecipe", "NetworkFields",
    "Recipe", "TrainingFields", "applicable_values", "architecture_of", "identity_of", "inapplicable_fields",
]  # fmt: skip

Activation = Literal[
    "relu", "relu6", "leaky_relu", "prelu", "elu", "celu", "selu", "sigmoid", "tanh", "softplus", "hardswish", "swish",
    "gelu", "mish", "maxout", "acon_c", "meta_acon", "frelu",
]  # fmt: skip
Window = Literal["1x1", "3x3", "5x5", "7x7", "1x3+3x1"]
Norm = Literal["none", "bn", "ln", "in", "gn"]
Layer = Literal["1x1", "3x3", "add", "stem"]

ACTIVATIONS: tuple[str, ...] = get_args(Activation)


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
        return super().conditional_defaults() | ({} if self.condition == "parametric" else {"norm": "none"})

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


class TrainingFields(OptimiserFields):
    """Fields of the training."""

    train_images: int = Field(0, ge=0, description="number of training images, a random subset per seed; 0: all")
    test_images: int = Field(0, ge=0, description="number of test images, the same subset for every seed; 0: all")
    epochs: int = Field(120, ge=1, le=100_000, description="passes over the training images; ignored if `steps` is set")
    steps: int = Field(0, ge=0, le=100_000_000, description="optimiser steps; 0: given by `epochs`")
    batch_size: int = Field(256, ge=1, le=65_536, description="images per optimiser step")
    lr: float = Field(0.1, gt=0, le=1000, description="maximum learning rate; default of adam and adamw: 0.001")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd, rmsprop and timm's optimisers that have it")
    nesterov: bool = Field(False, description="Nesterov momentum")
    weight_decay: float = Field(
        1e-4,
        ge=0,
        le=10,
        description="weight decay of matrices and kernels; vectors (biases, norms) have none; default of adamw: 0.01",
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
        if self.nesterov and self.momentum == 0 and self.optimizer == "sgd":
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

    @model_validator(mode="after")
    def _has_statistics(self) -> ClassifyRecipe:
        refuse_single_images(self, self.norm_batch or self.batch_size // self.accumulate)
        return self


def refuse_single_images(recipe: ActivationFields, images: int) -> None:
    """Raise ValueError if the activation normalises over a batch of one image, which has no statistics."""
    if recipe.activation == "meta_acon" and images < 2:
        raise ValueError(
            "activation: meta_acon normalises one number per image, so it needs 2 images or more at a time"
        )


EXCLUSIVE = (("epochs", "steps"),)
"""Pairs of fields that exclude each other: if a later layer sets one, it removes the other of an earlier layer."""


def architecture_of(recipe: ClassifyRecipe) -> ClassifyRecipe:
    """The recipe reduced to the fields of its network; recipes that differ only in training give the same."""
    names = (*ActivationFields.model_fields, "dropout")
    return ClassifyRecipe.model_construct(**{name: getattr(recipe, name) for name in names})
