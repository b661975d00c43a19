"""The funnel activation against plain formulas, over every combination of its options."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.activations import Funnel, build_activation
from ablate.activations.funnel import WINDOWS
from ablate.recipes.classify import ActivationFields
from ablate.recipes.shapes import count_groups

CONDITIONS = ("parametric", "max_pool", "avg_pool")
NORMS = ("none", "bn", "ln", "in", "gn")


def build(channels: int = 12, seed: int = 0, **fields: Any) -> Funnel:
    module = build_activation(ActivationFields.model_validate(fields), channels, torch.Generator().manual_seed(seed))
    assert isinstance(module, Funnel)
    return module


def draw(seed: int = 0, channels: int = 12) -> Tensor:
    values = torch.randn(3, channels, 6, 9, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last)


def taps(x: Tensor, size: tuple[int, int], dilation: int, fill: float) -> Tensor:
    """Every window of x by plain indexing, (B, C, H, W, taps); outside the map is `fill`."""
    height, width = x.shape[2:]
    reach_y, reach_x = dilation * (size[0] - 1) // 2, dilation * (size[1] - 1) // 2
    padded = F.pad(x, (reach_x, reach_x, reach_y, reach_y), value=fill)
    places = itertools.product(range(size[0]), range(size[1]))
    shifts = [
        padded[:, :, i * dilation : i * dilation + height, j * dilation : j * dilation + width] for i, j in places
    ]
    return torch.stack(shifts, dim=-1)


def branch_by_hand(module: nn.Module, x: Tensor, condition: str, size: tuple[int, int], dilation: int) -> Tensor:
    if condition == "parametric":
        weight = module.conv.weight.flatten(1)[:, None, None, :]  # type: ignore[union-attr, operator]
        return (taps(x, size, dilation, 0.0) * weight).sum(-1)
    if condition == "max_pool":
        return taps(x, size, dilation, -torch.inf).amax(-1)
    return taps(x, size, 1, torch.nan).nanmean(-1)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("combine", ["max", "sum", "dw_relu"])
def test_every_window_and_condition_follows_its_formula(
    condition: str, window: str, dilation: int, combine: str
) -> None:
    x = draw()
    for branch_combine in ("sum", "max"):
        fields: dict[str, Any] = {
            "condition": condition,
            "window": window,
            "window_dilation": dilation,
            "combine": combine,
        }
        module = build(**fields, branch_combine=branch_combine, norm="none", init_std=1.0)
        parts = [
            branch_by_hand(branch, x, condition, size, dilation)
            for branch, size in zip(module.branches, WINDOWS[window], strict=True)
        ]
        t = torch.stack(parts)
        t = t.sum(0) if branch_combine == "sum" else t.amax(0)
        torch.testing.assert_close(module.condition(x), t, rtol=1e-4, atol=1e-5)
        expected = {"max": torch.maximum(x, t), "sum": x + t, "dw_relu": t.clamp(min=0)}[combine]
        torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_normalisation_keeps_shape_dtype_and_memory_format_both_ways(condition: str, norm: str) -> None:
    for window, combine in itertools.product(WINDOWS, ("max", "sum", "dw_relu")):
        module = build(condition=condition, norm=norm, window=window, combine=combine)
        x = draw().requires_grad_()
        y = module(x)
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
        assert y.is_contiguous(memory_format=torch.channels_last)
        y.square().sum().backward()
        assert x.grad is not None
        assert x.grad.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("norm", "axes"), [("bn", (0, 2, 3)), ("ln", (1, 2, 3)), ("in", (2, 3))])
def test_normalisations_standardise_over_the_axes_of_their_name(norm: str, axes: tuple[int, ...]) -> None:
    t = build(norm=norm, init_std=1.0).condition(draw())
    torch.testing.assert_close(t.mean(axes), torch.zeros_like(t.mean(axes)), rtol=0, atol=1e-5)
    torch.testing.assert_close(t.var(axes, correction=0), torch.ones_like(t.mean(axes)), rtol=0, atol=1e-3)


@given(channels=st.integers(1, 64), wanted=st.integers(1, 80))
def test_groups_are_lowered_to_the_largest_divisor(channels: int, wanted: int) -> None:
    groups = count_groups(channels, wanted)
    assert channels % groups == 0
    assert groups <= wanted
    assert not [n for n in range(groups + 1, min(wanted, channels) + 1) if channels % n == 0]


def test_group_normalisation_works_where_the_wanted_groups_do_not_divide() -> None:
    (norm,) = [part for part in build(12, norm="gn", norm_groups=8).modules() if isinstance(part, nn.GroupNorm)]
    assert (norm.num_groups, norm.num_channels, norm.affine) == (6, 12, True)


@pytest.mark.parametrize("norm", NORMS[1:])
def test_each_branch_has_a_normalisation_of_its_own_with_the_initial_gain(norm: str) -> None:
    module = build(window="1x3+3x1", norm=norm, gamma_init=0.5)
    norms = [part for part in module.modules() if isinstance(part, (nn.BatchNorm2d, nn.GroupNorm))]
    assert len(norms) == 2
    assert all(part.weight.eq(0.5).all() and part.bias.eq(0).all() for part in norms)


@pytest.mark.parametrize(
    ("fields", "per_channel"),
    [
        ({}, 9 + 2),
        ({"funnel_bias": True}, 9 + 1 + 2),
        ({"window": "7x7", "norm": "none"}, 49),
        ({"window": "1x3+3x1"}, 6 + 4),
        ({"condition": "max_pool"}, 0),
        ({"condition": "avg_pool", "norm": "bn"}, 2),
    ],
)
def test_parameters_are_as_many_as_the_window_has_taps(fields: dict[str, Any], per_channel: int) -> None:
    assert sum(parameter.numel() for parameter in build(12, **fields).parameters()) == 12 * per_channel


def test_weights_are_gaussian_with_the_given_deviation_and_biases_within_their_bound() -> None:
    module = build(4096, init_std=0.01, funnel_bias=True)
    conv = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
    assert float(conv.weight.detach().std()) == pytest.approx(0.01, rel=0.02)  # 36,864 draws: 5 standard errors
    assert abs(float(conv.weight.detach().mean())) < 3e-4
    assert conv.bias is not None
    assert 0.32 < float(conv.bias.detach().abs().max()) <= 1 / 3


def test_kaiming_weights_have_the_deviation_of_the_released_code() -> None:
    module = build(4096, funnel_init="kaiming", init_std=7.0)
    conv = module.branches[0].conv
    assert float(conv.weight.detach().std()) == pytest.approx((2 / (9 * 4096)) ** 0.5, rel=0.02)


def test_without_a_norm_and_with_tiny_weights_it_starts_as_relu() -> None:
    difference = build(norm="none", init_std=0.001)(draw()) - F.relu(draw())
    assert float(difference.detach().abs().max()) < 0.02


def test_padding_does_not_count_in_averages() -> None:
    ones = torch.ones(1, 12, 4, 4)
    assert torch.equal(build(condition="avg_pool", window="5x5").condition(ones), ones)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("window", WINDOWS)
def test_the_condition_commutes_with_a_shift_away_from_the_border(condition: str, window: str) -> None:
    module = build(condition=condition, window=window, init_std=1.0).eval()
    x = torch.randn(2, 12, 16, 16, generator=torch.Generator().manual_seed(5))
    shifted = module.condition(x.roll((1, 2), dims=(2, 3)))[:, :, 6:12, 6:12]
    torch.testing.assert_close(shifted, module.condition(x)[:, :, 5:11, 4:10])


@given(seed=st.integers(0, 2**31), window=st.sampled_from(list(WINDOWS)), dilation=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_gradient_equals_that_of_the_plain_formula(seed: int, window: str, dilation: int) -> None:
    module = build(seed=seed, window=window, window_dilation=dilation, init_std=1.0)
    x, grad = draw(seed).requires_grad_(), draw(seed + 1)
    weights = list(module.parameters())
    ours = torch.autograd.grad(module(x), [x, *weights], grad)
    plain = torch.autograd.grad(torch.maximum(x, module.condition(x)), [x, *weights], grad)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def trained(**fields: Any) -> Funnel:
    """A funnel whose normalisation has seen data and whose gains and shifts are not the initial ones."""
    module = build(init_std=1.0, **fields)
    generator = torch.Generator().manual_seed(9)
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0.5, 1.0, generator=generator)
    for seed in range(4):
        module(2 * draw(seed) + 1)
    return module.eval()


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("branch_combine", ["sum", "max"])
@pytest.mark.parametrize("funnel_bias", [False, True])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("norm", ["bn", "none"])
def test_folding_changes_nothing_but_the_number_of_modules(
    window: str, branch_combine: str, funnel_bias: bool, dilation: int, norm: str
) -> None:
    fields: dict[str, Any] = {"window": window, "branch_combine": branch_combine, "norm": norm}
    module = trained(**fields, funnel_bias=funnel_bias, window_dilation=dilation)
    folded = module.fold()
    torch.testing.assert_close(folded(draw(7)), module(draw(7)), rtol=1e-5, atol=1e-5)
    assert folded is not module
    assert not folded.training
    assert not [part for part in folded.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(folded.branches) == (2 if branch_combine == "max" and window == "1x3+3x1" else 1)


@pytest.mark.parametrize("condition", ["max_pool", "avg_pool"])
def test_poolings_without_a_norm_have_nothing_to_fold_and_are_copied(condition: str) -> None:
    module = build(condition=condition, window="1x3+3x1")
    folded = module.fold()
    assert folded is not module
    assert torch.equal(folded(draw(7)), module(draw(7)))


def test_folding_leaves_a_module_in_training_as_it_was() -> None:
    module = trained().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    folded = module.fold()
    assert module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    torch.testing.assert_close(folded(draw(7)), module.eval()(draw(7)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "fields", [{"norm": "in"}, {"norm": "ln"}, {"norm": "gn"}, {"condition": "max_pool", "norm": "bn"}]
)
def test_what_cannot_be_folded_returns_itself(fields: dict[str, Any]) -> None:
    module = build(**fields)
    assert module.fold() is module
