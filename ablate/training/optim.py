"""The optimiser and the learning rate over the steps."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
)

from ablate.recipes.classify import TrainingFields
from ablate.recipes.scenes import SceneFields

ONECYCLE_PEAK = 0.23
"""Share of the steps at which the triangle of `onecycle` has its top."""
POLY_POWER = 0.9
STEP_AT = (6, 8)
"""Ninths of the steps at which `step` lowers the rate to a tenth."""


def build_optimiser(network: nn.Module, recipe: TrainingFields | SceneFields) -> SGD:
    """SGD with momentum for what needs a gradient; weight decay on matrices and kernels only.

    Vectors (biases, gains of norms, PReLU's slopes) are not decayed, as in the released code of the FReLU paper.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.ndim > 1]
    vectors = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    nesterov = isinstance(recipe, TrainingFields) and recipe.nesterov
    return SGD(
        [group for group in groups if group["params"]], lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov
    )


def build_scheduler(
    optimiser: SGD, recipe: TrainingFields | SceneFields, steps: int, steps_per_epoch: int
) -> LRScheduler:
    """The learning rate, to be stepped after every optimiser step.

    Args:
        optimiser: whose rate it sets.
        recipe: `schedule`, `lr`, and `warmup_steps` or `warmup_epochs`.
        steps: optimiser steps in all.
        steps_per_epoch: converts `warmup_epochs`; a warm-up longer than the training is cut to it.
    """
    if recipe.schedule == "onecycle":
        return OneCycleLR(
            optimiser,
            max_lr=recipe.lr,
            total_steps=max(steps, 2),
            pct_start=ONECYCLE_PEAK,
            anneal_strategy="linear",
            cycle_momentum=False,
        )
    wanted = recipe.warmup_steps if isinstance(recipe, SceneFields) else round(recipe.warmup_epochs * steps_per_epoch)
    warmup = min(wanted, steps - 1)
    main = _main_schedule(optimiser, recipe.schedule, max(steps - warmup, 1))
    if warmup == 0:
        return main
    rising = LinearLR(optimiser, start_factor=1 / (warmup + 1), end_factor=1.0, total_iters=warmup)
    return SequentialLR(optimiser, [rising, main], milestones=[warmup])


def _main_schedule(optimiser: SGD, name: str, steps: int) -> LRScheduler:
    if name == "linear":
        return LinearLR(optimiser, start_factor=1.0, end_factor=0.0, total_iters=steps)
    if name == "cosine":
        return CosineAnnealingLR(optimiser, T_max=steps)
    if name == "poly":
        return LambdaLR(optimiser, lambda step: (1 - min(step, steps) / steps) ** POLY_POWER)
    if name == "step":
        return MultiStepLR(optimiser, [steps * ninths // 9 for ninths in STEP_AT], gamma=0.1)
    return ConstantLR(optimiser, factor=1.0, total_iters=0)


def autocast(device: torch.device, recipe: TrainingFields | SceneFields) -> torch.autocast:
    """The context in which forward passes run: bf16 where the recipe asks for it, else nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bf16")
