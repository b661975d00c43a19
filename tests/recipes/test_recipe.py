"""Recipes and keys: what makes two trials the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from ablate.recipes.classify import ACTIVATIONS, ClassifyRecipe, applicable_values, identity_of, inapplicable_fields
from ablate.study.field_catalog import describe_fields, study_schema
from ablate.trials.trial import trial_key

GOLDEN: list[tuple[dict[str, Any], int, int, str]] = [
    ({}, 0, 0, "6ebd4bf9f74ae18ad63065678b3f12aed0014b85e246bc19608e476bcddbfa85"),
    ({}, 1, 0, "5b2475ba181aa230a186e81dabdec4ba9421fcedd17edcfe72b9085b97a88956"),
    ({}, 0, 1, "00b6542f2ed9ce18b10a0ad3e9b95fc17c04fb54290f67c5b2ba811f4c045bec"),
    ({"activation": "relu"}, 0, 0, "86fa794abd72340306cfa288346e74c1955dfcfbb9af114f67d99d64a2fd69fa"),
    (
        {"activation": "swish", "swish_trainable": True},
        0,
        0,
        "4cc7513531d4b3d724b055cdef7bb638fb9112c1a542e0e50e4b246ed484f395",
    ),
    ({"condition": "max_pool"}, 0, 0, "fd0f1a41e218218b7c81c29094d9121899f3ba8ddaafe0db5e51ea0a85382b65"),
    (
        {"window": "1x3+3x1", "branch_combine": "max", "norm": "gn", "norm_groups": 4},
        3,
        0,
        "2037e71b26d9362a8c5a292ea081d780aa3b5eb87670e27c13034e1833f278e3",
    ),
    (
        {"model": "torchvision/resnet18", "stages": "all", "layers": ["3x3"]},
        0,
        0,
        "3bc8980e409197cb294f7854922d1c11690dce21c95b8fc14e0a64ed38b47424",
    ),
    (
        {
            "dataset": "fashion-mnist",
            "width": 0.125,
            "depth": [1, 1, 1, 1],
            "stem": "small_s2",
            "steps": 340,
            "lr": 0.2,
        },
        7,
        0,
        "29b153b53288e5b29cfe1455bf078d83c91caea919b0d0b760e0b8288d33cd06",
    ),
    (
        {"model": "resnet101", "se": True, "se_ratio": 32, "combine": "dw_relu"},
        1099511627776,
        0,
        "51d563c791712153486a64d314605a992af1fb9d9df4143e1d01f6b17a4f9357",
    ),
]


@pytest.mark.parametrize(("values", "seed", "replicate", "key"), GOLDEN)
def test_keys_of_old_recipes_never_change(values: dict[str, Any], seed: int, replicate: int, key: str) -> None:
    assert trial_key("classify", identity_of(ClassifyRecipe(**values)), seed, replicate) == key


def test_different_recipes_seeds_and_replicates_have_different_keys() -> None:
    assert len({key for *_, key in GOLDEN}) == len(GOLDEN)


recipes = st.fixed_dictionaries(
    {},
    optional={
        "activation": st.sampled_from(ACTIVATIONS),
        "condition": st.sampled_from(["parametric", "max_pool", "avg_pool"]),
        "window": st.sampled_from(["1x1", "3x3", "1x3+3x1"]),
        "norm": st.sampled_from(["none", "bn", "gn"]),
        "stages": st.lists(st.integers(1, 5), min_size=1, unique=True),
        "steps": st.integers(0, 9),
        "lr": st.floats(0.001, 10),
        "model": st.sampled_from(["resnet50", "torchvision/resnet18"]),
        "se": st.booleans(),
    },
)


@given(recipes)
def test_a_field_added_later_with_a_default_leaves_every_key_alone(values: dict[str, Any]) -> None:
    class Later(ClassifyRecipe):
        ema: float = Field(0.0, description="a field of next year")

    assert identity_of(Later(**values)) == identity_of(ClassifyRecipe(**values))
    assert identity_of(Later(**values, ema=0.5)) != identity_of(ClassifyRecipe(**values))


@given(recipes)
def test_what_does_not_apply_and_what_is_default_is_no_part_of_the_identity(values: dict[str, Any]) -> None:
    recipe = ClassifyRecipe(**values)
    gone = inapplicable_fields(recipe)
    assert identity_of(recipe).keys().isdisjoint(gone)
    spelled_out = {**recipe.model_dump(), **values}
    assert identity_of(ClassifyRecipe(**spelled_out)) == identity_of(recipe)


@given(recipes)
def test_a_trial_gives_back_the_recipe_it_was_made_of(values: dict[str, Any]) -> None:
    recipe = ClassifyRecipe(**values)
    again = ClassifyRecipe.model_validate(applicable_values(recipe))
    assert identity_of(again) == identity_of(recipe)


def test_the_order_of_a_set_and_the_spelling_of_a_number_do_not_matter() -> None:
    one, two = ClassifyRecipe(stages=[4, 2], lr=1), ClassifyRecipe(stages=(2, 4), lr=1.0)
    assert identity_of(one) == identity_of(two)


def test_the_norm_behind_a_pooling_is_none_unless_it_is_asked_for() -> None:
    assert ClassifyRecipe(condition="max_pool").norm == "none"
    assert identity_of(ClassifyRecipe(condition="max_pool", norm="none")) == {"condition": "max_pool"}
    assert identity_of(ClassifyRecipe(condition="max_pool", norm="bn"))["norm"] == "bn"


def test_on_our_own_networks_relu_has_no_placement_and_elsewhere_means_nothing() -> None:
    assert identity_of(ClassifyRecipe(activation="relu", stages=[2], elsewhere="relu")) == {"activation": "relu"}
    foreign = ClassifyRecipe(model="torchvision/resnet18", activation="relu", stages=[2])
    assert identity_of(foreign)["stages"] == [2]


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({}, {"se_ratio", "se_position"}),
        ({"se": True}, set()),
        ({"se": True, "model": "mobilenet_v1_x0.75"}, {"se_position", "stride_in"}),
        ({"se": True, "model": "shufflenet_v2_x0.5"}, {"se_position", "stride_in"}),
        ({"model": "torchvision/resnet50"}, {"se_ratio", "se_position", "stride_in", "conv_bias"}),
        ({"se": True, "funnel_init": "kaiming"}, {"init_std"}),
        ({"se": True, "condition": "avg_pool"}, {"init_std", "funnel_init", "funnel_bias"}),
        ({"se": True, "activation": "relu"}, {"init_std", "funnel_init", "funnel_bias"}),
    ],
)
def test_fields_of_the_released_code_apply_only_where_they_mean_something(
    values: dict[str, Any], gone: set[str]
) -> None:
    asked = {"se_ratio", "se_position", "stride_in", "conv_bias", "funnel_init", "init_std", "funnel_bias"}
    assert inapplicable_fields(ClassifyRecipe(**values)).keys() & asked == gone


def test_every_field_of_the_released_code_enters_the_identity() -> None:
    values = {
        "se": True, "se_position": "post", "stride_in": "3x3", "conv_bias": True, "funnel_init": "kaiming",
        "input_norm": "none", "norm_batch": 32,
    }  # fmt: skip
    assert identity_of(ClassifyRecipe(**values)) == values


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"model": "resnet5"}, "did you mean 'resnet50'"),
        ({"model": "../etc"}, "no network"),
        ({"depth": [1, 1]}, "2 numbers are given, resnet50 has 4 stages"),
        ({"stages": []}, "the list is empty"),
        ({"layers": ["3x3", "3x3"]}, "repeats an item"),
        ({"nesterov": True, "momentum": 0}, "momentum above 0"),
        ({"lr": float("nan")}, "greater than 0|finite"),
        ({"norm_batch": 48}, "48 does not divide batch_size 256"),
        ({"se_position": "after"}, "'residual', 'pre', 'post' or 'identity'"),
    ],
)
def test_a_wrong_value_is_refused_with_the_reason(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        ClassifyRecipe(**values)


def test_every_field_has_a_type_a_default_and_a_text() -> None:
    for field in describe_fields(ClassifyRecipe):
        assert field["text"], field["name"]
        assert field["type"] != "value", field["name"]
    assert study_schema(ClassifyRecipe)["properties"]["base"]["properties"]["window"]["default"] == "3x3"
