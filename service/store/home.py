"""The state directory: only its owner may enter it. `ablate serve` calls this before anything else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from service.errors import UnavailableError

OTHERS = 0o077
"""Permissions of the group and of everybody else."""


def make_private(home: Path) -> None:
    """Create the state directory, and take it and the files in it from the group and from others.

    Somebody may have made the directory beforehand, or an earlier version its files. Links and the files of other users
    are left alone; so is what is in the folder of the data sets, since those may be many and no secret.

    Raises:
        UnavailableError: it cannot be created, is not a directory, or belongs to another user.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = home.stat().st_uid
        if owner != os.geteuid():
            text = f"the state directory {home} belongs to another user (uid {owner}, this is {os.geteuid()})"
            raise UnavailableError(f"{text}; set ABLATE_HOME to a directory of your own")
        home.chmod(home.stat().st_mode & ~OTHERS)
        for path in _below(home):
            _restrict(path)
    except OSError as error:
        text = f"the state directory {home} cannot be used: {error.strerror}"
        raise UnavailableError(f"{text}; set ABLATE_HOME to another directory") from error


def _below(home: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(home):
        yield from (Path(folder, name) for name in (*folders, *files))
        if Path(folder) == home and "data" in folders:
            folders.remove("data")


def _restrict(path: Path) -> None:
    try:
        found = path.lstat()
        if found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode) and found.st_mode & OTHERS:
            path.chmod(found.st_mode & ~OTHERS)
    except FileNotFoundError:  # another process removed it
        return
