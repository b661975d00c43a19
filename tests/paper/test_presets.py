"""Presets: what they pin, for which networks, and which recipes are called by their name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from ablate.errors import AblateError
from ablate.paper.presets import (
    FIXED,
    FULL_SIZE,
    NETWORK,
    PAPER_TEXT,
    PRESETS,
    RELEASED_CODE,
    TEXT_DETECTION,
    TEXT_SEGMENTATION,
    preset_fields,
    preset_of,
)
from ablate.recipes.classify import ActivationFields, ClassifyRecipe, TrainingFields, inapplicable_fields
from ablate.recipes.scenes import BackboneTraining, DetectRecipe, SegmentRecipe

PAIRS = [(name, model) for name in PRESETS for model in NETWORK[name]]
OTHER: dict[str, tuple[Any, ...]] = {
    "dataset": ("cifar10",), "steps": (1000,), "batch_size": (512,), "lr": (0.2,), "momentum": (0.8,),
    "nesterov": (True,), "weight_decay": (5e-4,), "schedule": ("cosine",), "warmup_epochs": (5.0,),
    "label_smoothing": (0.1, 0.0), "dropout": (0.1, 0.0), "augment": ("flip",), "precision": ("bf16",),
    "input_norm": ("dataset", "none"), "norm_batch": (0,), "optimizer": ("rmsprop",), "clip_norm": (1.0,),
    "accumulate": (2,), "ema_decay": (0.99,),
}  # fmt: skip
"""Values that a preset may not have, for every field that one pins."""


def recipe_of(name: str, model: str, **changes: Any) -> ClassifyRecipe:
    return ClassifyRecipe(**{"model": model, **preset_fields(name, model), **changes})


@pytest.mark.parametrize(("name", "model"), PAIRS)
def test_a_presets_fields_make_a_recipe_of_its_name_and_all_of_them_apply(name: str, model: str) -> None:
    recipe = recipe_of(name, model)
    assert preset_of(recipe) == name
    assert inapplicable_fields(recipe).keys().isdisjoint(preset_fields(name, model))
    assert json.loads(json.dumps(preset_fields(name, model))) == preset_fields(name, model)


@pytest.mark.parametrize(("name", "model"), PAIRS)
def test_any_other_value_of_a_pinned_training_field_is_no_preset(name: str, model: str) -> None:
    fields = preset_fields(name, model)
    for field in sorted(fields.keys() & {*TrainingFields.model_fields, "dataset"}):
        value, *_ = (value for value in OTHER[field] if value != fields[field])
        assert preset_of(recipe_of(name, model, **{field: value})) is None, field


def test_every_training_field_is_pinned_but_those_that_change_no_number() -> None:
    free = {"epochs", "channels_last", "betas"}  # steps overrides the one, one is a memory format, one is of Adam
    for name, model in PAIRS:
        assert {*preset_fields(name, model), *FULL_SIZE} >= TrainingFields.model_fields.keys() - free


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0.5}, {"depth": (1, 1, 1, 1)}, {"stem": "small"}, {"resolution_px": 160},
        {"train_images": 100_000}, {"test_images": 10_000},
    ],
)  # fmt: skip
def test_a_smaller_network_fewer_images_or_smaller_ones_are_no_preset(changes: dict[str, Any]) -> None:
    assert preset_of(recipe_of(PAPER_TEXT, "resnet50", **changes)) is None


def test_what_tables_vary_leaves_the_preset_as_it_is() -> None:
    varied = {"activation": "swish", "stages": [2], "layers": ["3x3"], "norm": "gn", "window": "7x7", "se": True}
    assert preset_of(recipe_of(PAPER_TEXT, "resnet50", **varied)) == PAPER_TEXT
    assert preset_of(recipe_of(PAPER_TEXT, "resnet50", resolution_px=224)) == PAPER_TEXT


@pytest.mark.parametrize("field", FIXED)
def test_what_no_table_varies_of_the_network_is_pinned_where_it_applies(field: str) -> None:
    other = preset_fields(RELEASED_CODE, "resnet50")[field] if field != "init_std" else 1.0
    changed = {field: other if field != "stride_in" else "3x3"}
    assert preset_of(recipe_of(PAPER_TEXT, "resnet50", **changed)) is None
    expected = PAPER_TEXT if field in ("funnel_bias", "funnel_init", "init_std") else None
    assert preset_of(recipe_of(PAPER_TEXT, "resnet50", activation="relu", **changed)) == expected


def detector_of(**changes: Any) -> DetectRecipe:
    fields = preset_fields(PAPER_TEXT, "resnet50")
    backbone = {name: value for name, value in fields.items() if name in BackboneTraining.model_fields}
    network = {name: value for name, value in fields.items() if name in ActivationFields.model_fields}
    return DetectRecipe(**{**network, **TEXT_DETECTION, "backbone": BackboneTraining(**backbone), **changes})


def test_a_detector_has_the_papers_preset_where_it_and_its_backbone_train_by_it() -> None:
    assert preset_of(detector_of()) == PAPER_TEXT
    assert preset_of(detector_of(activation="swish")) == PAPER_TEXT
    other = BackboneTraining(**{**detector_of().backbone.model_dump(), "lr": 0.2})
    for changes in (
        {"backbone": None},
        {"backbone": other},
        {"batch_size": 16},
        {"resolution_px": 800},
        {"width": 0.5},
    ):
        assert preset_of(detector_of(**changes)) is None, changes
    free = {"epochs", "channels_last", "backbone", "betas"}
    assert {*TEXT_DETECTION} >= DetectRecipe.model_fields.keys() - ActivationFields.model_fields.keys() - free


def test_a_segmenter_has_the_papers_preset_where_it_and_its_backbone_train_by_it() -> None:
    of_network = {name: getattr(detector_of(), name) for name in (*ActivationFields.model_fields, "backbone")}
    recipe = SegmentRecipe(**{**of_network, **TEXT_SEGMENTATION})
    assert preset_of(recipe) == PAPER_TEXT
    for changes in ({"backbone": None}, {"crop_px": 512}, {"batch_size": 8}, {"aux_weight": 0.0}, {"width": 0.5}):
        assert preset_of(recipe.model_copy(update=changes)) is None, changes
    free = {"epochs", "channels_last", "backbone", "betas"}
    assert {*TEXT_SEGMENTATION} >= SegmentRecipe.model_fields.keys() - ActivationFields.model_fields.keys() - free


def test_no_other_recipe_has_a_preset() -> None:
    class Other(BaseModel):
        lr: float = 0.1

    assert preset_of(Other()) is None
    assert preset_of(ClassifyRecipe()) is None
    fields = preset_fields(PAPER_TEXT, "resnet50")
    assert preset_of(ClassifyRecipe(model="torchvision/resnet50", **fields)) is None
    # No MobileNet was released, so that the ResNets' released recipe is none for it.
    released = preset_fields(RELEASED_CODE, "resnet50")
    assert preset_of(ClassifyRecipe(**{**released, "model": "mobilenet_v1_x0.75"})) is None


@pytest.mark.parametrize(
    ("name", "model", "text"),
    [
        ("released_code", "resnet50", "no preset 'released_code'; did you mean 'released-code'"),
        (RELEASED_CODE, "mobilenet_v1_x0.75", "it covers resnet50, resnet101, .*; 'paper-text' covers it"),
        (RELEASED_CODE, "shufflenet_v2_x1.5", "does not cover 'shufflenet_v2_x1.5'"),
        (PAPER_TEXT, "torchvision/resnet50", "does not cover"),
    ],
)
def test_asking_for_what_no_source_has_says_so(name: str, model: str, text: str) -> None:
    with pytest.raises(AblateError, match=text):
        preset_fields(name, model)
