"""Folders that a person names in a setting: where they are, and why one cannot be used.

Reading a setting changes nothing on the disk: a folder that does not exist yet is made by what first writes to it.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ablate.errors import quote
from ablate.text import visible

OLD_HOME = Path("~/.local/share/ablate")
"""The state directory where `ABLATE_HOME` is not set."""
REASONS = {
    errno.ENOTDIR: "is below a file, so it cannot be a folder",
    errno.ENAMETOOLONG: "is too long for the path of a folder",
    errno.EACCES: "cannot be entered: permission denied",
    errno.EPERM: "cannot be entered: permission denied",
    errno.ELOOP: "is a circle of symbolic links",
}
"""What makes a path useless for good. A disk that is away is not in it: it may come back."""


class FolderError(ValueError):
    """A path cannot be a folder; the text begins with the path."""


def default_home() -> Path:
    """The state directory where `ABLATE_HOME` is not set.

    `ablate` in `XDG_DATA_HOME`, if that is an absolute path and no state directory exists at `~/.local/share/ablate`.

    Raises:
        FolderError: this user has no home directory.
    """
    shared = os.environ.get("XDG_DATA_HOME", "")
    try:
        old = find_folder(OLD_HOME)
    except FolderError:
        if shared.startswith("/"):
            return Path(shared, "ablate")
        raise
    return Path(shared, "ablate") if shared.startswith("/") and not old.is_dir() else old


def find_folder(path: Path) -> Path:
    """The absolute path of a folder that exists, or can exist.

    Args:
        path: may begin with `~` or `~user`.

    Raises:
        FolderError: it cannot be used, and never will be unless somebody changes it.
    """
    found = _expand(path).absolute()
    try:
        mode = found.stat().st_mode
    except OSError as error:
        if error.errno in REASONS:
            raise FolderError(f"{_shown(found)} {REASONS[error.errno]}") from error
        return found
    except ValueError as error:
        raise FolderError(f"{_shown(found)} contains a NUL character") from error
    if not stat.S_ISDIR(mode):
        raise FolderError(f"{_shown(found)} is a file, and should be a folder")
    return found


def _shown(path: Path) -> str:
    """The whole path, since its end tells it from others."""
    return f"'{visible(str(path))}'"


def _expand(path: Path) -> Path:
    if not str(path).startswith("~"):
        return path
    user, *rest = path.parts
    home = _home_of_this_user() if user == "~" else os.path.expanduser(user)  # noqa: PTH111 - it raises nothing
    if home.startswith("~"):
        why = "HOME is not set, and this user has no home" if user == "~" else f"there is no user {quote(user[1:])}"
        raise FolderError(f"{_shown(path)} cannot be found: {why}")
    return Path(home, *rest)


def _home_of_this_user() -> str:
    """`HOME`, else what the system knows; `~` if there is neither."""
    if os.environ.get("HOME"):
        return os.environ["HOME"]
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir or "~"
    except KeyError:
        return "~"
