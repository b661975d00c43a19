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
    "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
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
    is_random = activation in ("maxout", "frelu")
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
