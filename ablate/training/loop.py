"""The training loop of `classify`: from a recipe and a seed to an outcome, with signs of life between.

The same recipe and seed give the same numbers twice on a CPU with the same number of threads, also when training was
interrupted and went on from its checkpoint. The test set is looked at once, at the end, and chooses nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ablate.models.cost import count_cost
from ablate.models.surgery import build
from ablate.recipe import ClassifyRecipe, architecture_of
from ablate.training.checkpoint import Training, load_checkpoint, save_checkpoint
from ablate.training.determinism import Streams, make_deterministic, pick_device
from ablate.training.observe import observed_funnels
from ablate.training.optim import autocast, build_optimiser, build_scheduler
from ablate.training.ranks import ALONE, Ranks
from ablate.training.sources import Source, open_source
from ablate.training.together import train_together
from ablate.training.whole_batch import WholeBatch
from ablate.trial import Cost, EpochMetrics, Heartbeat, Outcome

HEARTBEAT_S = 1.0
LOOK_EVERY = 50
"""On a GPU the loss is fetched once in so many steps; on a CPU fetching it is free."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same while a network is trained."""

    recipe: ClassifyRecipe
    streams: Streams
    source: Source
    steps: int
    steps_per_epoch: int
    resolution_px: int
    ranks: Ranks = ALONE

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        return autocast(self.streams.device, self.recipe)

    def whole_batch(self) -> AbstractContextManager[object]:
        """Whose images batch norm and dropout in training see as one batch."""
        size = self.source.order.size
        group = self.recipe.norm_batch or size
        return nullcontext() if self.ranks.count == 1 and group == size else WholeBatch(self.ranks, size, group)


class DivergedError(ArithmeticError):
    """The loss or an output is NaN or infinite: a result, not a fault."""


def train(
    recipe: ClassifyRecipe, seed: int, workdir: Path, ranks: int | None = None
) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Train and evaluate one network.

    Args:
        recipe: what to train; `steps` or `epochs` are carried out in full.
        seed: of all random streams.
        workdir: gets the checkpoint; if it holds one of this trial, training goes on from there.
        ranks: processes that train it together; None: one for each GPU that this process may see. The numbers do not
            depend on it, but for rounding.

    Yields:
        A heartbeat at least every few seconds, a point of the curve at the end of each epoch and of training, and last
        the outcome: `succeeded`, or `diverged` where a loss or an output was NaN or infinite.

    Raises:
        DataError: the data set is missing or damaged.
        SiteError: the network cannot be built as the recipe asks.
        TrialError: the batch cannot be divided among so many ranks.
        RankError: the process of a rank died.
    """
    count = ranks or max(torch.cuda.device_count(), 1)
    if count > 1:
        yield from train_together(recipe, seed, workdir, count)
    else:
        yield from train_as(ALONE, recipe, seed, workdir)


def train_as(
    ranks: Ranks, recipe: ClassifyRecipe, seed: int, workdir: Path
) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """`train` as one of the ranks, all of which run through it at once; rank 0 alone evaluates and has an outcome."""
    make_deterministic()
    setting = prepare(recipe, Streams(seed, pick_device()), ranks)
    with closing(setting.source):
        yield from _train(setting, workdir)


def _train(setting: Setting, workdir: Path) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    ranks = setting.ranks
    training = start(setting)
    with ranks.first_alone():  # it sets a damaged checkpoint aside
        load_checkpoint(training, workdir)
    training.parallel = ranks.wrap(training.network)
    yield from training.curve
    yield from _alive(setting, training.step, setting.source.ready(train=True))
    try:
        yield from _steps(setting, training, workdir)
        if ranks.rank:
            return
        metrics, share = yield from evaluate(setting, training.network)
    except DivergedError as error:
        cost = cost_of(setting, training.network)
        yield Outcome(status="diverged", reason=str(error), train_s=training.train_s, cost=cost)
        return
    last = training.curve[-1].metrics if training.curve else {}
    metrics = {**metrics, **{name: last[name] for name in ("train_loss",) if name in last}}
    cost = cost_of(setting, training.network)
    yield Outcome(status="succeeded", metrics=metrics, train_s=training.train_s, cost=cost, funnel_share=share)


_costs: dict[str, Cost] = {}


def cost_of(setting: Setting, network: nn.Module) -> Cost:
    """What the network costs; counted once a process for all trials that differ in seed and training alone."""
    architecture = architecture_of(setting.recipe).model_dump_json()
    if architecture not in _costs:
        _costs[architecture] = count_cost(network, setting.resolution_px)
    return _costs[architecture]


def prepare(recipe: ClassifyRecipe, streams: Streams, ranks: Ranks = ALONE) -> Setting:
    """The images of this seed, and the length of the training. Close its source when the trial is over."""
    source = open_source(recipe, streams)
    per_epoch = source.order.steps_per_epoch
    steps = recipe.steps or recipe.epochs * per_epoch
    resolution_px = recipe.resolution_px or source.info.resolution_px
    setting = Setting(recipe, streams, source, steps, per_epoch, resolution_px, ranks)
    setting.whole_batch()  # refuses what cannot be divided
    return setting


def start(setting: Setting) -> Training:
    """A network as the recipe builds it, its optimiser and its learning rate, before the first step."""
    recipe = setting.recipe
    network: nn.Module = build(
        recipe, setting.source.info.classes, setting.resolution_px, setting.streams.on_cpu
    ).network
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network = network.to(setting.streams.device, memory_format=layout)  # type: ignore[call-overload]
    optimiser = build_optimiser(network, recipe)
    scheduler = build_scheduler(optimiser, recipe, setting.steps, setting.steps_per_epoch)
    return Training(network, network, optimiser, scheduler, step=0, train_s=0.0, curve=[])


def _steps(setting: Setting, training: Training, workdir: Path) -> Iterator[Heartbeat | EpochMetrics]:
    """Train from `training.step` to the end. Time between a yield and the next call is not training time."""
    on_cpu = setting.streams.device.type == "cpu"
    progress = Progress(setting)
    training.network.train()
    began = beat = time.perf_counter()
    while training.step < setting.steps:
        progress.add(*one_step(setting, training))
        is_end = training.step % setting.steps_per_epoch == 0 or training.step == setting.steps
        if on_cpu or is_end or training.step % LOOK_EVERY == 0:
            progress.check(training.step)
        now = time.perf_counter()
        if not is_end and now - beat < HEARTBEAT_S:
            continue
        training.train_s += now - began
        if is_end:
            training.curve.append(progress.point(training))
            setting.ranks.average_statistics(training.network)
            if setting.ranks.rank == 0:
                save_checkpoint(training, workdir)
            yield training.curve[-1]
        else:
            yield Heartbeat(step=training.step, steps=setting.steps, metrics=progress.metrics())
        began = beat = time.perf_counter()


def one_step(setting: Setting, training: Training) -> tuple[torch.Tensor, torch.Tensor]:
    """One optimiser step. Returns the whole batch's loss, () of float, and its number of errors, () of int."""
    recipe, streams, step = setting.recipe, setting.streams, training.step
    inputs, labels = setting.source.batch(step, setting.ranks.part(setting.source.order.size))
    torch.manual_seed(streams.number("dropout", step))
    with setting.autocast(), setting.whole_batch():
        logits = training.parallel(inputs)  # (N, classes)
    loss = cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
    training.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    training.optimiser.step()
    training.scheduler.step()
    training.step += 1
    errors = (logits.detach().argmax(1) != labels).sum()
    return setting.ranks.mean(loss.detach()), setting.ranks.sum(errors)


class Progress:
    """Loss and errors since the epoch began, summed on the device so that nothing waits for it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.batch = setting.source.order.size
        self.loss: torch.Tensor | float = 0.0
        self.errors: torch.Tensor | float = 0.0
        self.count = 0

    def add(self, loss: torch.Tensor, errors: torch.Tensor) -> None:
        """Take in one step."""
        self.loss, self.errors, self.count = self.loss + loss, self.errors + errors, self.count + 1

    def check(self, step: int) -> None:
        """Raise DivergedError where a loss was not finite: a NaN or infinity stays in the sum."""
        loss = float(self.loss)
        if not math.isfinite(loss):
            raise DivergedError(f"the training loss is {'nan' if math.isnan(loss) else 'infinite'} by step {step}")

    def metrics(self) -> dict[str, float]:
        """Means since the epoch began, on augmented images."""
        return {
            "train_loss": float(self.loss) / self.count,
            "train_top1_error_pct": 100 * float(self.errors) / (self.count * self.batch),
        }

    def point(self, training: Training) -> EpochMetrics:
        """The curve's point at this step; the sums begin anew."""
        epoch = training.step / self.setting.steps_per_epoch
        point = EpochMetrics(step=training.step, steps=self.setting.steps, epoch=epoch, metrics=self.metrics())
        self.loss = self.errors = 0.0
        self.count = 0
        return point


def _alive(setting: Setting, step: int, work: Iterable[object]) -> Iterator[Heartbeat]:
    """Do something else than training, and give signs of life between its pieces."""
    beat = time.perf_counter()
    for _ in work:
        if time.perf_counter() - beat >= HEARTBEAT_S:
            yield Heartbeat(step=step, steps=setting.steps)
            beat = time.perf_counter()


def evaluate(
    setting: Setting, network: nn.Module
) -> Generator[Heartbeat, None, tuple[dict[str, float], dict[str, float]]]:
    """Metrics on the test images, and the funnels' share.

    Yields:
        Signs of life.

    Returns:
        Metrics (`top1_error_pct`, `top5_error_pct`, `test_loss`), and for each funnel site with the max the share of
        pixels of the first test batch at which T(x) > x.

    Raises:
        DivergedError: an output is not finite.
    """
    network.eval()
    sums = dict.fromkeys(("count", "top1", "top5", "loss"), 0.0)
    share: dict[str, float] = {}
    yield from _alive(setting, setting.steps, setting.source.ready(train=False))
    yield from _alive(setting, setting.steps, _test(setting, network, sums, share))
    errors = {f"{name}_error_pct": 100 * sums[name] / sums["count"] for name in ("top1", "top5")}
    return {**errors, "test_loss": sums["loss"] / sums["count"]}, share


@torch.inference_mode()
def _test(setting: Setting, network: nn.Module, sums: dict[str, float], share: dict[str, float]) -> Iterator[None]:
    """Add up over the test images, batch by batch."""
    for inputs, labels in setting.source.test_batches():
        with setting.autocast(), observed_funnels(network, None if sums["count"] else share):
            logits = network(inputs).float()  # (N, classes)
        if not logits.isfinite().all():
            raise DivergedError("the trained network's output is not finite on the test images")
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        sums["count"] += len(labels)
        sums["top1"] += float((~best[:, 0]).sum())
        sums["top5"] += float((~best.any(1)).sum())
        sums["loss"] += float(cross_entropy(logits, labels, reduction="sum"))
        yield
