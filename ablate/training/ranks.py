"""The ranks of a trial: processes that train one network together, each on its part of every batch.

A trial's numbers do not depend on how many there are, but for rounding: gradients are means over the whole batch, and
`ablate.training.whole_batch` sees to batch norm and dropout. One rank is an ordinary process, for which everything here
does nothing. The processes themselves are `ablate.training.together`'s.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import distributed, nn

from ablate.errors import TrialError


@dataclass(frozen=True, slots=True)
class Ranks:
    """The place of this process among those of its trial.

    Attributes:
        rank: its number; 0 speaks for the trial, writes its checkpoints and evaluates.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    def part(self, size: int) -> slice:
        """Which images of a batch of that size are this rank's: as many as each other rank's, in order.

        Raises:
            TrialError: the batch cannot be divided so.
        """
        if size % self.count:
            raise TrialError(
                f"a batch of {size} images cannot be divided among {self.count} ranks (one a GPU); "
                f"set batch_size to a multiple of {self.count}, or gpus to a divisor of {size}"
            )
        own = size // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """The sum over all ranks, in place; every rank gets the same. All have to ask for it."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """The mean over all ranks, in place; see `sum`."""
        return value if self.count == 1 else self.sum(value).div_(self.count)

    def average_statistics(self, network: nn.Module) -> None:
        """Give every rank the mean of the running statistics, in place.

        They differ where each rank normalises by itself (`norm_batch`). They are linear in the statistics of the
        steps, so it makes no difference when the mean is taken, if only before anybody reads them. Modules in
        evaluation mode keep theirs: frozen norms, of which the mean over three ranks would round.
        """
        if self.count > 1:
            training = (part for part in network.modules() if part.training)
            buffers = {id(buffer): buffer for part in training for buffer in part.buffers(recurse=False)}
            for buffer in buffers.values():
                if buffer.is_floating_point():
                    self.mean(buffer)

    def wrap(self, network: nn.Module) -> nn.Module:
        """What the forward pass is to call so that gradients are means over all ranks; shares the weights."""
        if self.count == 1:
            return network
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*broadcast_buffers")  # its new name is not known to torch 2.9
            return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False, gradient_as_bucket_view=True)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Run the block in rank 0, and only then in the others."""
        if self.rank:
            distributed.barrier()
        yield
        if self.count > 1 and not self.rank:
            distributed.barrier()


ALONE = Ranks()
"""The one process of most trials."""


@cache
def neighbours(count: int) -> Any:
    """The process group of `count` consecutive ranks, from a multiple of `count`, that this one belongs to."""
    if count == distributed.get_world_size():
        return distributed.group.WORLD
    return distributed.new_subgroups(count)[0]
