"""CPUs, memory, limits of processes, shared memory; the state directory, its disk and its locks.

A home that does not exist yet is not made.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import Timeout

from ablate.machine.locks import explained, file_lock
from ablate.machine.mounts import find_mount, warn_of_network
from ablate.machine.resources import WORKER_BYTES, count_workers_by_memory, usable_cpus, usable_memory_bytes
from ablate.trials.gpus import visible_gpus
from ablate.trials.machine import describe_os_error
from service.doctor.findings import Finding, error, ok, warning
from service.faults.disk import FREE_BYTES

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


ROOM_BYTES = 5 << 30
SHARED = Path("/dev/shm")
SHARED_BYTES = 256 << 20
OTHER_HOME = "set ABLATE_HOME to a folder that you can write to"


def nearest_folder(path: Path) -> Path:
    """A folder, or the nearest one above it that exists."""
    return next(one for one in (path, *path.parents) if one.is_dir())


def write_to_home(home: Path) -> Sequence[Finding]:
    """Whether the state directory can be written, or made."""
    folder = nearest_folder(home)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as wrong:
        return [error("home", f"{folder} cannot be written: {describe_os_error(wrong)}", OTHER_HOME)]
    text = f"{home} can be written" if folder == home else f"{home} does not exist yet, and can be made"
    if folder == home and home.stat().st_uid != os.geteuid():
        return [error("home", f"{home} belongs to another user", "set ABLATE_HOME to a directory of your own")]
    return [ok("home", text)]


def count_space(home: Path) -> Sequence[Finding]:
    """Free space on the disk of the state directory."""
    free = shutil.disk_usage(nearest_folder(home)).free
    text = f"{free / 2**30:.1f} GiB are free for {home}"
    if free < FREE_BYTES:
        return [error("disk", text, f"free {FREE_BYTES >> 20} MiB or more: with less, no trial starts")]
    if free < ROOM_BYTES:
        return [warning("disk", text, "checkpoints and data sets need some GiB; free some, or set ABLATE_HOME")]
    return [ok("disk", text)]


def lock_a_file(home: Path) -> Sequence[Finding]:
    """Whether the file system of the state directory has locks, for other machines, too."""
    folder = nearest_folder(home)
    mount = find_mount(folder)
    kind = f"file system {mount.kind}" if mount else "file system"
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".ablate-doctor-") as scratch:
            path = Path(scratch, "lock")
            with explained(path), file_lock(path, blocking=False):
                pass
    except (OSError, Timeout) as wrong:
        reason = describe_os_error(wrong) if isinstance(wrong, OSError) else "a new file is locked already"
        return [error("locks", f"{kind}: {reason}", OTHER_HOME)]
    if mount is not None and not mount.has_shared_locks:
        advice = "use this state directory from one machine only, or mount it with locks"
        return [warning("locks", f"{kind} at {mount.point} has locks for this machine alone", advice)]
    if text := warn_of_network(home / "ablate.db"):
        what, _, advice = text.rpartition("; ")
        return [warning("locks", what, advice)]
    return [ok("locks", f"{kind} has locks")]


def find_shared_memory() -> Sequence[Finding]:
    """Shared memory, through which Ray and workers that decode images pass data."""
    if not SHARED.is_dir():
        return [ok("/dev/shm", "this system has none, and needs none")]
    space = shutil.disk_usage(SHARED)
    text = f"{space.free / 2**20:,.0f} of {space.total / 2**20:,.0f} MiB are free"
    if space.free < SHARED_BYTES:
        return [warning("/dev/shm", text, "Ray needs 256 MiB: docker run --shm-size=1g, or ABLATE_DISPATCHER=inline")]
    return [ok("/dev/shm", text)]
