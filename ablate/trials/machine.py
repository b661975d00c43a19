"""Faults of the machine: a full disk, a read-only folder, no descriptors left. None is charged to a trial."""

from __future__ import annotations

import errno
import os
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
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_inside(name: object, folder: Path) -> bool:
    return isinstance(name, (str, bytes, os.PathLike)) and Path(os.fsdecode(name)).is_relative_to(folder)
