"""The state directory, its disk and its locks, and shared memory. A home that does not exist yet is not made."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import Timeout

from ablate.machine.locks import explained, file_lock
from ablate.machine.mounts import find_mount, warn_of_network
from ablate.trials.machine import describe_os_error
from service.doctor.findings import Finding, error, ok, warning
from service.faults.disk import FREE_BYTES

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
