"""How many CPUs and how much memory this process may use: the affinity, and the limits of its container.

Linux limits a container by its control group: version 2 has `cpu.max` and `memory.max` in one tree, version 1 has
`cpu.cfs_quota_us` and `memory.limit_in_bytes` in a tree for each. A limit of a group above counts, too. Elsewhere, and
where nothing can be read, the whole machine may be used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
WORKER_BYTES = 1 << 30
"""Memory that one more worker has to find: torch takes half of it, and small studies the rest."""


def usable_cpus() -> int:
    """CPUs that this process may use, at least 1. A part of a CPU does not count."""
    quotas = [quota for folder in _groups("cpu") if (quota := _quota(folder)) is not None]
    return max(int(min([_affine_cpus(), *quotas])), 1)


def usable_memory_bytes() -> int | None:
    """Memory that this process may use; None if the system does not tell."""
    limits = [limit for folder in _groups("memory") if (limit := _memory_limit(folder)) is not None]
    with suppress(ValueError, OSError, AttributeError):  # a system without these names
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limits, default=None)


def count_workers_by_memory() -> int | None:
    """How many workers find memory, at least 1; None if nobody knows."""
    memory = usable_memory_bytes()
    return None if memory is None else max(memory // WORKER_BYTES, 1)


def _affine_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of all above it, of both versions."""
    try:
        lines = OWN_GROUP.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            tree = GROUPS / controllers if (GROUPS / controllers).is_dir() else GROUPS / controller
        elif (number, controllers) == ("0", ""):
            tree = GROUPS
        else:
            continue
        own = Path(path.lstrip("/"))
        if ".." not in own.parts:  # it would be outside what this container sees
            yield from (tree / folder for folder in (own, *own.parents))


def _quota(folder: Path) -> float | None:
    """CPUs by the time that a group has in each period; None without a limit."""
    words = _read(folder / "cpu.max").split() or [
        _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"),
    ]  # fmt: skip
    if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
        return int(words[0]) / int(words[1])
    return None  # "max", or -1


def _memory_limit(folder: Path) -> int | None:
    word = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
    return int(word) if word.isdecimal() else None  # "max"; version 1 has a number above any machine's


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
