"""What a network's funnels do with the images that pass through them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

from ablate.activations import Funnel


@contextmanager
def observed_funnels(network: nn.Module, share: dict[str, float] | None) -> Iterator[None]:
    """While the block runs, note in `share` for each funnel with the max the share of pixels at which T(x) > x."""

    def note(share: dict[str, float], name: str, funnel: Funnel, inputs: tuple[torch.Tensor]) -> None:
        share[name] = float((funnel.condition(inputs[0]) > inputs[0]).float().mean())

    hooks = [
        part.register_forward_pre_hook(partial(note, share, name))
        for name, part in network.named_modules()
        if share is not None and isinstance(part, Funnel) and part.combine == "max"
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
