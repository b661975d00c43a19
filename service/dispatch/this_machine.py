"""This machine as a dispatcher uses it. Reads /proc; imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

from ablate.trials.gpus import visible_gpus
from service.dispatch.machines import Machine


def find_machine(workers: int | None) -> Machine:
    """CPUs and GPUs that this machine offers to trials.

    Args:
        workers: CPUs to use, also more than there are. With GPUs it limits trials instead of CPUs (`Places`).
    """
    gpus, cpus = len(visible_gpus()), len(os.sched_getaffinity(0))
    return Machine(cpus=max(workers or 0, cpus) if gpus else workers or cpus, gpus=float(gpus))


class OomKills:
    """Count of processes that the kernel killed when memory ran out. It does not tell which processes."""

    def __init__(self) -> None:
        self._count = _count_oom_kills()

    def have_grown(self) -> bool:
        """Whether the count has grown since the last call."""
        before, self._count = self._count, _count_oom_kills()
        return self._count > before


def _count_oom_kills() -> int:
    for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0
