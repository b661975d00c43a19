"""The activations other than the funnel: formulas, laws of shape, and where their randomness comes from."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from ablate.activations import build_activation
from ablate.recipes.classify import ACTIVATIONS, ActivationFields

LAYOUTS = [torch.channels_last, torch.contiguous_format]


def build(activation: str, *, channels: int = 6, seed: int = 0, **fields: Any) -> nn.Module:
    recipe = ActivationFields.model_validate({"activation": activation, **fields})
    return build_activation(recipe, channels, torch.Generator().manual_seed(seed))


def draw(layout: torch.memory_format = torch.channels_last) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 6, 5, 7, generator=generator).contiguous(memory_format=layout)


FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: x.clamp(min=0),
    "leaky_relu": lambda x: torch.maximum(x, 0.01 * x),
    "prelu": lambda x: x.clamp(min=0) + 0.25 * x.clamp(max=0),
    "relu6": lambda x: x.clamp(min=0, max=6),
    "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
    "celu": lambda x: torch.where(x > 0, x, x.exp() - 1),
    "selu": lambda x: 1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * (x.exp() - 1)),
    "softplus": lambda x: torch.log1p(x.exp()),
    "hardswish": lambda x: x * (x + 3).clamp(min=0, max=6) / 6,
    "gelu": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: 1 - 2 / ((2 * x).exp() + 1),
    "swish": lambda x: x / (1 + (-x).exp()),
    "mish": lambda x: x * torch.tanh(torch.log1p(x.exp())),
}


@pytest.mark.parametrize("activation", FORMULAS)
def test_each_follows_its_formula(activation: str) -> None:
    torch.testing.assert_close(build(activation)(draw()), FORMULAS[activation](draw()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_keeps_shape_dtype_and_memory_format_both_ways(activation: str, layout: torch.memory_format) -> None:
    module = build(activation).to(memory_format=layout)  # type: ignore[call-overload, unused-ignore]
    x = draw(layout).requires_grad_()
    y = module(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert y.is_contiguous(memory_format=layout)
    y.square().sum().backward()
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_keeps_the_dtype_under_autocast_but_for_prelu_of_floats_which_torch_lowers(
    activation: str, dtype: torch.dtype
) -> None:
    x = draw().to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = build(activation)(x)
    assert y.dtype == (torch.bfloat16 if activation == "prelu" else dtype)
    y.float().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "trainable swish"])
def test_weights_come_from_the_generator_and_the_global_one_is_left_alone(activation: str) -> None:
    fields = {"swish_trainable": True} if activation == "trainable swish" else {"funnel_bias": True}
    name = "swish" if activation == "trainable swish" else activation
    before = torch.get_rng_state()
    first, same, other = (build(name, seed=seed, **fields).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], same[key]) for key in first)
    is_random = activation in ("maxout", "acon_c", "meta_acon", "frelu")
    assert any(not torch.equal(first[key], other[key]) for key in first) == is_random


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_survives_a_deep_copy_a_state_dict_and_a_trace(
    activation: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    module, x = build(activation, seed=3).eval(), draw()
    path = tmp_path_factory.mktemp("state") / "state.pt"
    torch.save(module.state_dict(), path)
    restored = build(activation, seed=4).eval()
    restored.load_state_dict(torch.load(path, weights_only=True))
    for twin in (copy.deepcopy(module), restored, fx.symbolic_trace(module)):
        assert torch.equal(twin(x), module(x))


def test_relu_is_torchs_own() -> None:
    assert type(build("relu")) is nn.ReLU


def test_prelu_and_trainable_swish_learn_one_number_per_channel() -> None:
    for module, start in ((build("prelu"), 0.25), (build("swish", swish_trainable=True), 1.0)):
        (parameter,) = module.parameters()
        assert parameter.tolist() == [start] * 6


def test_trainable_swish_starts_as_swish_and_uses_each_channels_beta() -> None:
    module = build("swish", swish_trainable=True)
    torch.testing.assert_close(module(draw()), build("swish")(draw()))
    with torch.no_grad():
        next(module.parameters())[2] = 0.0
    torch.testing.assert_close(module(draw())[:, 2], draw()[:, 2] / 2)


def test_maxout_is_the_larger_of_two_dense_layers_and_keeps_the_second_moment() -> None:
    module = build("maxout", channels=256)
    x = torch.randn(64, 256, 2, 2, generator=torch.Generator().manual_seed(0))
    kernels = [parameter for parameter in module.parameters() if parameter.ndim == 4]
    first, second = (torch.einsum("oi,bihw->bohw", kernel[:, :, 0, 0], x) for kernel in kernels)
    torch.testing.assert_close(module(x), torch.maximum(first, second), rtol=1e-4, atol=1e-4)
    assert float(module(x).detach().square().mean()) == pytest.approx(1.0, abs=0.05)
    assert sum(parameter.numel() for parameter in module.parameters()) == 2 * (256 * 256 + 256)


def test_acon_c_is_swish_where_p1_is_1_and_p2_0_and_uses_each_channels_numbers() -> None:
    module = build("acon_c")
    assert {name: tuple(one.shape) for name, one in module.named_parameters()} == dict.fromkeys(
        ("p1", "p2", "beta"), (6,)
    )
    x = draw()
    with torch.no_grad():
        p1, p2, beta = (one.view(-1, 1, 1) for one in module.parameters())
        expected = (p1 - p2) * x / (1 + (-beta * (p1 - p2) * x).exp()) + p2 * x
        torch.testing.assert_close(module(x), expected)
        for parameter, value in zip(module.parameters(), (1.0, 0.0, 1.0), strict=True):
            parameter.fill_(value)
        torch.testing.assert_close(module(x), build("swish")(x))


def test_meta_acon_switches_by_the_mean_of_the_map() -> None:
    channels = 512
    module = build("meta_acon", channels=channels).eval()
    hidden = channels // 16
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count == 2 * channels + 2 * channels * hidden + hidden + channels + 2 * (hidden + channels)
    x = torch.randn(2, channels, 3, 3, generator=torch.Generator().manual_seed(0))
    parts = {name: one.detach() for name, one in module.named_parameters()}
    hidden_map = torch.einsum("oi,bi->bo", parts["fc1.weight"][:, :, 0, 0], x.mean((2, 3))) + parts["fc1.bias"]
    scale = (1 + 1e-5) ** -0.5  # of a batch norm that has seen no batch
    out = torch.einsum("oi,bi->bo", parts["fc2.weight"][:, :, 0, 0], scale * hidden_map) + parts["fc2.bias"]
    beta = (1 / (1 + (-scale * out).exp()))[:, :, None, None]
    p1, p2 = (parts[name].view(-1, 1, 1) for name in ("p1", "p2"))
    expected = (p1 - p2) * x / (1 + (-beta * (p1 - p2) * x).exp()) + p2 * x
    torch.testing.assert_close(module(x).detach(), expected, rtol=1e-4, atol=1e-5)


def test_a_small_meta_acon_has_sixteen_hidden_channels() -> None:
    module = build("meta_acon", channels=8)
    assert [tuple(one.shape) for name, one in module.named_parameters() if name.endswith("weight")][:2] == [
        (16, 8, 1, 1), (8, 16, 1, 1),
    ]  # fmt: skip
