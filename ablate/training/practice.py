"""What the training loop asks of a task, and what it hands it: the seam between `ablate.training.loop` and the tasks.

The loop owns steps, heartbeats, the curve, checkpoints, divergence, ranks and the outcome. A practice owns what its
trials train on, which network, by which loss, and what is found on the test set. Letters: B images in a step.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from ablate.recipes.classify import TrainingFields
from ablate.recipes.scenes import SceneFields
from ablate.training.determinism import Streams
from ablate.training.optim import autocast
from ablate.training.order import Order
from ablate.training.ranks import ALONE, Ranks
from ablate.training.whole_batch import WholeBatch
from ablate.trials.trial import Cost

Tallies = dict[str, Tensor]
"""Name -> () of number, on the device: what is added up over an epoch's steps and all ranks."""


class Source(Protocol):
    """Where a trial's batches come from. Close it when the trial is over."""

    @property
    def order(self) -> Order:
        """Which images a step takes."""

    def batch(self, step: int, part: slice) -> tuple[Any, Any]:
        """Inputs and targets of a step's images at those places of its batch, augmented, on the device."""

    def ready(self, train: bool) -> Iterator[None]:
        """Do beforehand what takes long about the training or test images, if anything does; yields now and then."""

    def close(self) -> None:
        """End whatever works for it."""


RecipeT = TypeVar("RecipeT", bound=TrainingFields | SceneFields)
SourceT = TypeVar("SourceT", bound=Source)


@dataclass(frozen=True, slots=True)
class Setting(Generic[RecipeT, SourceT]):
    """What stays the same while a network is trained.

    Attributes:
        practice: of the task.
        recipe: what is trained.
        streams: of the seed.
        source: of this seed's batches.
        needs: name -> folder of the finished trial that this one starts from.
        ranks: this process among those of its trial.
    """

    practice: Practice
    recipe: RecipeT
    streams: Streams
    source: SourceT
    needs: Mapping[str, Path] = field(default_factory=dict)
    ranks: Ranks = ALONE

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps until every training image was seen."""
        return self.source.order.steps_per_epoch

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.recipe.steps or self.recipe.epochs * self.steps_per_epoch

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        return autocast(self.streams.device, self.recipe)

    def whole_batch(self) -> AbstractContextManager[object]:
        """Whose images batch norm and dropout in training see as one batch."""
        size = self.source.order.size
        group = (self.recipe.norm_batch if isinstance(self.recipe, TrainingFields) else 0) or size
        return nullcontext() if self.ranks.count == 1 and group == size else WholeBatch(self.ranks, size, group)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is found on the test set.

    Attributes:
        metrics: the task's.
        funnel_share: see `Outcome.funnel_share`.
        files: name -> content of what the trial's folder gets beside its checkpoint.
    """

    metrics: dict[str, float]
    funnel_share: dict[str, float] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


class Practice(Protocol):
    """What is particular to a task. Has no state, and is pickled on its way to the ranks."""

    def open(self, recipe: Any, streams: Streams) -> Source:
        """The source of a recipe's batches; it starts nothing until it is asked for one.

        Raises:
            DataError: the data set is unknown, missing, damaged, or cannot be used as the recipe asks.
        """

    def build(self, setting: Setting[Any, Any]) -> nn.Module:
        """The network before the first step, on the CPU; what needs no gradient is not trained.

        Raises:
            SiteError: it cannot be built as the recipe asks.
        """

    def loss(self, setting: Setting[Any, Any], outputs: Any, targets: Any) -> tuple[Tensor, Tallies]:
        """The loss, () of float, its gradient to be averaged over the ranks, and what is tallied beside it.

        Args:
            setting: of the trial.
            outputs: what the network made of the inputs of this rank's part of a batch, in training mode.
            targets: of the same images, as the source gave them.
        """

    def summarise(self, tallies: Mapping[str, float], images: int) -> dict[str, float]:
        """Metrics of the curve beside `train_loss`, from sums over so many images."""

    def evaluate(self, setting: Setting[Any, Any], network: nn.Module) -> Generator[None, None, Evaluation]:
        """Measure the trained network, which is in evaluation mode; yields between pieces of work.

        Raises:
            DivergedError: an output is not finite.
        """

    def count(self, setting: Setting[Any, Any], network: nn.Module) -> Cost:
        """What the network costs, as the task's `inspect` counts it."""


@dataclass(frozen=True, slots=True)
class Work:
    """A trial as the loop is to carry it out.

    Attributes:
        practice: of its task.
        recipe: what to train; `steps` or `epochs` are carried out in full.
        seed: of all random streams.
        workdir: gets the checkpoint; if it holds one of this trial, training goes on from there.
        needs: name -> folder of the finished trial that this one starts from.
    """

    practice: Practice
    recipe: Any
    seed: int
    workdir: Path
    needs: Mapping[str, Path] = field(default_factory=dict)


class DivergedError(ArithmeticError):
    """The loss or an output is NaN or infinite: a result, not a fault."""
