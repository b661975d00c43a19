"""Surgery: what it replaces, what it leaves alone."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.activations import Funnel
from ablate.errors import SiteError
from ablate.models.sites import survey
from ablate.models.surgery import build, operate, replace
from ablate.models.zoo import build_network
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Streams

stream = Streams(0).on_cpu
NATIVE_MODULES = {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU, "hardswish": nn.Hardswish, "gelu": nn.GELU}
MINIATURE = {"width": 0.125, "depth": (1, 1, 1, 1), "stem": "small_s2", "stages": "all", "layers": "all"}


def run(network: nn.Module, images: Tensor, *, training: bool) -> Tensor:
    torch.manual_seed(7)
    out: Tensor = copy.deepcopy(network).train(training)(images)
    return out


@pytest.mark.parametrize(
    "model",
    [
        "torchvision/resnet18",
        "torchvision/resnet50",
        "torchvision/mobilenet_v2",
        "torchvision/densenet121",
        "torchvision/convnext_tiny",
        "timm/mobilenetv2_050",
        "timm/efficientnet_lite0",
        "shufflenet_v2_x0.5",
    ],
)
def test_each_native_activation_replaced_by_itself_leaves_logits_bit_equal(model: str):
    if model.startswith("timm/"):
        pytest.importorskip("timm")
    network = build_network(ClassifyRecipe(model=model), 10, stream)
    original = copy.deepcopy(network)
    found = survey(network, 64)
    paths = replace(found, {call.site: NATIVE_MODULES[call.site.native]() for call in found.calls})
    assert len(paths) == len(found.calls)
    images = torch.randn(2, 3, 64, 64)
    for training in (True, False):
        assert torch.equal(run(found.graph, images, training=training), run(original, images, training=training))


@pytest.mark.parametrize("model", ["torchvision/resnet18", "torchvision/mobilenet_v3_small", "timm/mobilenetv2_050"])
def test_keys_of_the_state_survive_and_only_sites_add_some(model: str):
    if model.startswith("timm/"):
        pytest.importorskip("timm")
    recipe = ClassifyRecipe(model=model, stages="all", layers="all")
    network = build_network(recipe, 10, stream)
    before = network.state_dict()
    operated = operate(network, recipe, 64, stream)
    after = operated.network.state_dict()
    assert before.keys() <= after.keys()
    assert all(after[key].data_ptr() == value.data_ptr() for key, value in before.items())
    added = after.keys() - before.keys()
    assert all(key.startswith(tuple(operated.paths.values())) for key in added)


def test_every_call_gets_a_module_of_its_own_and_the_counts_agree():
    recipe = ClassifyRecipe(model="torchvision/resnet50", layers=("1x1", "add"), stages=(2, 3))
    operated = build(recipe, 10, 224, stream)
    funnels = [part for part in operated.network.modules() if isinstance(part, Funnel)]
    assert len(funnels) == len(operated.replaced) == len(operated.paths)
    assert len(operated.replaced) + len(operated.kept) == 49
    assert {(site.stage, site.kind) for site in operated.replaced} == {(2, "1x1"), (2, "add"), (3, "1x1"), (3, "add")}
    assert all(isinstance(operated.network.get_submodule(path), Funnel) for path in operated.paths.values())


def test_the_other_sites_get_relu_on_request():
    recipe = ClassifyRecipe(model="torchvision/mobilenet_v2", layers=("3x3",), stages="all", elsewhere="relu")
    network = build(recipe, 10, 64, stream).network
    assert not any(isinstance(part, nn.ReLU6) for part in network.modules())
    kept = build(recipe.model_copy(update={"elsewhere": "keep"}), 10, 64, stream).network
    assert sum(isinstance(part, nn.ReLU6) for part in kept.modules()) == 18


def test_relu_on_our_own_networks_replaces_nothing_whatever_is_selected():
    operated = build(ClassifyRecipe(activation="relu", stages=(9,)), 10, 224, stream)
    assert operated.replaced == ()
    assert len(operated.kept) == 49


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"stages": (6,), "layers": ("3x3",)},
            "no site matches stages (6,), layers ('3x3',); this network has stages 1-5 and layers 1x1, 3x3, add, stem",
        ),
        (
            {"model": "shufflenet_v2_x0.5", "layers": ("add",)},
            "no site matches stages (2, 3, 4), layers ('add',); this network has stages 1-5 and layers 1x1, stem",
        ),
    ],
)
def test_a_selection_that_matches_no_site_is_an_error(fields: dict[str, object], message: str):
    with pytest.raises(SiteError, match=re.escape(message)):
        build(ClassifyRecipe(**fields), 10, 224, stream)


@pytest.mark.parametrize("model", ["resnet50", "torchvision/convnext_tiny", "timm/mobilenetv2_050"])
def test_gradients_reach_every_parameter(model: str):
    if model.startswith("timm/"):
        pytest.importorskip("timm")
    fields = MINIATURE if model == "resnet50" else {"stages": "all", "layers": "all"}
    network = build(ClassifyRecipe(model=model, **fields), 10, 64, stream).network
    network(torch.randn(2, 3, 64, 64)).sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_the_operated_network_takes_other_sizes_and_keeps_channels_last_and_copies():
    network = build(ClassifyRecipe(**MINIATURE), 10, 28, stream).network
    copied = copy.deepcopy(network).eval()
    assert list(copied.state_dict()) == list(network.state_dict())
    assert copied(torch.randn(1, 3, 50, 34)).shape == (1, 10)
    formats: list[bool] = []
    for part in copied.modules():
        if isinstance(part, Funnel):
            part.register_forward_hook(
                lambda module, inputs, out: formats.append(out.is_contiguous(memory_format=torch.channels_last))
            )
    images = torch.randn(2, 3, 28, 28).to(memory_format=torch.channels_last)
    copied.to(memory_format=torch.channels_last)(images)
    assert formats == [True] * 13


def test_the_operated_network_trains_under_bf16_autocast():
    network = build(ClassifyRecipe(**MINIATURE), 10, 28, stream).network
    with torch.autocast("cpu", torch.bfloat16):
        loss = F.cross_entropy(network(torch.randn(4, 3, 28, 28)), torch.arange(4))
    loss.backward()
    assert torch.isfinite(loss)


def test_training_and_evaluation_differ_as_in_the_original():
    network = build(ClassifyRecipe(**MINIATURE, dropout=0.5), 10, 28, stream).network
    images = torch.randn(8, 3, 28, 28)
    mean = network.get_buffer("bn1.running_mean").clone()
    assert not torch.equal(network(images), network(images))
    assert not torch.equal(mean, network.get_buffer("bn1.running_mean"))
    network.eval()
    mean = network.get_buffer("bn1.running_mean").clone()
    assert torch.equal(network(images), network(images))
    assert torch.equal(mean, network.get_buffer("bn1.running_mean"))


class InPlace(nn.Module):
    """Uses the name of the input after an activation in place, so it reads the activated map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.prelu = nn.PReLU(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        before = y.mean()
        F.relu(y, inplace=True)
        return y + before + self.prelu(y)


def test_an_activation_in_place_is_seen_by_later_readers_of_its_input_only():
    network = InPlace()
    images = torch.randn(2, 3, 8, 8)
    expected = copy.deepcopy(network)(images)
    found = survey(network, 8)
    replace(found, {found.calls[0].site: nn.ReLU()})
    assert torch.equal(found.graph(images), expected)


def test_the_weights_of_a_replaced_activation_go_with_it():
    found = survey(InPlace(), 8)
    replace(found, {call.site: nn.ReLU() for call in found.calls})
    assert list(found.graph.state_dict()) == ["conv.weight", "conv.bias"]
