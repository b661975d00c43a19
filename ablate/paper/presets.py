"""The two recipes of the FReLU paper, as data: `paper-text` from the paper and `released-code` from its authors' code.

Marks give the source of each value: [Q] quoted (text: the training line of the paper in two reviews of it; code:
github.com/megvii-model/FunnelAct at 8a9cdc6), [C] derived by counting, [U] stated by others than the authors, [A]
assumed, for lack of a statement in the source. The two recipes differ, and neither may take numbers from the other.
This module never imports torch.

No recipe field covers these details of the released code: its ShuffleNet starts from Gaussians of deviation 1/inputs
(stem and head 0.01) and shifts of 1e-4 in normalisations, while ours uses Kaiming and 0; it reads colours in BGR order.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ablate.errors import AblateError, nearest, quote
from ablate.recipes.classify import OWN_NETWORKS, ClassifyRecipe, inapplicable_fields
from ablate.recipes.scenes import DetectRecipe, SegmentRecipe

PAPER_TEXT, RELEASED_CODE = PRESETS = ("paper-text", "released-code")

FULL_SIZE: dict[str, tuple[Any, ...]] = {
    "width": (1.0,),
    "depth": (None,),
    "stem": ("imagenet",),
    "resolution_px": (0, 224),
    "train_images": (0,),
    "test_images": (0,),
}
"""Further requirements of a preset: the published network on all images at 224 px."""

PLAIN_SGD: dict[str, Any] = {
    "optimizer": "sgd",  # [Q] code; [A] text
    "clip_norm": 0.0,  # [A] as the next two: none of them is named
    "accumulate": 1,
    "ema_decay": 0.0,
}

EVERYWHERE: dict[str, Any] = {
    **PLAIN_SGD,
    "dataset": "imagenet",  # [Q]
    "schedule": "linear",  # [Q] text and code: lr (1 - step / steps)
    "warmup_epochs": 0.0,  # [Q] code; [A] text
    "momentum": 0.9,  # [Q] code; [A] text
    "nesterov": False,  # [Q] code; [A] text
    "augment": "resized_crop_flip_jitter",  # [Q] code; [A] text
    "precision": "fp32",  # [Q] code; [A] text
}

TEXT_TRAINING: dict[str, Any] = {
    **EVERYWHERE,
    "steps": 600_000,  # [Q], 120 epochs [C]
    "batch_size": 256,  # [Q]
    "lr": 0.1,  # [Q]
    "weight_decay": 1e-4,  # [Q]
    "dropout": 0.1,  # [Q]
    "label_smoothing": 0.0,  # [A] none is named
    "input_norm": "dataset",  # [A]
    "norm_batch": 32,  # [A] 8 GPUs of 32 images, as the released code has this batch
}
"""The only quoted training line, from the ResNet section; it is assumed for MobileNet and ShuffleNet too."""

TEXT_DETECTION: dict[str, Any] = {
    **PLAIN_SGD,
    "dataset": "coco",  # [Q] train2017, val2017
    "batch_size": 2,  # [Q]
    "momentum": 0.9,  # [U]
    "weight_decay": 1e-4,  # [U]
    "resolution_px": 600,  # [U] of the shorter side
    "steps": 720_000,  # [A] the length of RetinaNet's own: 90,000 steps of 16 images, 12 epochs
    "schedule": "step",  # [A] RetinaNet's own: at 60,000 and 80,000 of 90,000 steps
    "lr": 0.00125,  # [A] RetinaNet's 0.01 for 16 images, by linear scaling
    "warmup_steps": 500,  # [A]
    "augment": "flip",  # [A] RetinaNet's own
    "freeze_norm": True,  # [A] two images are too few for statistics
    "pyramid_channels": 256,  # [A] as the next three: RetinaNet's own; its scales and ratios are [U]
    "head_convs": 4,
    "head_norm": "none",
    "anchor_px": 32,
    "precision": "fp32",  # [A]
    "train_images": 0,  # [Q] all
    "test_images": 0,  # [Q] all
}
"""RetinaNet on COCO, of which the text states two things. The backbone comes from a trial of `paper-text`."""

TEXT_SEGMENTATION: dict[str, Any] = {
    **PLAIN_SGD,
    "dataset": "cityscapes",  # [Q] finely labelled train and val
    "batch_size": 16,  # [Q] 2 a GPU, 8 GPUs
    "lr": 0.01,  # [U] base
    "schedule": "poly",  # [U] of power 0.9
    "weight_decay": 1e-4,  # [U]
    "momentum": 0.9,  # [A]
    "warmup_steps": 0,  # [A]
    "steps": 37_000,  # [A] 200 epochs, as PSPNet is trained on Cityscapes by its authors' later code
    "augment": "scale_crop_flip",  # [A] PSPNet's own, except rotation and blur
    "crop_px": 712,  # [A] its 713, as a multiple of the last map's stride
    "pyramid_channels": 512,  # [A] as the next two: PSPNet's own
    "aux_weight": 0.4,
    "dropout": 0.1,
    "freeze_norm": False,  # [A] statistics over all 16 images, as PSPNet's own
    "resolution_px": 0,  # [A] as stored; tested on whole scenes
    "precision": "fp32",  # [A]
    "train_images": 0,  # [Q] all
    "test_images": 0,  # [Q] all
}
"""PSPNet on Cityscapes, of which the text states two things. The backbone comes from a trial of `paper-text`."""

RESNET_CODE_TRAINING: dict[str, Any] = {
    **EVERYWHERE,
    "steps": 300_000,  # [Q], 60 epochs [C]
    "batch_size": 256,  # [Q] 32 a GPU, 8 GPUs [C]
    "lr": 0.1,  # [Q] 0.0125 a GPU
    "weight_decay": 1e-4,  # [Q]
    "dropout": 0.2,  # [Q]
    "label_smoothing": 0.0,  # [Q]
    "input_norm": "none",  # [Q] since its commit dcc8f51; before, by mean and deviation
    "norm_batch": 32,  # [Q] statistics of each GPU
}

SHUFFLENET_CODE_TRAINING: dict[str, Any] = {
    **EVERYWHERE,
    "steps": 300_000,  # [Q], 240 epochs [C]
    "batch_size": 1024,  # [Q] 128 a GPU, 8 GPUs [C]
    "lr": 0.5,  # [Q] 0.0625 a GPU
    "weight_decay": 4e-5,  # [Q]
    "dropout": 0.0,  # [Q]
    "label_smoothing": 0.1,  # [Q]
    "input_norm": "none",  # [Q] since its commit dcc8f51
    "norm_batch": 128,  # [Q] statistics of each GPU
}

TEXT_FUNNEL: dict[str, Any] = {
    "funnel_init": "normal",  # [Q]
    "init_std": 0.01,  # [Q] the author's answer in issue 4
    "funnel_bias": False,  # [A]
    "conv_bias": False,  # [A]
}

RESNET_PLACES: dict[str, Any] = {
    "stride_in": "1x1",  # [Q] code, [C] text: 3.86 G multiply-adds
    "stages": [2, 3, 4],  # [Q] text and code
    "layers": ["1x1", "3x3", "add"],  # [Q] code; the printed costs fit one a block [C]
    "window": "3x3",  # [Q]
}

RESNET_CODE: dict[str, Any] = {
    **RESNET_PLACES,
    "funnel_init": "kaiming",  # [Q] one loop initialises all convolutions
    "funnel_bias": True,  # [Q]
    "conv_bias": True,  # [Q]
}

ALL_SITES: dict[str, Any] = {"stages": "all", "layers": "all"}
LIGHT_WINDOW: dict[str, Any] = {"window": "1x3+3x1", "branch_combine": "sum"}

NETWORK: dict[str, dict[str, dict[str, Any]]] = {
    PAPER_TEXT: {
        "resnet50": {**TEXT_FUNNEL, **RESNET_PLACES},
        "resnet101": {**TEXT_FUNNEL, **RESNET_PLACES},
        # [U] text: all but the last stage; [A] both kinds of Table 8, without the stem; no cost tells more [C]
        "mobilenet_v1_x0.75": {**TEXT_FUNNEL, "stages": [1, 2, 3, 4], "layers": ["1x1", "3x3"], "window": "3x3"},
        # Against the text: the released code of x0.5 has all sites [Q], and only all sites fit 318 M of x1.5 [C].
        "shufflenet_v2_x0.5": {**TEXT_FUNNEL, **ALL_SITES, **LIGHT_WINDOW},  # [C] 45 M; with 3x3 it would be 48 M
        "shufflenet_v2_x1.5": {**TEXT_FUNNEL, **ALL_SITES, "window": "3x3"},
    },
    RELEASED_CODE: {
        "resnet50": RESNET_CODE,
        "resnet101": RESNET_CODE,
        # [Q] all of it; N(0, 1 / weight.shape[1]) has the deviation 1 for a depthwise convolution
        "shufflenet_v2_x0.5": {**ALL_SITES, **LIGHT_WINDOW, **TEXT_FUNNEL, "init_std": 1.0},
    },
}
"""Preset -> network -> fields that the source fixes; rows of a table vary some of these fields."""


FIXED = ("stride_in", "conv_bias", "funnel_bias", "funnel_init", "init_std")
"""Fields of the network and the funnel that no table of the paper varies."""


def preset_of(recipe: BaseModel) -> str | None:
    """The preset that a recipe follows, or None.

    Every training field that the preset fixes for the recipe's network must be equal, as must the applicable fields of
    `FIXED`, and the recipe must have full size (`FULL_SIZE`). Other fields of the network and the funnel are not
    compared, since tables vary them.
    """
    if isinstance(recipe, DetectRecipe | SegmentRecipe):
        parent = recipe.backbone_recipe()
        pinned = TEXT_DETECTION if isinstance(recipe, DetectRecipe) else TEXT_SEGMENTATION
        is_papers = parent is not None and preset_of(parent) == PAPER_TEXT and _trains_by(recipe, pinned)
        return PAPER_TEXT if is_papers else None
    if not isinstance(recipe, ClassifyRecipe):
        return None
    if any(getattr(recipe, field) not in allowed for field, allowed in FULL_SIZE.items()):
        return None
    names = [name for name in PRESETS if recipe.model in NETWORK[name]]
    return next((name for name in names if _trains_by(recipe, _pinned(recipe, name))), None)


def preset_fields(name: str, model: str) -> dict[str, Any]:
    """The recipe fields that a preset fixes for one of our networks, in the form of a study file.

    Args:
        name: `paper-text` or `released-code`.
        model: one of our networks.

    Raises:
        AblateError: there is no such preset, or it does not cover this network.
    """
    if name not in PRESETS:
        raise AblateError(f"no preset {quote(name)}{nearest(name, PRESETS)}")
    if model not in NETWORK[name]:
        raise AblateError(
            f"preset '{name}' does not cover {quote(model)}; it covers {', '.join(NETWORK[name])}{_advice(model)}"
        )
    return {**_training(name, model), **NETWORK[name][model]}


def _trains_by(recipe: BaseModel, pinned: dict[str, Any]) -> bool:
    return all(getattr(recipe, field) == value for field, value in pinned.items())


def _pinned(recipe: ClassifyRecipe, name: str) -> dict[str, Any]:
    gone, network = inapplicable_fields(recipe), NETWORK[name][recipe.model]
    fixed = {field: network[field] for field in FIXED if field in network and field not in gone}
    return {**_training(name, recipe.model), **fixed}


def _training(name: str, model: str) -> dict[str, Any]:
    if name == PAPER_TEXT:
        return TEXT_TRAINING
    return RESNET_CODE_TRAINING if model.startswith("resnet") else SHUFFLENET_CODE_TRAINING


def _advice(model: str) -> str:
    return f"; '{PAPER_TEXT}' covers it" if model in OWN_NETWORKS else ""
