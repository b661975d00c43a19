"""In which order a trial sees its training images. Shapes: B images in a step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ablate.training.determinism import Streams


@dataclass(frozen=True, slots=True)
class Order:
    """Which images a step takes: a slice of its epoch's permutation; a last incomplete batch is dropped.

    Attributes:
        streams: of the trial.
        count: training images.
        batch_size: as in the recipe.
    """

    streams: Streams
    count: int
    batch_size: int

    @property
    def size(self) -> int:
        """Images in a step."""
        return min(self.batch_size, self.count)

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every image was seen, but for those of the last incomplete batch."""
        return max(self.count // self.batch_size, 1)

    def at(self, step: int) -> Tensor:
        """Indices of the images of a step, (B,), on the streams' device."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _permutation(self.count, self.streams.number("order", epoch), self.streams.device)
        return order[place * self.batch_size : (place + 1) * self.batch_size]


@lru_cache(maxsize=1)
def _permutation(count: int, number: int, device: torch.device) -> Tensor:
    """A permutation of range(count), (count,); the last one is kept, since a whole epoch asks for it."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(number)).to(device)
