"""Locks on files, which the system releases however a process ends. Every lock of ablate is made here.

A file system may have none: NFS without its lock service, Lustre mounted without `flock`, some of FUSE. Then nothing
pretends to be a lock, since a file that only stands for one outlives a killed process.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What `flock` raises where there are none."""


def file_lock(path: Path, **options: Any) -> FileLock:
    """A lock that is not held yet. Call `acquire` inside `explained`."""
    return FileLock(path, fallback_to_soft=False, **options)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Around the acquisition of a lock.

    Raises:
        OSError: with ENOLCK and the path, whatever the system says of a file system without locks.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), str(path)) from error
        raise


def describe_holder(path: Path) -> str:
    """The process that wrote its number into a file when it took a lock, as in "another process (pid 17)"."""
    try:
        pid = int(path.read_text(encoding="ascii"))
        os.kill(pid, 0)
    except (OSError, ValueError, OverflowError):  # of another machine, or of another user
        return "another process"
    return f"another process (pid {pid})"
