"""Checkpoints: one safetensors file, replaced atomically, so that a killed process leaves the old or the new one."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from ablate.trials.trial import EpochMetrics

FILE = "checkpoint.safetensors"
"""Name of the file in a trial's folder."""


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
    """

    network: nn.Module
    parallel: nn.Module
    optimiser: SGD
    scheduler: LRScheduler
    step: int
    train_s: float
    curve: list[EpochMetrics]


def save_checkpoint(training: Training, workdir: Path) -> None:
    """Write the state to a temporary file, sync it to disk, and rename it over the previous checkpoint."""
    tensors = {f"network.{name}": value for name, value in training.network.state_dict().items()}
    for index, buffer in enumerate(_momenta(training.optimiser)):
        tensors[f"momentum.{index}"] = buffer
    state = {
        "step": training.step,
        "train_s": training.train_s,
        "curve": [point.model_dump(mode="json") for point in training.curve],
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
        training.network.load_state_dict(
            {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
        )
    except (SafetensorError, KeyError, RuntimeError, ValueError):
        path.replace(path.with_suffix(".damaged"))
        return False
    _restore_momenta(training.optimiser, tensors)
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


def _momenta(optimiser: SGD) -> list[torch.Tensor]:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    buffers = [optimiser.state.get(parameter, {}).get("momentum_buffer") for parameter in parameters]
    pairs = zip(parameters, buffers, strict=True)
    return [torch.zeros_like(parameter) if buffer is None else buffer for parameter, buffer in pairs]


def _restore_momenta(optimiser: SGD, tensors: dict[str, torch.Tensor]) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for index, parameter in enumerate(parameters):
        momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{index}"])
        optimiser.state[parameter]["momentum_buffer"] = momentum


def _fast_forward(scheduler: LRScheduler, steps: int) -> None:
    """Repeat a scheduler's steps: rates are bit-equal, and its internal state need not be stored."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        for _ in range(steps):
            scheduler.step()
