"""What a row's network costs when it runs: inference time and the memory of a training step.

All rows are built first and measured in turn (A B C A B C ...), so that a machine which slows down slows all of them;
medians are reported. Funnels run with their normalisation folded into the depthwise convolution where it can be: the
article gives that as the reason for batch normalisation.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
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
BUDGET_S = 10.0
"""Per batch size, over all rows; bounds the rounds between 5 and 50."""


def measure(recipes: Sequence[Any], practice: Practice) -> list[Measured]:
    """Measure one network a recipe on this process's device, with fresh weights: times do not depend on them.

    Returns:
        For each recipe, in order, the median inference time of a batch of 1 and of 32 images in ms, the number of
        rounds, the number of funnels folded and not folded, and the peak memory of a training step.
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
    """Seconds that the steps of a whole trial would take here, from `count` of them after three to warm up."""
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
    """The network in evaluation mode, each funnel folded where it can be; in place."""
    network.eval()
    for name, part in list(network.named_modules()):
        if isinstance(part, Funnel):
            network.set_submodule(name, part.fold())
    return network


def peak_memory_bytes(setting: Setting[Any, Any]) -> int:
    """The most memory that tensors hold at once during a training step, with network, gradients and momentum.

    On a GPU the allocator's own figure; on a CPU the running sum of the profiler's allocations, counted from the
    weights upwards.
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
    return [part for part in network.modules() if isinstance(part, Funnel)]


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
    """Milliseconds of every call in every round; the first round warms up and is left out."""
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
