"""Opening files of folders whose content nobody vouches for: only regular files inside a folder, up to a size.

A path is first opened as a mere reference (`O_PATH`), which neither waits for a FIFO nor touches a device, and then
checked by that descriptor. So what a path refers to cannot be replaced between the check and the reading. Where that is
missing, as on macOS, the path is checked before it is opened and again afterwards.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ablate.errors import DataError
from ablate.text import visible

DESCRIPTORS = Path("/proc/self/fd")
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


def printable(name: str | Path) -> str:
    """A name from the disk for a person: bytes that are not UTF-8, control characters and the like are escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return visible(text)


@contextmanager
def open_regular(path: str | Path, folder: Path, max_bytes: int) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a regular file that is in a folder or below it. Links are followed unless they lead out of the folder.

    Args:
        path: path of the file.
        folder: the folder; it may itself be a link.
        max_bytes: largest allowed size of the file.

    Yields:
        The file, and its status before anything was read.

    Raises:
        DataError: it cannot be read, is not a regular file, is outside of the folder, or too large; it is named.
    """
    opened = _open_reference if hasattr(os, "O_PATH") and DESCRIPTORS.is_dir() else _open_twice_checked
    try:
        with opened(Path(path), folder, max_bytes) as found:
            yield found
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be read: {error.strerror}") from error


def read_regular(path: str | Path, folder: Path, max_bytes: int) -> tuple[bytes, os.stat_result]:
    """The content of a file, and its status before it was read; see `open_regular`.

    Raises:
        DataError: see `open_regular`; or the file grew while it was read.
    """
    with open_regular(path, folder, max_bytes) as (file, status):
        content = file.read(status.st_size + 1)
    if len(content) > status.st_size:
        raise DataError(f"{printable(path)} grew while it was read; wait until it is complete, then try again")
    return content, status


@contextmanager
def _open_reference(path: Path, folder: Path, max_bytes: int) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    reference = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        status = os.fstat(reference)
        found = DESCRIPTORS / str(reference)
        _check(path, status, found.readlink(), folder.resolve(), max_bytes)
        with found.open("rb") as file:
            yield file, status
    finally:
        os.close(reference)


@contextmanager
def _open_twice_checked(path: Path, folder: Path, max_bytes: int) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    _check(path, path.stat(), path.resolve(), folder.resolve(), max_bytes)
    # Should a FIFO have taken its place, opening it does not wait.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        _check(path, status, path.resolve(), folder.resolve(), max_bytes)
        yield file, status


def _check(path: str | Path, status: os.stat_result, place: Path, folder: Path, max_bytes: int) -> None:
    fault = ""
    if not stat.S_ISREG(status.st_mode):
        fault = f"is {KINDS.get(stat.S_IFMT(status.st_mode), 'not a file')}; expected: a regular file"
    elif not place.is_relative_to(folder):
        fault = f"leads out of {printable(folder)}; put a copy of the file there"
    elif status.st_size > max_bytes:
        fault = f"has {status.st_size:,} bytes; allowed: {max_bytes:,}; make it smaller, or remove it"
    if fault:
        raise DataError(f"{printable(path)} {fault}")
