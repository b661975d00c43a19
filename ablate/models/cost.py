"""Counts a network's parameters and its multiply-adds for one image, with fake tensors."""

from __future__ import annotations

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from ablate.models.trace import is_normalisation, structural_copy
from ablate.trials.trial import Cost


def count_cost(module: nn.Module, resolution_px: int, channels: int = 3) -> Cost:
    """Count the cost of a network.

    Args:
        module: any network; it is not changed.
        resolution_px: side of the image in pixels.
        channels: channels of the image.

    Returns:
        The trainable parameters, the same without those of normalisations (including the funnels'), and the
        multiply-adds of convolutions, linear layers and attention in evaluation mode.
    """
    params = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    norm = sum(_count_own(part) for part in module.modules() if is_normalisation(part))
    multiply_adds = _count_multiply_adds(module, resolution_px, channels)
    return Cost(params=params, params_without_norm=params - norm, multiply_adds=multiply_adds)


def _count_own(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters(recurse=False) if parameter.requires_grad)


def _count_multiply_adds(module: nn.Module, resolution_px: int, channels: int) -> int:
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    copied = structural_copy(module).eval()
    counter = FlopCounterMode(display=False)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), counter:
        copied(torch.empty(1, channels, resolution_px, resolution_px, device=device))
    return int(counter.get_total_flops()) // 2
