"""This machine as a dispatcher uses it. Reads /proc; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from ablate.machine.resources import count_workers_by_memory, usable_cpus
from ablate.trials.gpus import visible_gpus
from service.dispatch.machines import Machine


def find_machine(workers: int | None) -> Machine:
    """CPUs and GPUs that this machine offers to trials.

    Args:
        workers: CPUs to use, also more than there are. With GPUs it limits trials instead of CPUs (`Places`).
    """
    gpus, cpus = len(visible_gpus()), usable_cpus()
    return Machine(cpus=max(workers or 0, cpus) if gpus else workers or cpus, gpus=float(gpus))


def find_limit(workers: int | None) -> int | None:
    """CPUs (on GPUs: trials) that may be busy at the same time; None: all of this machine.

    Args:
        workers: the number that was set. Without one, memory limits it where it is smaller than the CPUs need.
    """
    by_memory = count_workers_by_memory()
    return workers or (by_memory if by_memory is not None and by_memory < usable_cpus() else None)


class OomKills:
    """Count of processes that the kernel killed when memory ran out. It does not tell which processes."""

    def __init__(self) -> None:
        self._count = _count_oom_kills()

    def have_grown(self) -> bool:
        """Whether the count has grown since the last call."""
        before, self._count = self._count, _count_oom_kills()
        return self._count > before


def _count_oom_kills() -> int:
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:  # not on Linux
        return 0
    for line in lines:
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0
