"""The ranks of a trial: processes that train one network together, each on its part of every batch.

A trial's numbers do not depend on the number of ranks, except for rounding: gradients are means over the whole batch,
and `ablate.training.whole_batch` handles batch norm and dropout. With one rank, which is an ordinary process, these
functions have no effect. `ablate.training.rank_processes` starts the processes.
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
    """The rank of this process and the number of ranks of its trial.

    Attributes:
        rank: number of this process; rank 0 reports for the trial, writes its checkpoints and evaluates.
        count: number of ranks.
    """

    rank: int = 0
    count: int = 1

    def part(self, size: int) -> slice:
        """Positions of this rank's images in a batch; all ranks have equally many, in order.

        Args:
            size: images in the batch.

        Raises:
            TrialError: the batch cannot be divided equally.
        """
        if size % self.count:
            raise TrialError(
                f"a batch of {size} images cannot be divided among {self.count} ranks (one per GPU); "
                f"set batch_size to a multiple of {self.count}, or gpus to a divisor of {size}"
            )
        own = size // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        """The sum over all ranks, in place, equal on every rank. All ranks must call it."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """The mean over all ranks, in place; see `sum`."""
        return value if self.count == 1 else self.sum(value).div_(self.count)

    def average_statistics(self, network: nn.Module) -> None:
        """Replace the running statistics by their mean over the ranks, in place.

        They differ between ranks that normalise separately (`norm_batch`). They are linear in the statistics of the
        steps, so the mean can be taken at any time before they are read. Modules in evaluation mode (frozen norms) keep
        theirs, which the mean over three ranks would round.
        """
        if self.count > 1:
            training = (module for module in network.modules() if module.training)
            buffers = {id(buffer): buffer for module in training for buffer in module.buffers(recurse=False)}
            for buffer in buffers.values():
                if buffer.is_floating_point():
                    self.mean(buffer)

    def wrap(self, network: nn.Module) -> nn.Module:
        """A module for the forward pass whose gradients are means over all ranks; it shares the weights."""
        if self.count == 1:
            return network
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*broadcast_buffers")  # torch 2.9 does not know its new name
            return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False, gradient_as_bucket_view=True)

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Run the block in rank 0 first, then in the other ranks."""
        if self.rank:
            distributed.barrier()
        yield
        if self.count > 1 and not self.rank:
            distributed.barrier()


ALONE = Ranks()
"""The single rank of most trials."""


@cache
def neighbours(count: int) -> Any:
    """The process group of this rank when ranks are grouped by `count` consecutive ones."""
    if count == distributed.get_world_size():
        return distributed.group.WORLD
    return distributed.new_subgroups(count)[0]
