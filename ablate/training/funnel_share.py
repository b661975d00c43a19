"""Statistics of a network's funnels on a batch of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from ablate.activations import Funnel


@contextmanager
def observed_funnels(network: nn.Module, share: dict[str, float] | None) -> Iterator[None]:
    """Record, within the block, the share of pixels at which T(x) > x for each funnel with the maximum.

    Args:
        network: network whose forward passes are observed.
        share: module path -> share in 0 .. 1, filled in place; None records nothing.
    """

    def note(share: dict[str, float], name: str, funnel: Funnel, inputs: tuple[torch.Tensor]) -> None:
        share[name] = float((funnel.condition(inputs[0]) > inputs[0]).float().mean())

    hooks = [
        module.register_forward_pre_hook(partial(note, share, name))
        for name, module in network.named_modules()
        if share is not None and isinstance(module, Funnel) and module.combine == "max"
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
