"""The maximum that keeps a mask: values, gradients, saved tensors, tracing."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from ablate.activations.maximum import maximum

LAYOUTS = [torch.channels_last, torch.contiguous_format]


def draw(
    seed: int = 0, *, dtype: torch.dtype = torch.float32, layout: torch.memory_format = torch.channels_last
) -> Tensor:
    values = torch.randn(4, 6, 5, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.to(dtype).contiguous(memory_format=layout)


def grads(function: object, x: Tensor, t: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    x, t = x.detach().requires_grad_(), t.detach().requires_grad_()
    function(x, t).backward(grad)  # type: ignore[operator]
    assert x.grad is not None
    assert t.grad is not None
    return x.grad, t.grad


@given(seed=st.integers(0, 2**31), dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]))
@settings(max_examples=30, deadline=None)
def test_value_and_gradients_equal_those_of_torch_away_from_ties(seed: int, dtype: torch.dtype) -> None:
    x, t, grad = (draw(seed + place, dtype=torch.float32).to(dtype) for place in range(3))
    t = torch.where(x == t, t + 1, t)
    assert torch.equal(maximum(x, t), torch.maximum(x, t))
    for ours, theirs in zip(grads(maximum, x, t, grad), grads(torch.maximum, x, t, grad), strict=True):
        assert torch.equal(ours, theirs)


def test_gradient_agrees_with_finite_differences() -> None:
    x = draw(0, dtype=torch.float64).requires_grad_()
    t = (x.detach() + torch.where(draw(1, dtype=torch.float64) > 0, 0.1, -0.1)).requires_grad_()
    assert torch.autograd.gradcheck(maximum, (x, t))


def test_gradient_of_a_tie_goes_to_x_alone_where_torch_splits_it() -> None:
    x, grad = draw(0), draw(1)
    to_x, to_t = grads(maximum, x, x.clone(), grad)
    assert torch.equal(to_x, grad)
    assert not to_t.any()
    assert torch.equal(grads(torch.maximum, x, x.clone(), grad)[0], grad / 2)


def test_nan_on_either_side_gives_nan() -> None:
    x, t = torch.tensor([float("nan"), 1.0, 2.0]), torch.tensor([1.0, float("nan"), 3.0])
    for requires_grad in (False, True):
        y = maximum(x.clone().requires_grad_(requires_grad), t)
        assert y.isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("which", [0, 1])
def test_a_side_that_needs_no_gradient_gets_none(which: int) -> None:
    pair = [draw(0), draw(1)]
    pair[which].requires_grad_()
    torch.autograd.backward(maximum(*pair).sum())
    assert pair[which].grad is not None
    assert pair[1 - which].grad is None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("grad_layout", LAYOUTS)
def test_memory_format_is_kept_both_ways_whatever_that_of_the_gradient(
    layout: torch.memory_format, grad_layout: torch.memory_format
) -> None:
    x, t = draw(0, layout=layout).requires_grad_(), draw(1, layout=layout).requires_grad_()
    y = maximum(x, t)
    assert y.is_contiguous(memory_format=layout)
    for grad in torch.autograd.grad(y, (x, t), draw(2, layout=grad_layout)):
        assert grad.is_contiguous(memory_format=layout)


def test_an_expanded_gradient_comes_back_dense() -> None:
    x, t = draw(0).requires_grad_(), draw(1).requires_grad_()
    for grad in torch.autograd.grad(maximum(x, t).sum(), (x, t)):
        assert grad.is_contiguous(memory_format=torch.channels_last)


def saved_bytes(function: object, x: Tensor, t: Tensor) -> int:
    sizes: list[int] = []

    def note(saved: Tensor) -> Tensor:
        sizes.append(saved.numel() * saved.element_size())
        return saved

    with torch.autograd.graph.saved_tensors_hooks(note, lambda saved: saved):
        function(x, t)  # type: ignore[operator]
    return sum(sizes)


def test_one_byte_an_element_is_saved_where_torch_saves_eight() -> None:
    x, t = draw(0).requires_grad_(), draw(1).requires_grad_()
    assert saved_bytes(maximum, x, t) == x.numel()
    assert saved_bytes(torch.maximum, x, t) == 8 * x.numel()


def test_nothing_is_saved_where_no_gradient_is_wanted() -> None:
    assert saved_bytes(maximum, draw(0), draw(1)) == 0
    with torch.no_grad():
        assert maximum(draw(0).requires_grad_(), draw(1)).grad_fn is None


def test_a_second_derivative_is_refused_rather_than_wrong() -> None:
    x, t = draw(0).requires_grad_(), draw(1).requires_grad_()
    (first,) = torch.autograd.grad((maximum(x, t) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        torch.autograd.backward(first.sum())


def test_bf16_autocast_leaves_the_gradients_in_the_precision_of_their_inputs() -> None:
    conv = nn.Conv2d(6, 6, 1)
    x = draw(0).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = maximum(conv(x), conv(2 * x))
    assert y.dtype == torch.bfloat16
    torch.autograd.backward(y.float().sum())
    assert x.grad is not None
    assert x.grad.dtype == torch.float32
    assert conv.weight.grad is not None
    assert conv.weight.grad.dtype == torch.float32


class Caller(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return maximum(x, -x)


def test_a_trace_has_one_node_for_it_and_keeps_the_gradient_rule() -> None:
    traced = fx.symbolic_trace(Caller())
    calls = [node.target for node in traced.graph.nodes if node.op == "call_function" and node.target is maximum]
    assert calls == [maximum]
    x = torch.zeros(3, requires_grad=True)
    copy.deepcopy(traced)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_it_runs_on_the_meta_device() -> None:
    x, t = (draw(place).to("meta").requires_grad_() for place in range(2))
    y = maximum(x, t)
    torch.autograd.backward(y, torch.empty_like(y))
    assert x.grad is not None
    assert x.grad.shape == x.shape
