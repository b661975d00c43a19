"""What machines offer to trials, and how many trials of a demand they hold at once. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.study.document import Resources


@dataclass(frozen=True, slots=True)
class Machine:
    """What one machine offers to trials."""

    cpus: int
    gpus: float


def count_gpus(demand: Resources) -> int:
    """How many GPUs a trial of a demand sees; a fraction is of one."""
    return math.ceil(demand.gpus)


def count_places(machine: Machine, demand: Resources) -> int:
    """How many trials of a demand a machine holds at once; fractions never span two GPUs, nor a trial two machines."""
    by_cpus = machine.cpus // demand.cpus
    if not demand.gpus:
        return by_cpus
    by_gpu = int(1 / min(demand.gpus, 1) + 1e-9)
    return min(by_cpus, int(machine.gpus) * by_gpu // count_gpus(demand))


def count_parallel(machines: Sequence[Machine], demand: Resources) -> int:
    """How many trials of a demand run at once; 1 where no machine is known."""
    return max(sum(count_places(machine, demand) for machine in machines), 1)
