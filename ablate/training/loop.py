"""The training loop of all tasks: from a recipe and a seed to an outcome, with heartbeats in between.

On a CPU with the same number of threads, the same recipe and seed give the same numbers, also if training is
interrupted and resumes from its checkpoint. The test set is used once, at the end, and selects nothing. The
task-specific code is in the task's practice (`ablate.training.practice`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ablate.training.checkpoint import Training, load_checkpoint, save_checkpoint
from ablate.training.determinism import Streams, check_promised_gpus, make_deterministic, pick_device
from ablate.training.optim import build_optimiser, build_scheduler
from ablate.training.practice import DivergedError, Evaluation, Practice, Setting, Tallies, Work
from ablate.training.rank_processes import train_together
from ablate.training.ranks import ALONE, Ranks
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome

HEARTBEAT_S = 1.0
"""Seconds between heartbeats."""
CHECK_EVERY = 50
"""Steps between checks of the loss on a GPU, where each check waits for the device; on a CPU every step is checked."""

NO_NEEDS: Mapping[str, Path] = {}


def carry_out(work: Work, ranks: int | None = None) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Train and evaluate one network.

    Args:
        work: the trial.
        ranks: number of processes that train it together; None: one per visible GPU. The numbers do not depend on it,
            except for rounding.

    Yields:
        A heartbeat at least every few seconds, a point of the curve at the end of each epoch and of training, and last
        the outcome: `succeeded`, or `diverged` if a loss or an output was NaN or infinite.

    Raises:
        DataError: the data set is missing or damaged.
        SiteError: the recipe's network cannot be built.
        TrialError: the batch cannot be divided among the ranks, or torch finds fewer GPUs than the trial was promised.
        RankError: the process of a rank died.
    """
    check_promised_gpus()
    count = ranks or max(torch.cuda.device_count(), 1)
    if count > 1:
        yield from train_together(work, count)
    else:
        yield from carry_out_as(ALONE, work)


def carry_out_as(ranks: Ranks, work: Work) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """`carry_out` in one of the ranks, which run it in parallel; only rank 0 evaluates and yields an outcome."""
    make_deterministic()
    setting = prepare(work.practice, work.recipe, Streams(work.seed, pick_device()), ranks=ranks, needs=work.needs)
    with closing(setting.source):
        yield from _carry_out(setting, work.workdir)


def _carry_out(setting: Setting[Any, Any], workdir: Path) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    ranks, practice = setting.ranks, setting.practice
    training = start(setting)
    with ranks.first_alone():  # rank 0 renames a damaged checkpoint
        load_checkpoint(training, workdir)
    training.parallel = ranks.wrap(training.network)
    yield from training.curve
    yield from _alive(setting, training.step, setting.source.ready(train=True))
    try:
        yield from _steps(setting, training, workdir)
        if ranks.rank:
            return
        found = yield from _evaluate(setting, training.tested)
    except DivergedError as error:
        cost = practice.count(setting, training.network)
        yield Outcome(status="diverged", reason=str(error), train_s=training.train_s, cost=cost)
        return
    for name, content in found.files.items():
        (workdir / name).write_bytes(content)
    last = training.curve[-1].metrics if training.curve else {}
    metrics = {**found.metrics, **{name: last[name] for name in ("train_loss",) if name in last}}
    cost = practice.count(setting, training.network)
    yield Outcome(
        status="succeeded",
        metrics=metrics,
        train_s=training.train_s,
        cost=cost,
        funnel_share=found.funnel_share,
        items=found.items,
    )


def prepare(
    practice: Practice, recipe: Any, streams: Streams, *, ranks: Ranks = ALONE, needs: Mapping[str, Path] = NO_NEEDS
) -> Setting[Any, Any]:
    """Open the source and build the setting of a trial. Close the source when the trial ends.

    Args:
        practice: practice of the task.
        recipe: recipe of the trial.
        streams: random streams of the seed.
        ranks: rank of this process and number of ranks.
        needs: name -> folder of the finished trial whose weights this one takes.

    Raises:
        DataError: the data set is missing or damaged.
        TrialError: the batch cannot be divided among the ranks, or torch finds fewer GPUs than the trial was promised.
    """
    setting: Setting[Any, Any] = Setting(practice, recipe, streams, practice.open(recipe, streams), needs, ranks)
    setting.whole_batch()  # raises if the batch cannot be divided
    return setting


def start(setting: Setting[Any, Any]) -> Training:
    """Build the network, optimiser and scheduler, before the first step.

    Raises:
        SiteError: the recipe's network cannot be built.
        TrialError: the optimiser is timm's, and timm does not have it.
    """
    recipe = setting.recipe
    network = setting.practice.build(setting)
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network = network.to(setting.streams.device, memory_format=layout)  # type: ignore[call-overload]
    optimiser = build_optimiser(network, recipe)
    scheduler = build_scheduler(optimiser, recipe, setting.steps, setting.steps_per_epoch)
    average = None
    if recipe.ema_decay:
        decaying = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
        average = AveragedModel(network, multi_avg_fn=decaying, use_buffers=True)
    return Training(network, network, optimiser, scheduler, step=0, train_s=0.0, curve=[], average=average)


def _steps(setting: Setting[Any, Any], training: Training, workdir: Path) -> Iterator[Heartbeat | EpochMetrics]:
    """Train from `training.step` to the end. The time between a yield and the next call does not count as training."""
    on_cpu = setting.streams.device.type == "cpu"
    progress = RunningLoss(setting)
    steps, per_epoch = setting.steps, setting.steps_per_epoch
    training.network.train()
    began = beat = time.perf_counter()
    while training.step < steps:
        progress.add(*one_step(setting, training))
        is_end = training.step % per_epoch == 0 or training.step == steps
        if on_cpu or is_end or training.step % CHECK_EVERY == 0:
            progress.check(training.step)
        now = time.perf_counter()
        if not is_end and now - beat < HEARTBEAT_S:
            continue
        training.train_s += now - began
        if is_end:
            training.curve.append(progress.point(training))
            for network in filter(None, (training.network, training.average)):
                setting.ranks.average_statistics(network)
            if setting.ranks.rank == 0:
                save_checkpoint(training, workdir)
            yield training.curve[-1]
        else:
            yield Heartbeat(step=training.step, steps=steps, metrics=progress.metrics())
        began = beat = time.perf_counter()


def one_step(setting: Setting[Any, Any], training: Training) -> tuple[Tensor, Tallies]:
    """Take one optimiser step.

    Returns:
        The loss of the whole batch, () of float, and the practice's tallies.
    """
    step, ranks = training.step, setting.ranks
    inputs, targets = setting.source.batch(step, ranks.part(setting.source.order.size))
    torch.manual_seed(setting.streams.number("dropout", step))
    training.optimiser.zero_grad(set_to_none=True)
    total, sums = torch.zeros((), device=setting.streams.device), dict[str, Tensor]()
    for part in _parts(len(inputs), setting.recipe.accumulate):
        with setting.autocast(), setting.whole_batch():
            outputs = training.parallel(inputs[part])
        loss, tallies = setting.practice.loss(setting, outputs, targets[part])
        torch.autograd.backward(loss / setting.recipe.accumulate if setting.recipe.accumulate > 1 else loss)
        total = total + loss.detach() / setting.recipe.accumulate
        sums = {name: sums[name] + tally if name in sums else tally for name, tally in tallies.items()}
    if setting.recipe.clip_norm:
        clip_grad_norm_(training.network.parameters(), setting.recipe.clip_norm)
    training.optimiser.step()
    training.scheduler.step()
    if training.average is not None:
        training.average.update_parameters(training.network)
    training.step += 1
    return ranks.mean(total), {name: ranks.sum(tally) for name, tally in sums.items()}


def _parts(images: int, count: int) -> Iterator[slice]:
    """The slices of a batch that are computed one after the other."""
    size = images // count
    yield from (slice(first, first + size) for first in range(0, images, size))


class RunningLoss:
    """Loss and tallies since the start of the epoch, summed on the device without synchronisation.

    Args:
        setting: setting of the trial.
    """

    def __init__(self, setting: Setting[Any, Any]) -> None:
        self.setting = setting
        self.loss: Tensor | float = 0.0
        self.tallies: dict[str, Tensor] = {}
        self.count = 0

    def add(self, loss: Tensor, tallies: Tallies) -> None:
        """Add one step."""
        self.loss, self.count = self.loss + loss, self.count + 1
        self.tallies = {name: self.tallies.get(name, 0) + tally for name, tally in tallies.items()}

    def check(self, step: int) -> None:
        """Check the sum, in which a NaN or an infinity remains.

        Raises:
            DivergedError: a loss was not finite.
        """
        loss = float(self.loss)
        if not math.isfinite(loss):
            raise DivergedError(f"the training loss is {'nan' if math.isnan(loss) else 'infinite'} by step {step}")

    def metrics(self) -> dict[str, float]:
        """Means since the start of the epoch, on augmented images."""
        sums = {name: float(tally) for name, tally in self.tallies.items()}
        images = self.count * self.setting.source.order.size
        return {"train_loss": float(self.loss) / self.count, **self.setting.practice.summarise(sums, images)}

    def point(self, training: Training) -> EpochMetrics:
        """Point of the curve at this step; the sums are reset."""
        setting = self.setting
        epoch = training.step / setting.steps_per_epoch
        point = EpochMetrics(step=training.step, steps=setting.steps, epoch=epoch, metrics=self.metrics())
        self.loss, self.tallies, self.count = 0.0, {}, 0
        return point


def _evaluate(setting: Setting[Any, Any], network: nn.Module) -> Generator[Heartbeat, None, Evaluation]:
    """Evaluate the practice on the test set, with heartbeats."""
    network.eval()
    yield from _alive(setting, setting.steps, setting.source.ready(train=False))
    found: Evaluation = yield from _alive(setting, setting.steps, setting.practice.evaluate(setting, network))
    return found


def _alive(setting: Setting[Any, Any], step: int, pieces: Iterator[None]) -> Generator[Heartbeat, None, Any]:
    """Run work other than training, yield heartbeats between its pieces, and return its result."""
    beat = time.perf_counter()
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value
        if time.perf_counter() - beat >= HEARTBEAT_S:
            yield Heartbeat(step=step, steps=setting.steps)
            beat = time.perf_counter()
