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
        ctx.save_for_backward(x >= t)  # bool (B, C, H, W)
        return torch.maximum(x, t)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        (wins,) = ctx.saved_tensors
        # On a CPU where(), masked_fill() and bool * float are 2 to 5 times slower than this (benchmarks/funnel_step.py).
        # The price: an infinite gradient becomes NaN on both sides. Both results take the mask's memory format.
        grad_x = wins.to(grad.dtype).mul_(grad)
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
