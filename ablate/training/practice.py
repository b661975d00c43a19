"""Practice: the interface between the training loop (`ablate.training.loop`) and the tasks.

The loop owns steps, heartbeats, the curve, checkpoints, divergence, ranks and the outcome. A practice owns the data,
the network, the loss and the evaluation of a task's trials. Letters: B images per step.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from ablate.errors import TrialError
from ablate.recipes.classify import TrainingFields
from ablate.recipes.scenes import SceneFields
from ablate.training.determinism import Order, Streams
from ablate.training.optim import autocast
from ablate.training.ranks import ALONE, Ranks
from ablate.training.whole_batch import WholeBatch
from ablate.trials.items import Items
from ablate.trials.trial import Cost

Tallies = dict[str, Tensor]
"""Name -> () of number, on the device; summed over an epoch's steps and over all ranks."""


class Source(Protocol):
    """Source of a trial's batches. Close it when the trial ends."""

    @property
    def order(self) -> Order:
        """The images of each step."""

    def batch(self, step: int, part: slice) -> tuple[Any, Any]:
        """Inputs and targets of a step, augmented, on the device.

        Args:
            step: number of the step, from 0.
            part: positions in the step's batch.
        """

    def ready(self, train: bool) -> Iterator[None]:
        """Load the training or test images in advance, if that takes long; yields between pieces of work."""

    def close(self) -> None:
        """End its worker processes."""


RecipeT = TypeVar("RecipeT", bound=TrainingFields | SceneFields)
SourceT = TypeVar("SourceT", bound=Source)


@dataclass(frozen=True, slots=True)
class Setting(Generic[RecipeT, SourceT]):
    """Everything that stays constant while a network is trained.

    Attributes:
        practice: practice of the task.
        recipe: recipe of the trial.
        streams: random streams of the seed.
        source: source of the seed's batches.
        needs: name -> folder of the finished trial whose weights this one takes.
        ranks: rank of this process and number of ranks.
    """

    practice: Practice
    recipe: RecipeT
    streams: Streams
    source: SourceT
    needs: Mapping[str, Path] = field(default_factory=dict)
    ranks: Ranks = ALONE

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per pass over the training images."""
        return self.source.order.steps_per_epoch

    @property
    def steps(self) -> int:
        """Total number of optimiser steps."""
        return self.recipe.steps or self.recipe.epochs * self.steps_per_epoch

    def autocast(self) -> torch.autocast:
        """Context with the precision of forward passes."""
        return autocast(self.streams.device, self.recipe)

    def whole_batch(self) -> AbstractContextManager[object]:
        """Context in which batch norm and dropout treat the batch as a whole, as the recipe asks.

        Raises:
            TrialError: the batch cannot be divided among the ranks or into groups of `norm_batch`.
        """
        size = self.source.order.size
        if self.recipe.accumulate > 1:
            if self.ranks.count > 1 or size % self.recipe.accumulate:
                raise TrialError(
                    f"accumulate is {self.recipe.accumulate}, which does not fit a batch of {size} images on "
                    f"{self.ranks.count} ranks (one per GPU); set gpus to 1, and accumulate to a divisor of the batch"
                )
            size //= self.recipe.accumulate
        group = (self.recipe.norm_batch if isinstance(self.recipe, TrainingFields) else 0) or size
        return nullcontext() if self.ranks.count == 1 and group == size else WholeBatch(self.ranks, size, group)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Result of the evaluation on the test set.

    Attributes:
        metrics: name of a metric of the task -> value.
        funnel_share: see `Outcome.funnel_share`.
        files: name -> content of further files for the trial's folder.
        items: which test images are correct, in tasks where each is either right or wrong.
    """

    metrics: dict[str, float]
    funnel_share: dict[str, float] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    items: Items | None = None


class Practice(Protocol):
    """The task-specific code of training. It has no state, and is pickled to be sent to the ranks."""

    def open(self, recipe: Any, streams: Streams) -> Source:
        """Open the source of a recipe's batches; it starts no process before the first batch.

        Raises:
            DataError: the data set is unknown, missing, damaged, or cannot be used with this recipe.
        """

    def build(self, setting: Setting[Any, Any]) -> nn.Module:
        """Build the network on the CPU; parameters without `requires_grad` are not trained.

        Raises:
            SiteError: the recipe's network cannot be built.
        """

    def loss(self, setting: Setting[Any, Any], outputs: Any, targets: Any) -> tuple[Tensor, Tallies]:
        """The loss of this rank's part of a batch, and further tallies.

        Args:
            setting: setting of the trial.
            outputs: outputs of the network in training mode.
            targets: targets of the same images, from the source.

        Returns:
            The loss, () of float, whose gradient is averaged over the ranks, and the tallies.
        """

    def summarise(self, tallies: Mapping[str, float], images: int) -> dict[str, float]:
        """Metrics of the curve other than `train_loss`.

        Args:
            tallies: sums over an epoch so far.
            images: number of images in these sums.
        """

    def evaluate(self, setting: Setting[Any, Any], network: nn.Module) -> Generator[None, None, Evaluation]:
        """Evaluate the trained network, which is in evaluation mode; yields between pieces of work.

        Raises:
            DivergedError: an output is not finite.
        """

    def count(self, setting: Setting[Any, Any], network: nn.Module) -> Cost:
        """Cost of the network, as counted by the task's `inspect`."""


@dataclass(frozen=True, slots=True)
class Work:
    """A trial for the training loop.

    Attributes:
        practice: practice of its task.
        recipe: recipe of the trial; all of its `steps` or `epochs` are trained.
        seed: seed of all random streams.
        workdir: folder of the checkpoint; training resumes from an existing one.
        needs: name -> folder of the finished trial whose weights this one takes.
    """

    practice: Practice
    recipe: Any
    seed: int
    workdir: Path
    needs: Mapping[str, Path] = field(default_factory=dict)


class DivergedError(ArithmeticError):
    """The loss or an output is NaN or infinite. This is a result, not a failure."""
