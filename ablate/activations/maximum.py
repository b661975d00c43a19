"""Elementwise maximum with a backward that remembers which side won, one byte an element.

`torch.maximum` keeps both inputs for its backward and compares them anew, twice, to split the gradient of ties; here
the comparison is made once, in the forward, and its boolean result is all that is kept. torch.fx records a call of
`maximum` as one node. Shapes: B images, C channels, maps of H x W; any equal shapes do.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.overrides import handle_torch_function, has_torch_function


class _Maximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, t: Tensor) -> Tensor:
        wins = _compare(x, t)  # bool (B, C, H, W)
        ctx.save_for_backward(wins)
        return torch.maximum(x, t)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        (wins,) = ctx.saved_tensors
        return _split(grad, wins)


def _compare(x: Tensor, t: Tensor) -> Tensor:
    """x >= t. On a CPU by way of 0.0 and 1.0, since torch has no vector code that writes a comparison as bool."""
    if not x.is_cpu:
        return x >= t
    return torch.ge(x, t, out=torch.empty_like(x)).to(torch.bool)


def _split(grad: Tensor, wins: Tensor) -> tuple[Tensor, Tensor]:
    """`grad` where `wins`, else 0; and the other way round. Both in the memory format of `wins`.

    On a CPU, where(), masked_fill() and any reading of a bool run one element at a time; bytes and products do not
    (2.4 x on the whole, see `benchmarks/funnel_step.py`). The price: an infinite gradient becomes NaN on both sides.
    """
    if not grad.is_cpu:
        zero = grad.new_zeros(())
        return torch.where(wins, grad, zero), torch.where(wins, zero, grad)
    grad_x = wins.view(torch.uint8).to(grad.dtype).mul_(grad)
    return grad_x, torch.sub(grad, grad_x, out=torch.empty_like(grad_x))


def maximum(x: Tensor, t: Tensor) -> Tensor:
    """max(x, t), elementwise.

    Where x equals t the gradient goes to x alone; `torch.maximum` gives each one half. Where either is NaN the result
    is NaN and the gradient goes to t. The gradient cannot be differentiated again: RuntimeError.

    Args:
        x: (B, C, H, W), any dtype.
        t: same shape, same dtype.

    Returns:
        Same shape, dtype and memory format as x.
    """
    if has_torch_function((x, t)):
        return handle_torch_function(maximum, (x, t), x, t)  # type: ignore[no-any-return, unused-ignore]
    if not torch.is_grad_enabled() or not (x.requires_grad or t.requires_grad):
        return torch.maximum(x, t)
    return cast(Tensor, _Maximum.apply(x, t))
