"""The training loop of `classify`: from a recipe and a seed to an outcome, with signs of life between.

The same recipe and seed give the same numbers twice on a CPU with the same number of threads, also when training was
interrupted and went on from its checkpoint. The test set is looked at once, at the end, and chooses nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ablate.activations import Funnel
from ablate.models.cost import count_cost
from ablate.models.surgery import build
from ablate.recipe import ClassifyRecipe, architecture_of
from ablate.training.augment import augment, to_float
from ablate.training.checkpoint import Training, load_checkpoint, save_checkpoint
from ablate.training.data import ImageSet, load, subset
from ablate.training.determinism import Streams, make_deterministic, pick_device
from ablate.training.optim import autocast, build_optimiser, build_scheduler
from ablate.trial import Cost, EpochMetrics, Heartbeat, Outcome

HEARTBEAT_S = 1.0
LOOK_EVERY = 50
"""On a GPU the loss is fetched once in so many steps; on a CPU fetching it is free."""
TEST_BATCH = 500


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same while a network is trained."""

    recipe: ClassifyRecipe
    streams: Streams
    images: ImageSet
    steps: int
    steps_per_epoch: int
    resolution_px: int

    def inputs(self, images: torch.Tensor) -> torch.Tensor:
        """A network's input (N, 3, H, W) from stored images (N, C, H, W) of uint8."""
        return to_float(images, self.images.info, self.recipe.resolution_px, self.recipe.channels_last)

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        return autocast(self.images.images.device, self.recipe)


class DivergedError(ArithmeticError):
    """The loss or an output is NaN or infinite: a result, not a fault."""


def train(recipe: ClassifyRecipe, seed: int, workdir: Path) -> Iterator[Heartbeat | EpochMetrics | Outcome]:
    """Train and evaluate one network.

    Args:
        recipe: what to train; `steps` or `epochs` are carried out in full.
        seed: of all random streams.
        workdir: gets the checkpoint; if it holds one of this trial, training goes on from there.

    Yields:
        A heartbeat at least every few seconds, a point of the curve at the end of each epoch and of training, and last
        the outcome: `succeeded`, or `diverged` where a loss or an output was NaN or infinite.

    Raises:
        DataError: the data set is missing or damaged.
        SiteError: the network cannot be built as the recipe asks.
    """
    make_deterministic()
    setting = prepare(recipe, Streams(seed, pick_device()))
    training = start(setting)
    load_checkpoint(training, workdir)
    yield from training.curve
    try:
        yield from _steps(setting, training, workdir)
        metrics, share = evaluate(setting, training.network)
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


def prepare(recipe: ClassifyRecipe, streams: Streams) -> Setting:
    """The training images of this seed, and the length of the training."""
    images = load(recipe.dataset, train=True, device=streams.device)
    if recipe.train_images:
        images = subset(images, recipe.train_images, streams.on_cpu("subset"))
    per_epoch = max(len(images.labels) // recipe.batch_size, 1)
    steps = recipe.steps or recipe.epochs * per_epoch
    resolution = recipe.resolution_px or images.info.resolution_px
    return Setting(recipe, streams, images, steps, per_epoch, resolution)


def start(setting: Setting) -> Training:
    """A network as the recipe builds it, its optimiser and its learning rate, before the first step."""
    recipe = setting.recipe
    network: nn.Module = build(
        recipe, setting.images.info.classes, setting.resolution_px, setting.streams.on_cpu
    ).network
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network = network.to(setting.streams.device, memory_format=layout)  # type: ignore[call-overload]
    optimiser = build_optimiser(network, recipe)
    scheduler = build_scheduler(optimiser, recipe, setting.steps, setting.steps_per_epoch)
    return Training(network, optimiser, scheduler, step=0, train_s=0.0, curve=[])


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
            save_checkpoint(training, workdir)
            yield training.curve[-1]
        else:
            yield Heartbeat(step=training.step, steps=setting.steps, metrics=progress.metrics())
        began = beat = time.perf_counter()


def one_step(setting: Setting, training: Training) -> tuple[torch.Tensor, torch.Tensor]:
    """One optimiser step. Returns the batch's loss, () of float, and its number of errors, () of int."""
    recipe, streams, step = setting.recipe, setting.streams, training.step
    index = batch_at(setting, step)
    images = augment(setting.images.images[index], recipe.augment, streams.on_device("augment", step))
    labels = setting.images.labels[index]
    torch.manual_seed(streams.number("dropout", step))
    with setting.autocast():
        logits = training.network(setting.inputs(images))  # (N, classes)
    loss = cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
    training.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    training.optimiser.step()
    training.scheduler.step()
    training.step += 1
    return loss.detach(), (logits.detach().argmax(1) != labels).sum()


def batch_at(setting: Setting, step: int) -> torch.Tensor:
    """Indices of the images of a step, (N,): a slice of its epoch's permutation; a last incomplete batch is dropped."""
    epoch, place = divmod(step, setting.steps_per_epoch)
    count = len(setting.images.labels)
    order = _permutation(count, setting.streams.number("order", epoch), setting.streams.device)
    size = setting.recipe.batch_size
    return order[place * size : (place + 1) * size]


@lru_cache(maxsize=1)
def _permutation(count: int, number: int, device: torch.device) -> torch.Tensor:
    """A permutation of range(count), (count,); the last one is kept, since a whole epoch asks for it."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(number)).to(device)


class Progress:
    """Loss and errors since the epoch began, summed on the device so that nothing waits for it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.batch = min(setting.recipe.batch_size, len(setting.images.labels))
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


@torch.inference_mode()
def evaluate(setting: Setting, network: nn.Module) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics on the test images, and the funnels' share.

    Returns:
        Metrics (`top1_error_pct`, `top5_error_pct`, `test_loss`), and for each funnel site with the max the share of
        pixels of the first test batch at which T(x) > x.

    Raises:
        DivergedError: an output is not finite.
    """
    test = load_test(setting)
    network.eval()
    sums = {"top1": 0.0, "top5": 0.0, "loss": 0.0}
    share: dict[str, float] = {}
    for first in range(0, len(test.labels), TEST_BATCH):
        images, labels = (part[first : first + TEST_BATCH] for part in (test.images, test.labels))
        with setting.autocast(), observed_funnels(network, share if first == 0 else None):
            logits = network(setting.inputs(images)).float()  # (N, classes)
        if not logits.isfinite().all():
            raise DivergedError("the trained network's output is not finite on the test images")
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        sums["top1"] += float((~best[:, 0]).sum())
        sums["top5"] += float((~best.any(1)).sum())
        sums["loss"] += float(cross_entropy(logits, labels, reduction="sum"))
    count = len(test.labels)
    errors = {f"{name}_error_pct": 100 * sums[name] / count for name in ("top1", "top5")}
    return {**errors, "test_loss": sums["loss"] / count}, share


def load_test(setting: Setting) -> ImageSet:
    """The test images; a subset is the same for every seed, so that rows and seeds are measured on one set."""
    images = load(setting.recipe.dataset, train=False, device=setting.streams.device)
    if not setting.recipe.test_images:
        return images
    return subset(images, setting.recipe.test_images, torch.Generator().manual_seed(0))


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
