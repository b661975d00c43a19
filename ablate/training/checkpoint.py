"""Checkpoints: one safetensors file, replaced atomically, so that a killed process leaves the old or the new one."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from ablate.trials.trial import EpochMetrics

FILE = "checkpoint.safetensors"
"""Name of the file in a trial's folder."""
AVERAGE = "average."
"""Start of the names of the moving average's tensors; the network's begin with `network.`."""


@dataclass(slots=True)
class Training:
    """Everything that changes while a network is trained.

    Attributes:
        network: network, changed in place.
        parallel: module that the forward pass calls: the network, or the result of `Ranks.wrap`.
        optimiser: optimiser, changed in place.
        scheduler: learning rate scheduler, changed in place.
        step: number of finished optimiser steps.
        train_s: wall time of training so far in seconds, including interrupted runs.
        curve: points of the learning curve so far.
        average: moving average of the weights, with `ema_decay`.
    """

    network: nn.Module
    parallel: nn.Module
    optimiser: Optimizer
    scheduler: LRScheduler
    step: int
    train_s: float
    curve: list[EpochMetrics]
    average: AveragedModel | None = None

    @property
    def tested(self) -> nn.Module:
        """The network that is evaluated: the average, if there is one."""
        return self.network if self.average is None else self.average.module


def save_checkpoint(training: Training, workdir: Path) -> None:
    """Write the state to a temporary file, sync it to disk, and rename it over the previous checkpoint."""
    tensors = {f"network.{name}": value for name, value in training.network.state_dict().items()}
    tensors |= {f"{AVERAGE}{name}": value for name, value in _average_of(training).items()}
    own = _state_of(training.optimiser)
    tensors |= {name: value for name, value in own.items() if isinstance(value, torch.Tensor)}
    state = {
        "step": training.step,
        "train_s": training.train_s,
        "curve": [point.model_dump(mode="json") for point in training.curve],
        "numbers": {name: value for name, value in own.items() if name not in tensors},
    }
    plain = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
    content = save(plain, {"state": json.dumps(state)})
    workdir.mkdir(parents=True, exist_ok=True)
    temporary = workdir / f"{FILE}.tmp"
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(workdir / FILE)


def load_checkpoint(training: Training, workdir: Path) -> bool:
    """Restore `training` from the checkpoint in `workdir`.

    A file that cannot be read, or belongs to another network, is renamed to `*.damaged`; training then starts from the
    beginning.

    Returns:
        Whether there was a valid checkpoint.
    """
    path = workdir / FILE
    if not path.exists():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        training.network.load_state_dict(_below("network.", tensors))
        if training.average is not None:
            training.average.load_state_dict(_below(AVERAGE, tensors))
    except (SafetensorError, KeyError, RuntimeError, ValueError):
        path.replace(path.with_suffix(".damaged"))
        return False
    _restore_state(training.optimiser, {**tensors, **state.get("numbers", {})})
    _fast_forward(training.scheduler, state["step"])
    training.step, training.train_s = state["step"], state["train_s"]
    training.curve = [EpochMetrics.model_validate(point) for point in state["curve"]]
    return True


def is_finished(workdir: Path) -> bool:
    """Whether the folder contains a checkpoint of the last step, according to the file's own metadata."""
    path = workdir / FILE
    if not path.exists():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
    except (SafetensorError, KeyError, TypeError, ValueError):  # damaged, or written by another program
        return False
    return bool(state["curve"]) and state["step"] == state["curve"][-1]["steps"]


def _below(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _average_of(training: Training) -> dict[str, torch.Tensor]:
    return {} if training.average is None else training.average.state_dict()


def _parameters(optimiser: Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _state_of(optimiser: Optimizer) -> dict[str, Any]:
    """The state of the optimiser by name, tensors and numbers; of SGD the momentum, which is zero before a step."""
    parameters = _parameters(optimiser)
    if isinstance(optimiser, SGD):
        buffers = [optimiser.state.get(parameter, {}).get("momentum_buffer") for parameter in parameters]
        pairs = enumerate(zip(parameters, buffers, strict=True))
        return {
            f"momentum.{index}": torch.zeros_like(one) if buffer is None else buffer for index, (one, buffer) in pairs
        }
    found = {
        f"optimiser.{index}.{name}": value
        for index, parameter in enumerate(parameters)
        for name, value in optimiser.state.get(parameter, {}).items()
        if value is not None
    }
    groups = enumerate(optimiser.param_groups)
    return found | {f"group.{index}.step": group["step"] for index, group in groups if "step" in group}


def _restore_state(optimiser: Optimizer, state: Mapping[str, Any]) -> None:
    """Put back what `_state_of` found."""
    for index, parameter in enumerate(_parameters(optimiser)):
        if isinstance(optimiser, SGD):
            optimiser.state[parameter]["momentum_buffer"] = _like(parameter, state[f"momentum.{index}"])
        for name, value in _below(f"optimiser.{index}.", state).items():
            optimiser.state[parameter][name] = _like(parameter, value)
    for index, group in enumerate(optimiser.param_groups):
        if f"group.{index}.step" in state:
            group["step"] = state[f"group.{index}.step"]


def _like(parameter: torch.Tensor, value: Any) -> Any:
    """A stored value on the device, and in the memory format, of its parameter; counts of steps stay on the CPU."""
    if not isinstance(value, torch.Tensor) or value.ndim == 0:
        return value
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    return value.to(parameter.device)


def _fast_forward(scheduler: LRScheduler, steps: int) -> None:
    """Repeat a scheduler's steps: rates are bit-equal, and its internal state need not be stored."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        for _ in range(steps):
            scheduler.step()
