"""Networks by name."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ablate.errors import SiteError
from ablate.models.surgery import build
from ablate.models.zoo import build_network
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Streams

stream = Streams(0).on_cpu


@pytest.mark.parametrize(
    ("model", "near"), [("torchvision/resnet5", "resnet50"), ("torchvision/mobilnet_v2", "mobilenet_v2")]
)
def test_an_unknown_name_is_answered_with_the_nearest(model: str, near: str):
    with pytest.raises(SiteError, match=f"did you mean '{near}'"):
        build_network(ClassifyRecipe(model=model), 10, stream)


def test_networks_that_do_not_classify_are_unknown():
    with pytest.raises(SiteError, match="no classification network"):
        build_network(ClassifyRecipe(model="torchvision/fcn_resnet50"), 10, stream)


def test_a_foreign_network_depends_on_the_seed_alone_and_leaves_the_global_generator():
    recipe = ClassifyRecipe(model="torchvision/mobilenet_v3_small")
    state = torch.random.get_rng_state()
    first, again, other = (
        build_network(recipe, 10, Streams(seed).on_cpu).get_parameter("classifier.0.weight") for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_dropout_replaces_what_stands_before_the_head():
    network = build_network(ClassifyRecipe(model="torchvision/mobilenet_v2", dropout=0.4), 10, stream)
    assert [part.p for part in network.modules() if isinstance(part, nn.Dropout)] == [0.4]


def test_dropout_before_a_bare_head_acts_in_training_only_and_survives_surgery_and_copying():
    recipe = ClassifyRecipe(model="torchvision/resnet18", dropout=0.9)
    network = copy.deepcopy(build(recipe, 10, 32, stream).network)
    keys = build(recipe.model_copy(update={"dropout": 0.0}), 10, 32, stream).network.state_dict().keys()
    assert network.state_dict().keys() == keys
    images = torch.randn(4, 3, 32, 32)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_dropout_is_refused_where_the_head_is_no_linear_layer():
    with pytest.raises(SiteError, match=r"dropout 0\.5 cannot be added before the head of torchvision/squeezenet1_1"):
        build_network(ClassifyRecipe(model="torchvision/squeezenet1_1", dropout=0.5), 10, stream)


def test_auxiliary_heads_are_off():
    network = build_network(ClassifyRecipe(model="torchvision/googlenet"), 10, stream)
    assert network(torch.randn(2, 3, 64, 64)).shape == (2, 10)
