"""Which call sites are found, and what is known of them."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.errors import SiteError
from ablate.models.sites import find_sites
from ablate.models.surgery import build
from ablate.models.trace import trace
from ablate.models.zoo import build_network
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Streams


def build_net(model: str, **fields: object) -> nn.Module:
    return build_network(ClassifyRecipe(model=model, **fields), 10, Streams(0).on_cpu)


@pytest.mark.parametrize("model", ["resnet50", "torchvision/resnet50"])
def test_resnet50_has_49_sites(model: str):
    sites = find_sites(build_net(model), 224)
    assert Counter(site.kind for site in sites) == {"stem": 1, "1x1": 16, "3x3": 16, "add": 16}
    assert [site.index for site in sites] == list(range(49))
    assert len({site.name for site in sites}) == 49
    assert {site.stage for site in sites} == {1, 2, 3, 4, 5}


def test_the_calls_of_one_shared_module_are_told_apart():
    names = [site.name for site in find_sites(build_net("torchvision/resnet50"), 64)]
    assert names[:4] == ["relu", "layer1.0.relu", "layer1.0.relu#2", "layer1.0.relu#3"]


def test_our_stages_and_kinds_are_those_of_the_paper_at_any_resolution():
    for px in (224, 28):
        sites = find_sites(build_net("resnet50", stem="small_s2"), px)
        assert all(site.stage == int(site.name[5]) + 1 for site in sites if site.name.startswith("layer"))
    mobile = find_sites(build_net("mobilenet_v1_x0.75"), 224)
    assert {(site.stage, site.height) for site in mobile} == {(1, 112), (2, 56), (3, 28), (4, 14), (5, 7)}
    assert Counter(site.kind for site in mobile) == {"stem": 1, "3x3": 13, "1x1": 13}
    shuffle = find_sites(build_net("shufflenet_v2_x0.5"), 224)
    assert [site.stage for site in shuffle if site.name.startswith("conv")] == [1, 5]
    # Three in each block of stride 2, two in each of the 13 others: none after a depthwise convolution.
    assert Counter((site.kind, site.stage) for site in shuffle) == {
        ("stem", 1): 1, ("1x1", 2): 9, ("1x1", 3): 17, ("1x1", 4): 9, ("1x1", 5): 1,
    }  # fmt: skip


def test_foreign_stages_count_halvings_since_the_stem():
    sites = find_sites(build_net("torchvision/mobilenet_v2"), 224)
    assert {(site.stage, site.height) for site in sites} == {(1, 112), (2, 56), (3, 28), (4, 14), (5, 7)}


def test_gates_and_squeezed_maps_and_heads_are_no_sites():
    sites = find_sites(build_net("torchvision/mobilenet_v3_small"), 224)
    assert Counter(site.kind for site in sites) == {"stem": 1, "1x1": 11, "3x3": 11}
    assert {site.native for site in sites} == {"relu", "hardswish"}
    assert not any("fc" in site.name or "classifier" in site.name for site in sites)


def test_sites_with_channels_last_are_found():
    sites = find_sites(build_net("torchvision/convnext_tiny"), 64)
    assert {(site.native, site.kind, site.layout) for site in sites} == {("gelu", "1x1", "nhwc")}
    assert (sites[0].channels, sites[0].height, sites[0].width) == (384, 16, 16)


def test_an_activation_inside_a_fused_normalisation_is_found():
    pytest.importorskip("timm")
    sites = find_sites(build_net("timm/mobilenetv2_050"), 64)
    assert Counter(site.kind for site in sites)["3x3"] == 17
    assert all(site.name.endswith(".act") for site in sites)


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.point = nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.norm(self.conv(x)))
        x = F.leaky_relu(F.dropout(self.point(x), 0.0), 0.1).relu()
        x = F.elu(torch.cat((x, x), 1)[:, :8] + x)
        return self.fc(F.relu(x.mean((2, 3))))


def test_functions_and_methods_are_sites_and_kinds_see_through_normalisation_and_dropout():
    found = [(site.name, site.kind) for site in find_sites(Odd(), 8)]
    assert found == [("relu6", "stem"), ("leaky_relu", "1x1"), ("relu", "other"), ("elu", "add")]


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) if x.sum() > 0 else x


class Moody(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        return x + 1 if self.training else x


class Sized(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).reshape(-1, 3, 64, 64)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Branching(), "Branching cannot be traced by torch.fx.*control flow"),
        (Moody(), "Moody cannot be used: its graph differs between training and evaluation"),
        (Sized(), "Sized does not accept 28 px; the smallest of 32, 64, 128, 224 that it accepts is 64"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid()), "Sequential has no activation call site"),
        (nn.Sequential(nn.Linear(5, 4), nn.ReLU()), "accepts none of 28, 32, 64, 128, 224 px; choose another network"),
    ],
)
def test_a_network_that_cannot_be_operated_on_is_refused_by_name_with_the_reason(network: nn.Module, message: str):
    with pytest.raises(SiteError, match=message):
        find_sites(network, 28)


@pytest.mark.parametrize(
    ("network", "advice"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), "set a larger resolution_px"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Sigmoid()), "choose a convolutional network"),
    ],
)
def test_maps_of_one_point_call_for_more_pixels_and_not_for_another_network(network: nn.Module, advice: str):
    with pytest.raises(SiteError, match=rf"no activation call site at 1 px: .*; {advice}$"):
        find_sites(network, 1)


class FunctionalDropout(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(F.relu(x), 0.5, self.training)


def test_a_functional_dropout_follows_the_mode():
    graph = trace(FunctionalDropout(), "it")
    images = torch.rand(1, 3, 16, 16) + 1
    assert (graph(images) == 0).any()
    assert torch.equal(graph.eval()(images), images)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x) if self.training else self.act(x + 0)


def test_a_site_inside_a_module_that_does_not_trace_is_not_passed_over_in_silence():
    with pytest.raises(SiteError, match="net cannot be used: '1' cannot be traced and contains an activation on a map"):
        find_sites(nn.Sequential(nn.ReLU(), Attention()), 16, name="net")


def test_a_vision_transformer_is_refused():
    with pytest.raises(SiteError, match="torchvision/vit_b_16 has no activation call site"):
        find_sites(build_net("torchvision/vit_b_16"), 224, name="torchvision/vit_b_16")


def test_looking_changes_nothing_in_the_network():
    network = build_net("torchvision/resnet18").eval()
    network.get_submodule("layer1").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    find_sites(network, 64)
    assert not network.training
    assert network.get_submodule("layer1").training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


class Star(nn.Module):
    """s relu(x)^2 + b, as timm's StarReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.scale, self.bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.relu(x) ** 2 + self.bias


class HandMadeHardswish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * F.relu6(x + 3) / 6


class Scaled(nn.Module):
    """An activation with a constant, as in timm's normaliser-free networks: not composed."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x) * 1.8


class HalfGate(nn.Module):
    """A gate that halves the channels: no other activation has its shape."""

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        return F.gelu(a) * b


class Squeezed(nn.Module):
    """Squeeze and excitation: the ReLU is a site, and so is no gate."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc, self.act = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv(x))
        return x * torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class InForward(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(F.conv2d(x, torch.ones(8, 8, 1, 1))) ** 2


def around(inner: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), inner, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(10))


@pytest.mark.parametrize(
    ("inner", "site"),
    [
        (Star(), ("1", "Star")),
        (HandMadeHardswish(), ("1", "HandMadeHardswish")),
        (Scaled(), ("1.silu", "silu")),
        (Squeezed(), ("1.act", "relu")),
    ],
)
def test_a_composed_activation_is_one_site(inner: nn.Module, site: tuple[str, str]):
    network = around(inner)
    network(torch.zeros(1, 3, 8, 8))
    (found,) = find_sites(network, 8)
    assert (found.name, found.native) == site


@pytest.mark.parametrize(
    ("inner", "what"), [(HalfGate(), "in '1' its gelu at 1.gelu"), (InForward(), "in '1' its relu at 1.relu")]
)
def test_a_composed_activation_that_no_other_can_replace_is_refused_by_name(inner: nn.Module, what: str):
    network = around(inner)
    network(torch.zeros(1, 3, 8, 8))
    with pytest.raises(SiteError, match=f"^net cannot be used: {what} is part of a composed activation"):
        find_sites(network, 8, name="net")


def test_star_relu_of_timm_is_replaced_as_a_whole():
    pytest.importorskip("timm")
    recipe = ClassifyRecipe(
        model="timm/poolformerv2_s12", activation="swish", stages="all", layers="all", resolution_px=32
    )
    operated = build(recipe, 10, 64, Streams(0).on_cpu)
    assert {site.native for site in operated.replaced} == {"StarReLU"}
    assert not any(type(module).__name__ in ("StarReLU", "ReLU") for module in operated.network.modules())
    nodes = {str(node.target): node for node in operated.network.graph.nodes if node.op == "call_module"}
    for path in operated.paths.values():
        (user,) = nodes[path].users
        assert user.op == "call_module"  # the next layer, and no square in between
