"""A lock on a folder of data, so that two processes never write it at the same time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ablate.errors import DataError

Progress = Callable[[str], None]
"""Takes one line of text for a person who waits."""
LOCK_TIMEOUT_S = 900


@contextmanager
def locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold an exclusive lock on a file; it falls with the process, however that ends."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with path.open("a") as handle:
        if is_held := not _lock(handle.fileno()):
            progress("another process is fetching the same data; waiting for it")
        while is_held and not _lock(handle.fileno()):
            if time.monotonic() > deadline:
                raise DataError(f"{path} has been held by another process for {LOCK_TIMEOUT_S} s")
            time.sleep(0.1)
        yield


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
