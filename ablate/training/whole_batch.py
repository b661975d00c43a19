"""Batch norm and dropout of the whole batch, in a process that has a part of it.

Both are intercepted where a network calls torch, in any module. A network and the keys of its state therefore do not
depend on the number of ranks. Shapes: B images of this rank, C channels, maps of H x W.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.modules._functions import SyncBatchNorm
from torch.overrides import TorchFunctionMode

from ablate.errors import TrialError
from ablate.training.ranks import Ranks, neighbours


class WholeBatch(TorchFunctionMode):
    """Context in which training forward passes normalise over, and draw dropout for, more images than this rank's.

    Batch norm computes its statistics over consecutive groups of the batch's images, on any rank. The running
    statistics are updated with the mean over the groups; if a rank has whole groups, with the mean over its own, and
    `Ranks.average_statistics` then averages over the ranks. Dropout and stochastic depth are drawn for the whole batch
    on each rank, which uses its part. An image therefore has the same masks on any rank. Other random layers (such as a
    dropout of whole channels) draw the same numbers on each rank.

    Args:
        ranks: rank of this process and number of ranks.
        batch: images in the whole batch.
        group: images per statistic of batch norm.

    Raises:
        TrialError: the batch cannot be divided into such parts or groups, or a group would span unequal parts.
    """

    def __init__(self, ranks: Ranks, batch: int, group: int) -> None:
        super().__init__()
        self._ranks = ranks
        own = ranks.part(batch)
        self._own = own.stop - own.start
        self._group = group
        if batch % group or (self._own % group and group % self._own):
            raise TrialError(
                f"batch norm over {group} images does not fit a batch of {batch} on {ranks.count} ranks (one per GPU), "
                f"which have {self._own} each; set gpus so that one of the two numbers divides the other"
            )

    def __torch_function__(
        self, function: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """See `TorchFunctionMode`."""
        if function is F.batch_norm:
            return self._batch_norm(*args, **kwargs or {})
        if self._ranks.count > 1 and function is F.dropout:
            return self._dropout(*args, **kwargs or {})
        if self._ranks.count > 1 and function is Tensor.bernoulli_:
            return self._bernoulli(*args, **kwargs or {})
        return function(*args, **kwargs or {})

    def _batch_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        running, affine = (running_mean, running_var), (weight, bias)
        if not training:
            return F.batch_norm(x, *running, *affine, False, momentum, eps)
        if self._own % self._group == 0:
            return _norm_in_groups(x, running, affine, momentum, eps, count=self._own // self._group)
        return _norm_together(x, running, affine, momentum, eps, count=self._group // self._own)

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training:
            return x
        whole = x.new_empty((self._ranks.count * len(x), *x.shape[1:]))
        if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):  # masks are drawn in memory order
            whole = whole.contiguous(memory_format=torch.channels_last)
        mask = F.dropout(whole.fill_(1), p)[self._mine(x)]
        return x.mul_(mask) if inplace else x * mask

    def _bernoulli(self, noise: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The noise of stochastic depth, one number per image."""
        if noise.dim() == 0 or len(noise) != self._own:
            return noise.bernoulli_(*args, **kwargs)
        whole = noise.new_empty((self._ranks.count * len(noise), *noise.shape[1:]))
        return noise.copy_(whole.bernoulli_(*args, **kwargs)[self._mine(noise)])

    def _mine(self, x: Tensor) -> slice:
        """Positions of this rank's part x in the whole batch."""
        return self._ranks.part(self._ranks.count * len(x))


Pair = tuple[Tensor | None, Tensor | None]


def _norm_in_groups(x: Tensor, running: Pair, affine: Pair, momentum: float, eps: float, *, count: int) -> Tensor:
    """Batch norm of each of `count` groups of x (B, C, ...); running statistics are updated with the groups' mean."""
    if count == 1:
        return F.batch_norm(x, *running, *affine, True, momentum, eps)
    copies = [_copy(running) for _ in range(count)]
    groups = [
        F.batch_norm(group, *copy, *affine, True, momentum, eps)
        for group, copy in zip(x.chunk(count), copies, strict=True)
    ]
    for one, moved in zip(running, zip(*copies, strict=True), strict=True):
        if one is not None:
            one.copy_(torch.stack(moved).mean(0))
    return torch.cat(groups)


def _copy(pair: Pair) -> Pair:
    first, second = (None if one is None else one.clone() for one in pair)
    return first, second


def _norm_together(x: Tensor, running: Pair, affine: Pair, momentum: float, eps: float, *, count: int) -> Tensor:
    """Batch norm of x (B, C, ...) with statistics over `count` ranks. On a GPU, torch's own implementation."""
    normed: Tensor
    if x.is_cuda:
        normed = SyncBatchNorm.apply(x, *affine, *running, eps, momentum, neighbours(count), count)
        return normed
    mean, variance = _statistics(x.detach(), count)
    pixels = count * x.numel() // x.shape[1]
    for one, now in zip(running, (mean, variance * pixels / (pixels - 1)), strict=True):
        if one is not None:
            one.lerp_(now, momentum)
    normed = _Normed.apply(x, *affine, mean, variance, eps, count)
    return normed


def _statistics(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the channels of x (B, C, ...) over `count` ranks, (C,) each."""
    own = torch.stack(torch.var_mean(x.double(), _over(x), correction=0))  # (2, C)
    gathered = [torch.empty_like(own) for _ in range(count)]
    distributed.all_gather(gathered, own, neighbours(count))
    variances, means = torch.stack(gathered).unbind(1)  # (count, C) each
    return means.mean(0).float(), (variances.mean(0) + means.var(0, correction=0)).float()


class _Normed(torch.autograd.Function):
    """Batch norm of x (B, C, ...) with statistics that depend on x on all of `count` ranks."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        eps: float,
        count: int,
    ) -> Tensor:
        ctx.count = count
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt())
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        over, along, pixels = _over(x), [1, -1] + [1] * (x.dim() - 2), ctx.count * x.numel() // x.shape[1]
        normed = (x.float() - mean.view(along)) * inverse.view(along)
        own = torch.stack([(grad * normed).sum(over), grad.float().sum(over)])  # (2, C), of weight and bias
        total = own.clone()
        distributed.all_reduce(total, group=neighbours(ctx.count))
        slope, shift = (one.view(along) for one in total / pixels)
        scale = inverse if weight is None else inverse * weight
        grad_x = (grad - normed * slope - shift) * scale.view(along)
        needed = zip(ctx.needs_input_grad[1:3], own, strict=True)
        return grad_x.to(x.dtype), *(one if is_needed else None for is_needed, one in needed), None, None, None, None


def _over(x: Tensor) -> list[int]:
    """The axes of x (B, C, ...) that batch norm averages over."""
    return [0, *range(2, x.dim())]
