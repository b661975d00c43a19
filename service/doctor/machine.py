"""CPUs, memory, and the limits of processes."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence

from ablate.machine.resources import WORKER_BYTES, count_workers_by_memory, usable_cpus, usable_memory_bytes
from ablate.trials.gpus import visible_gpus
from service.doctor.findings import Finding, ok, warning

FILES = 1024
PROCESSES = 1024


def count_cpus() -> Sequence[Finding]:
    """CPUs by affinity and quota, and GPUs."""
    usable, there_are, gpus = usable_cpus(), os.cpu_count() or 1, len(visible_gpus())
    few = f" of {there_are}, by the affinity or the quota of the container" if usable < there_are else ""
    return [ok("cpus", f"{usable}{few}; {gpus} NVIDIA GPU{'s' * (gpus != 1)}")]


def count_memory() -> Sequence[Finding]:
    """Memory by the limit of the container."""
    memory, workers = usable_memory_bytes(), count_workers_by_memory()
    if memory is None or workers is None:
        return [ok("memory", "this system does not tell how much there is")]
    text = f"{memory / 2**30:.1f} GiB"
    if memory < WORKER_BYTES:
        return [warning("memory", text, "a worker with torch needs about 1 GiB; raise the limit of the container")]
    if workers < usable_cpus():
        text += f", enough for {workers} workers at the same time"
        return [warning("memory", text, "the other CPUs stay idle; `--workers` or ABLATE_WORKERS replaces the number")]
    return [ok("memory", text)]


def read_limits() -> Sequence[Finding]:
    """The limits of `ulimit`."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = []
    if files != resource.RLIM_INFINITY and files < FILES:
        found.append(warning("limits", f"{files} open files", f"allow {FILES} or more: ulimit -Hn, or LimitNOFILE="))
    for name, option in (("RLIMIT_FSIZE", "-f"), ("RLIMIT_AS", "-v")):
        soft, _ = resource.getrlimit(getattr(resource, name))
        if soft != resource.RLIM_INFINITY:
            what = "the size of a file" if option == "-f" else "the address space of a process"
            found.append(warning("limits", f"{what} is limited to {soft:,} bytes", f"ulimit {option} unlimited"))
    if hasattr(resource, "RLIMIT_NPROC"):
        soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
        if soft != resource.RLIM_INFINITY and soft < PROCESSES:
            found.append(warning("limits", f"{soft} processes", f"allow {PROCESSES} or more: ulimit -u"))
    shown = "unlimited" if files == resource.RLIM_INFINITY else f"{files:,}"
    return found or [ok("limits", f"{shown} open files; no limit of files' sizes")]
