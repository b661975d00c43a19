"""Measured costs of a row's network: inference time and the memory of a training step.

All networks are built first and measured alternately (A B C A B C ...), so that a slowdown of the machine affects all
of them; medians are reported. Funnels run with their normalisation folded into the depthwise convolution if possible,
which the paper gives as the reason for batch normalisation.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from ablate.activations import Funnel
from ablate.training.determinism import Streams, make_deterministic, pick_device
from ablate.training.loop import one_step, prepare, start
from ablate.training.practice import Practice, Setting
from ablate.trials.trial import Measured

BATCHES = (1, 32)
ROUNDS = (5, 50)
"""Minimum and maximum number of rounds."""
BUDGET_S = 10.0
"""Time per batch size over all rows, in seconds; it determines the number of rounds."""


def measure(recipes: Sequence[Any], practice: Practice) -> list[Measured]:
    """Measure one network per recipe on this process's device, with fresh weights, on which times do not depend.

    Args:
        recipes: recipes of one task.
        practice: practice of the task.

    Returns:
        For each recipe, in order, the median inference time of a batch of 1 and of 32 images in ms, the number of
        rounds, whether all funnels were folded, and the peak memory of a training step in bytes.
    """
    make_deterministic()
    settings = [prepare(practice, recipe, Streams(0, pick_device())) for recipe in recipes]
    peaks = []
    for setting in settings:
        with closing(setting.source):
            peaks.append(peak_memory_bytes(setting))
    networks = [_ready(setting) for setting in settings]
    times = {
        batch: _in_turn([_call(*pair, batch) for pair in zip(settings, networks, strict=True)]) for batch in BATCHES
    }
    return [
        Measured(
            inference_ms_1=statistics.median(times[1][index]),
            inference_ms_32=statistics.median(times[32][index]),
            rounds=min(len(times[batch][index]) for batch in BATCHES),
            is_folded=all(funnel.fold() is not funnel for funnel in _funnels(start(setting).network)),
            peak_memory_bytes=peaks[index],
            device=setting.streams.device.type,
        )
        for index, setting in enumerate(settings)
    ]


def time_steps(recipe: Any, count: int, practice: Practice) -> float:
    """Estimate the training time of a whole trial on this machine, in seconds.

    Args:
        recipe: recipe of the trial.
        count: number of timed steps, after three warm-up steps.
        practice: practice of its task.
    """
    setting = prepare(practice, recipe, Streams(0, pick_device()))
    training = start(setting)
    training.network.train()
    with closing(setting.source):
        for _ in setting.source.ready(train=True):
            pass
        for _ in range(3):
            one_step(setting, training)
        began = time.perf_counter()
        for _ in range(count):
            loss, _ = one_step(setting, training)
        float(loss)  # waits for the device
        return (time.perf_counter() - began) / count * setting.steps


def fold(network: nn.Module) -> nn.Module:
    """Put a network into evaluation mode and fold its funnels if possible, in place."""
    network.eval()
    for name, module in list(network.named_modules()):
        if isinstance(module, Funnel):
            network.set_submodule(name, module.fold())
    return network


def peak_memory_bytes(setting: Setting[Any, Any]) -> int:
    """Peak memory of tensors during a training step in bytes, including network, gradients and momentum.

    On a GPU this is the allocator's own figure; on a CPU, the maximum of the profiler's cumulative allocations plus the
    weights and momentum.
    """
    training = start(setting)
    training.network.train()
    one_step(setting, training)  # momentum buffers exist from the second step on
    if setting.streams.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        one_step(setting, training)
        return int(torch.cuda.max_memory_allocated())
    standing = sum(tensor.nbytes for tensor in _standing(training.network)) * 2  # weights and momentum
    training.optimiser.zero_grad(set_to_none=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        one_step(setting, training)
    return standing + _peak(
        [event.nbytes() for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    )


def _standing(network: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in network.parameters()]


def _peak(changes: Sequence[int]) -> int:
    held = highest = 0
    for change in changes:
        held += change
        highest = max(highest, held)
    return highest


def _funnels(network: nn.Module) -> list[Funnel]:
    return [module for module in network.modules() if isinstance(module, Funnel)]


def _ready(setting: Setting[Any, Any]) -> nn.Module:
    return fold(start(setting).network)


def _call(setting: Setting[Any, Any], network: nn.Module, batch: int) -> Callable[[], None]:
    """A function that runs one batch of that size and waits for it."""
    layout = torch.channels_last if setting.recipe.channels_last else torch.contiguous_format
    inputs, _ = setting.source.batch(0, slice(1))
    inputs = inputs.expand(batch, -1, -1, -1).contiguous(memory_format=layout)
    setting.source.close()

    @torch.inference_mode()
    def call() -> None:
        with setting.autocast():
            network(inputs)
        if inputs.is_cuda:
            torch.cuda.synchronize()

    return call


def _in_turn(calls: Sequence[Callable[[], None]]) -> list[list[float]]:
    """Milliseconds of every call in every round; the first round is a warm-up and is not counted."""
    warm = sum(_milliseconds(call) for call in calls)
    rounds = int(min(max(1000 * BUDGET_S / max(warm, 1e-3), ROUNDS[0]), ROUNDS[1]))
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, its_times in zip(calls, times, strict=True):
            its_times.append(_milliseconds(call))
    return times


def _milliseconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


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
