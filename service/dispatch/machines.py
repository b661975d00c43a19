"""CPUs and GPUs of machines, and how many trials of a demand fit at the same time. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.study.resources import Resources


@dataclass(frozen=True, slots=True)
class Machine:
    """CPUs and GPUs that one machine offers to trials."""

    cpus: int
    gpus: float


def count_gpus(demand: Resources) -> int:
    """How many GPUs a trial of a demand sees; a fraction is a share of one GPU."""
    return math.ceil(demand.gpus)


def count_places(machine: Machine, demand: Resources) -> int:
    """How many trials of a demand fit on a machine; fractions never span two GPUs, and trials never two machines."""
    by_cpus = machine.cpus // demand.cpus
    if not demand.gpus:
        return by_cpus
    by_gpu = int(1 / min(demand.gpus, 1) + 1e-9)
    return min(by_cpus, int(machine.gpus) * by_gpu // count_gpus(demand))


def count_parallel(machines: Sequence[Machine], demand: Resources) -> int:
    """How many trials of a demand run at the same time; 1 if no machine is known."""
    return max(sum(count_places(machine, demand) for machine in machines), 1)
