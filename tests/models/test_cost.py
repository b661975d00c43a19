"""Counted cost against the numbers recounted from the paper; the printed ones are in `test_published_cost`."""

from __future__ import annotations

import pytest

from ablate.models.cost import count_cost
from ablate.models.surgery import build
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Streams

ALL = {"stages": "all", "layers": "all"}
LIGHT = {**ALL, "window": "1x3+3x1"}
COUNTED = [
    ("resnet50", {"activation": "relu"}, 25.504, 3858.0),
    ("resnet50", {"activation": "relu", "stride_in": "3x3"}, 25.504, 4089.0),
    ("resnet50", {"layers": ("3x3",)}, 25.524, 3870.0),
    ("resnet50", {"layers": ("1x1", "3x3")}, 25.544, 3881.5),
    ("resnet50", {"layers": ("1x1", "3x3"), "window": "1x3+3x1"}, 25.531, 3874.0),
    ("resnet50", {}, 25.625, 3928.0),
    ("resnet101", {"activation": "relu"}, 44.444, 7570.0),
    ("resnet101", {"layers": ("3x3",)}, 44.503, 7590.0),
    ("resnet101", {"layers": ("1x1", "3x3")}, 44.562, 7609.0),
    ("resnet101", {}, 44.800, 7687.0),
    ("mobilenet_v1_x0.75", {"activation": "relu"}, 2.569, 325.4),
    ("mobilenet_v1_x0.75", ALL, 2.643, 359.4),
    ("shufflenet_v2_x0.5", {"activation": "relu"}, 1.358, 40.5),
    ("shufflenet_v2_x0.5", LIGHT, 1.376, 45.4),
    ("shufflenet_v2_x0.5", ALL, None, 47.9),
    ("shufflenet_v2_x1.5", {"activation": "relu"}, 3.483, 299.0),
    ("shufflenet_v2_x1.5", ALL, 3.555, 317.7),
    ("resnet50", {"activation": "relu", "se": True, "se_ratio": 16}, 28.019, None),
    ("resnet50", {"activation": "relu", "se": True, "se_ratio": 32}, 26.761, None),
]


def counted(model: str, fields: dict[str, object]):
    recipe = ClassifyRecipe(model=model, **fields)
    return count_cost(build(recipe, 1000, 224, Streams(0).on_cpu).network, 224)


@pytest.mark.parametrize(("model", "fields", "params_m", "multiply_adds_m"), COUNTED)
def test_the_count_is_the_papers(
    model: str, fields: dict[str, object], params_m: float | None, multiply_adds_m: float | None
):
    cost = counted(model, fields)
    if params_m is not None:
        assert cost.params_without_norm / 1e6 == pytest.approx(params_m, abs=0.0011)
    if multiply_adds_m is not None:
        digits = 0.51 if multiply_adds_m > 1000 else 0.051  # as many as were recounted
        assert cost.multiply_adds / 1e6 == pytest.approx(multiply_adds_m, abs=digits)


def test_normalisation_of_the_funnels_counts_as_normalisation():
    assert counted("resnet50", {}).params == 25_704_872
    assert counted("shufflenet_v2_x1.5", ALL).params / 1e6 == pytest.approx(3.595, abs=0.0005)


def test_counting_leaves_the_network_as_it_is():
    network = build(ClassifyRecipe(width=0.125), 10, 64, Streams(0).on_cpu).network.train()
    count_cost(network, 64)
    assert network.training
    assert all(not parameter.is_meta for parameter in network.parameters())


def test_the_activation_hidden_in_a_fused_normalisation_is_no_normalisation():
    pytest.importorskip("timm")
    recipes = [
        ClassifyRecipe(model="timm/mobilenetv2_050", activation=name, norm="none", **ALL) for name in ("relu", "frelu")
    ]
    relu, frelu = (count_cost(build(recipe, 10, 64, Streams(0).on_cpu).network, 64) for recipe in recipes)
    assert frelu.params > relu.params
    assert frelu.params - frelu.params_without_norm == relu.params - relu.params_without_norm
