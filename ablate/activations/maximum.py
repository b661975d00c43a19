"""Elementwise maximum whose backward stores only the result of the comparison, one byte per element.

`torch.maximum` saves both inputs for its backward and compares them twice again, to split the gradient of ties. Here
the comparison is made once in the forward, and only its boolean result is saved. torch.fx records a call of `maximum`
as one node. Shapes: B images, C channels, maps of H x W; any two equal shapes are allowed.
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
    """x >= t. On a CPU the result passes through 0.0 and 1.0, since torch has no vectorised comparison into bool."""
    if not x.is_cpu:
        return x >= t
    return torch.ge(x, t, out=torch.empty_like(x)).to(torch.bool)


def _split(grad: Tensor, wins: Tensor) -> tuple[Tensor, Tensor]:
    """`grad` where `wins` and 0 elsewhere, and the reverse; both in the memory format of `wins`.

    On a CPU, where(), masked_fill() and other operations on bool are not vectorised; operations on bytes and products
    are (2.4 x faster overall, see `benchmarks/funnel_step.py`). The cost: an infinite gradient becomes NaN on both
    sides.
    """
    if not grad.is_cpu:
        zero = grad.new_zeros(())
        return torch.where(wins, grad, zero), torch.where(wins, zero, grad)
    grad_x = wins.view(torch.uint8).to(grad.dtype).mul_(grad)
    return grad_x, torch.sub(grad, grad_x, out=torch.empty_like(grad_x))


def maximum(x: Tensor, t: Tensor) -> Tensor:
    """max(x, t), elementwise.

    Where x equals t, the whole gradient goes to x; `torch.maximum` gives half to each. Where either is NaN, the result
    is NaN and the gradient goes to t.

    Args:
        x: (B, C, H, W), any dtype.
        t: same shape, same dtype.

    Returns:
        Same shape, dtype and memory format as x.

    Raises:
        RuntimeError: in the backward, if the gradient is differentiated again.
    """
    if has_torch_function((x, t)):
        return handle_torch_function(maximum, (x, t), x, t)  # type: ignore[no-any-return, unused-ignore]
    if not torch.is_grad_enabled() or not (x.requires_grad or t.requires_grad):
        return torch.maximum(x, t)
    return cast(Tensor, _Maximum.apply(x, t))
