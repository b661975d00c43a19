"""Which errors of the operating system are about the surroundings, not about the work that met them."""

from __future__ import annotations

import errno
import os

AWAY = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EMFILE", "ENFILE", "EIO", "ESTALE", "ENOTCONN", "ENOMEM", "EAGAIN")
)


def is_of_surroundings(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, is a full or failing disk, or a lack of descriptors or memory."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in AWAY:
            return True
        error = error.__cause__
    return False


def words_of(error: BaseException | None) -> str:
    """The operating system's words for such an error, without a path."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None and error.errno in AWAY:
            return os.strerror(error.errno)
        error = error.__cause__
    return "unknown"
