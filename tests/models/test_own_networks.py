"""Our own networks: their cost as published, their options, and their initialisation."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from ablate.models.own_networks import Options, initialise
from ablate.models.shufflenet import build_shufflenet
from ablate.models.sites import find_sites
from ablate.models.surgery import build
from ablate.models.zoo import build_network
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Streams

stream = Streams(0).on_cpu
MINIATURE = {"width": 0.125, "depth": (1, 1, 1, 1), "stem": "small_s2", "dataset": "fashion-mnist"}


def test_the_miniature_has_a_hundred_and_thirty_thousand_parameters_and_keeps_14_pixels():
    network = build_network(ClassifyRecipe(model="resnet50", **MINIATURE), 10, stream)
    assert sum(parameter.numel() for parameter in network.parameters()) == 130_002
    maps: list[tuple[int, ...]] = []
    for name in ("layer1", "layer2", "layer3", "layer4"):
        network.get_submodule(name).register_forward_hook(lambda module, inputs, out: maps.append(tuple(out.shape[1:])))
    assert network(torch.randn(2, 3, 28, 28)).shape == (2, 10)
    assert maps == [(32, 14, 14), (64, 7, 7), (128, 4, 4), (256, 2, 2)]


def test_the_stride_of_a_stage_lies_in_its_first_1x1_convolution():
    network = build_network(ClassifyRecipe(model="resnet50"), 10, stream)
    strides = [network.get_submodule(f"layer2.0.conv{number}").stride for number in (1, 2, 3)]
    assert strides == [(2, 2), (1, 1), (1, 1)]


def test_resnet_with_the_stride_in_the_3x3_computes_what_torchvision_computes_with_the_same_weights():
    ours = build_network(ClassifyRecipe(model="resnet50", stride_in="3x3"), 7, stream).eval()
    with torch.device("meta"):
        theirs = torchvision.models.resnet50(weights=None, num_classes=7).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict(), assign=True)
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("position", ["residual", "pre", "post", "identity"])
@torch.no_grad()
def test_squeeze_and_excitation_stands_where_it_is_asked_for(position: str):
    recipe = ClassifyRecipe(depth=(1, 1, 1, 1), se=True, se_position=position)
    network = build_network(recipe, 10, stream).eval()
    block, x = network.get_submodule("layer1.0"), torch.randn(2, 64, 8, 8)

    def branch(x: torch.Tensor) -> torch.Tensor:
        return block.bn3(block.conv3(block.relu2(block.bn2(block.conv2(block.relu1(block.bn1(block.conv1(x))))))))

    expected = {
        "residual": lambda: torch.relu(block.se(branch(x)) + block.downsample(x)),
        "pre": lambda: torch.relu(branch(block.se(x)) + block.downsample(x)),
        "post": lambda: block.se(torch.relu(branch(x) + block.downsample(x))),
        "identity": lambda: torch.relu(branch(x) + block.se(block.downsample(x))),
    }
    assert torch.equal(block(x), expected[position]())
    kinds = {site.name: site.kind for site in find_sites(network, 64)}
    assert [kinds[f"layer2.0.relu{number}"] for number in (1, 2, 3)] == ["1x1", "3x3", "add"]


@pytest.mark.parametrize("model", ["resnet50", "mobilenet_v1_x0.75", "shufflenet_v2_x0.5"])
def test_biases_are_in_every_convolution_and_change_no_weight(model: str):
    plain, biased = (
        build_network(ClassifyRecipe(model=model, width=0.25, conv_bias=asked), 10, stream) for asked in (False, True)
    )
    convolutions = [path for path, part in biased.named_modules() if isinstance(part, nn.Conv2d)]
    added = {f"{path}.bias" for path in convolutions}
    assert biased.state_dict().keys() - plain.state_dict().keys() == added
    for path in convolutions:
        ours = biased.get_submodule(path)
        assert torch.equal(ours.weight, plain.get_submodule(path).weight)
        assert 0 < ours.bias.abs().max().item() <= ours.weight[0].numel() ** -0.5


def test_shufflenet_computes_what_torchvision_computes_at_half_width():
    ours = build_shufflenet("shufflenet_v2_x0.5", Options(num_classes=7)).eval()
    theirs = torchvision.models.shufflenet_v2_x0_5(weights=None, num_classes=7).eval()
    nn.init.zeros_(theirs.fc.bias)
    weights = theirs.state_dict()
    del weights["fc.bias"]
    ours.load_state_dict(weights)
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("model", ["resnet50", "mobilenet_v1_x0.75", "shufflenet_v2_x0.5", "shufflenet_v2_x1.5"])
@pytest.mark.parametrize("width", [0.05, 0.37, 1.3])
def test_any_width_gives_a_network_that_runs(model: str, width: float):
    depth = {"resnet50": (1, 1, 1, 1), "mobilenet_v1_x0.75": (1, 1, 1, 1, 1)}.get(model, (1, 1, 1))
    network = build_network(ClassifyRecipe(model=model, width=width, depth=depth, stem="small", se=True), 10, stream)
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("model", "depth", "last"),
    [
        ("resnet50", (1, 1, 1, 1), {"imagenet": 2, "small": 8, "small_s2": 4}),
        ("mobilenet_v1_x0.75", (1, 1, 1, 1, 1), {"imagenet": 2, "small": 4, "small_s2": 2}),
        ("shufflenet_v2_x0.5", (1, 1, 1), {"imagenet": 2, "small": 8, "small_s2": 4}),
    ],
)
def test_stems_differ_in_stride_and_pooling_only(model: str, depth: tuple[int, ...], last: dict[str, int]):
    for stem, first in {"imagenet": 32, "small": 64, "small_s2": 32}.items():
        network = build_network(ClassifyRecipe(model=model, stem=stem, depth=depth, width=0.25), 10, stream)
        sites = find_sites(network, 64)
        assert (sites[0].height, sites[-1].height) == (first, last[stem])


def test_rows_of_one_seed_share_the_weights_of_the_modules_they_share():
    plain, other = (
        build(ClassifyRecipe(**MINIATURE, **changes), 10, 28, stream).network.state_dict()
        for changes in ({"activation": "relu"}, {"activation": "frelu", "se": True, "dropout": 0.2})
    )
    assert set(plain) < set(other)
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_another_seed_gives_other_weights_and_the_global_generator_is_left_alone():
    recipe = ClassifyRecipe(**MINIATURE)
    state = torch.random.get_rng_state()
    first, second = (build(recipe, 10, 28, Streams(seed).on_cpu).network.state_dict() for seed in (0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    same = [name for name, value in first.items() if value.ndim > 1 and torch.equal(value, second[name])]
    assert same == []


def test_convolutions_are_kaiming_normal_by_fan_out():
    network = build_network(ClassifyRecipe(model="resnet50"), 10, stream)
    weight = network.get_submodule("layer3.0.conv2").weight  # (256, 256, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)


def test_a_module_of_unknown_kind_is_not_left_uninitialised():
    with pytest.raises(TypeError, match="no initialisation for GroupNorm at '1'"):
        initialise(nn.Sequential(nn.ReLU(), nn.GroupNorm(1, 4)), stream)
