"""The optimiser and the learning rate schedule."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
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

from ablate.errors import TrialError, nearest, quote
from ablate.recipes.classify import TrainingFields
from ablate.recipes.optimiser import ADAMS, TIMM
from ablate.recipes.scenes import SceneFields

ONECYCLE_PEAK = 0.23
"""Fraction of the steps at which `onecycle` has its maximum."""
POLY_POWER = 0.9
"""Exponent of `poly`."""
STEP_AT = (6, 8)
"""Ninths of the steps at which `step` divides the rate by 10."""


def build_optimiser(network: nn.Module, recipe: TrainingFields | SceneFields) -> Optimizer:
    """Build the optimiser of a recipe for the parameters that require gradients.

    Weight decay applies to matrices and kernels, not to vectors (biases, scales of norms, slopes of PReLU), as in the
    released code of the FReLU paper.

    Args:
        network: network to train.
        recipe: recipe; `optimizer`, `lr`, `momentum`, `nesterov`, `betas` and `weight_decay` are read.

    Raises:
        TrialError: timm is not installed, or has no such optimiser.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in trained if parameter.ndim > 1]
    vectors = [parameter for parameter in trained if parameter.ndim <= 1]
    split = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    groups: list[dict[str, Any]] = [group for group in split if group["params"]]
    if recipe.optimizer.startswith(TIMM):
        return _of_timm(groups, recipe)
    if recipe.optimizer == "rmsprop":
        return RMSprop(groups, lr=recipe.lr, momentum=recipe.momentum)
    if recipe.optimizer in ADAMS:
        return (AdamW if recipe.optimizer == "adamw" else Adam)(groups, lr=recipe.lr, betas=recipe.betas)
    nesterov = isinstance(recipe, TrainingFields) and recipe.nesterov
    return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov)


def _of_timm(groups: list[dict[str, Any]], recipe: TrainingFields | SceneFields) -> Optimizer:
    try:
        optim = import_module("timm.optim")
    except ModuleNotFoundError as error:
        raise TrialError(
            f"optimizer {quote(recipe.optimizer)} is timm's, which is not installed: pip install '.[zoo]' (in a "
            "checkout of ablate)"
        ) from error
    name, known = recipe.optimizer.removeprefix(TIMM), [str(one) for one in optim.list_optimizers()]
    if name not in known:
        raise TrialError(f"timm has no optimizer {quote(name)}{nearest(name, known)}")
    found: Optimizer = optim.create_optimizer_v2(groups, opt=name, lr=recipe.lr, momentum=recipe.momentum)
    return found


def build_scheduler(
    optimiser: Optimizer, recipe: TrainingFields | SceneFields, steps: int, steps_per_epoch: int
) -> LRScheduler:
    """Build the learning rate scheduler, which is stepped after every optimiser step.

    Args:
        optimiser: optimiser whose rate it sets.
        recipe: recipe; `schedule`, `lr`, and `warmup_steps` or `warmup_epochs` are read.
        steps: total number of optimiser steps.
        steps_per_epoch: optimiser steps per epoch, for `warmup_epochs`. A warm-up is not longer than the training.
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


def _main_schedule(optimiser: Optimizer, name: str, steps: int) -> LRScheduler:
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
    """Context of forward passes: bf16 autocast if the recipe has it, else no effect."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bf16")
