"""Whether the state directory can be written: a small file is written to it, and its free space is read.

A full disk, a folder that became read-only, no inode or descriptor left: each would end trial after trial, so nothing
is claimed or accepted until the file can be written again.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

FREE_BYTES = 256 << 20
"""With less free disk space no new study is accepted and no trial starts, so that running trials can finish."""
FRESH_S = 5.0
"""How long an answer is used again."""
PROBE = ".probe"
BLOCK = b"\0" * 4096


class Disk:
    """The disk of a state directory; safe for several threads.

    Args:
        home: the state directory.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._answer: str | None = None
        self._looked_s = -FRESH_S

    def free_bytes(self) -> int:
        """Free space; 0 where it cannot be read."""
        try:
            return shutil.disk_usage(self._home).free
        except OSError:
            return 0

    def find_fault(self, *, anew: bool = False) -> str | None:
        """Why nothing should be written to the disk now, as a clause without a path; None: it can be written.

        Args:
            anew: whether to look again now; else an answer of the last seconds is used.
        """
        with self._lock:
            if anew or time.monotonic() - self._looked_s >= FRESH_S:
                self._answer = self._look()
                self._looked_s = time.monotonic()
            return self._answer

    def _look(self) -> str | None:
        free = self.free_bytes()
        try:
            for folder in (self._home, self._home / "trials"):
                _write_probe(folder)
        except OSError as error:
            return f"the state directory cannot be written ({error.strerror})"
        if free < FREE_BYTES:
            return (
                f"{free >> 20} MiB are free on the service's disk, and {FREE_BYTES >> 20} are kept for running trials"
            )
        return None


def _write_probe(folder: Path) -> None:
    """Make, fill and remove a file, and a folder as trials need them."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{PROBE}.{os.getpid()}.{threading.get_ident()}"
    try:
        with path.open("wb") as file:
            file.write(BLOCK)
            file.flush()
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)
