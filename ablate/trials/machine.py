"""Faults of the machine: a full disk, a read-only folder, no descriptors left. None is charged to a trial."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

FAULTS = {
    errno.ENOSPC: "the disk is full, or has no room for another file",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file is larger than the limit of the process or the disk allows",
    errno.EROFS: "the disk is read-only",
    errno.EMFILE: "too many files are open in the process",
    errno.ENFILE: "too many files are open on the machine",
    errno.ENOLCK: "the file system has no file locks; use a folder on a local disk, or mount it with locks",
    errno.EIO: "the disk reports an error",
    errno.ESTALE: "a network disk has changed or is gone",
    errno.ENOTCONN: "a network disk is gone",
}
"""Number of an `OSError` that is the machine's fault, whatever code meets it -> a sentence without a path."""
IN_WORDS = {
    "No space left on device": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "Read-only file system": errno.EROFS,
}
"""What other exceptions than `OSError` say of a disk -> the number."""
FULL_BYTES = 64 << 10


def describe_os_error(error: OSError) -> str:
    """What is wrong, in a sentence without a path."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "a folder or file cannot be written: permission denied"
    return FAULTS.get(error.errno or 0) or f"{type(error).__name__}: {error.strerror or 'no reason given'}"


def find_fault(error: BaseException, workdir: Path | None = None) -> str | None:
    """The machine's fault that made code raise; None if the code itself is at fault.

    Args:
        error: what was raised. An error that it wrapped counts too.
        workdir: a trial's folder. It must be writable, so a permission that is denied there is the machine's fault.
    """
    for one in _chain(error):
        if isinstance(one, OSError):
            is_denied = (
                workdir is not None
                and isinstance(one, PermissionError)
                and any(_is_inside(name, workdir) for name in (one.filename, one.filename2))
            )
            if is_denied or one.errno in FAULTS:
                return describe_os_error(one)
        elif (number := _in_words(one)) is not None:
            return FAULTS[number]
    return FAULTS[errno.ENOSPC] if workdir is not None and _is_full(workdir) else None


def _in_words(error: BaseException) -> int | None:
    """The number of the disk's error that a library put into words, as torch, safetensors and SQLite do."""
    try:
        text = str(error)
    except Exception:  # its `__str__` is foreign code
        return None
    return next((number for words, number in IN_WORDS.items() if words in text), None)


def _is_full(folder: Path) -> bool:
    """Whether the disk has no room. Then an error without a reason, such as torch's, is charged to it."""
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_inside(name: object, folder: Path) -> bool:
    return isinstance(name, (str, bytes, os.PathLike)) and Path(os.fsdecode(name)).is_relative_to(folder)
