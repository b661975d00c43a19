"""The order in which a trial sees its training images. Shapes: B images per step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ablate.training.determinism import Streams


@dataclass(frozen=True, slots=True)
class Order:
    """The images of each step: a slice of the epoch's permutation. A last incomplete batch is dropped.

    Attributes:
        streams: random streams of the trial.
        count: number of training images.
        batch_size: batch size of the recipe.
    """

    streams: Streams
    count: int
    batch_size: int

    @property
    def size(self) -> int:
        """Images per step."""
        return min(self.batch_size, self.count)

    @property
    def steps_per_epoch(self) -> int:
        """Steps per pass over the images, without the last incomplete batch."""
        return max(self.count // self.batch_size, 1)

    def at(self, step: int) -> Tensor:
        """Indices of the images of a step, (B,), on the streams' device."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _permutation(self.count, self.streams.number("order", epoch), self.streams.device)
        return order[place * self.batch_size : (place + 1) * self.batch_size]


@lru_cache(maxsize=1)
def _permutation(count: int, number: int, device: torch.device) -> Tensor:
    """A permutation of range(count), (count,); cached, since every step of an epoch needs it."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(number)).to(device)
