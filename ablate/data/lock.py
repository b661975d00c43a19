"""A lock on a folder of data, so that two processes never write to it at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ablate.errors import DataError
from ablate.machine.locks import explained, file_lock

Progress = Callable[[str], None]
"""Takes one line of text for a person who waits."""
LOCK_TIMEOUT_S = 900


@contextmanager
def locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system releases it when the process ends, however it ends."""
    lock = file_lock(path)
    try:
        with explained(path):
            lock.acquire(blocking=False)
    except Timeout:
        progress("another process is fetching the same data; waiting for it")
        _wait(lock, path)
    try:
        yield
    finally:
        lock.release()


def _wait(lock: FileLock, path: Path) -> None:
    try:
        lock.acquire(timeout=LOCK_TIMEOUT_S)
    except Timeout as error:
        raise DataError(f"another process has held {path} for {LOCK_TIMEOUT_S} s; end it, or wait for it") from error
