"""The files that the code of a trial wrote into the trial's folder, without those of ablate itself.

Of a script or a function these are the files in `{workdir}`, and what a script wrote beside the copy of its code. Links
are never followed, and what they point to is not listed: they lead to the data of the user.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ablate.data.regular_files import open_regular
from ablate.errors import TrialError, nearest, quote
from ablate.tasks.command.shared import NOT_CODE
from ablate.tasks.command.task import Command
from ablate.tasks.function.task import Function
from ablate.trials.log import LOG
from ablate.trials.registry import BUILT_IN, STORED, get_task
from ablate.trials.run import TRACEBACK

OWN = frozenset({LOG, TRACEBACK, "needs"})
"""Names in the folder of any trial that are ablate's: they have commands of their own."""
LARGEST = 1 << 62


class Written(NamedTuple):
    """A file: its path, relative to the trial's folder with `/` between the parts, and its size in bytes."""

    path: str
    size: int


def list_files(workdir: Path, task: str) -> Iterator[Written]:
    """The files that the code of a trial wrote, sorted by path; none if the folder is not there.

    Args:
        workdir: the trial's folder.
        task: name of its task.
    """
    is_script, code = _code_of(task)
    for place, folders, names in os.walk(workdir):
        inside = Path(place).relative_to(workdir)
        is_top = not inside.parts
        if is_top:
            kept = {"files", "run"} if is_script and code is not None else {"files"} if is_script else None
            folders[:] = [name for name in folders if (name in kept if kept is not None else name not in OWN)]
            names = [] if is_script else [name for name in names if name not in OWN]
        folders[:] = sorted(name for name in folders if name not in NOT_CODE)
        for name in sorted(names):
            path = (inside / name).as_posix()
            found = _size(Path(place, name))
            if found is not None and path.removeprefix("run/") not in (code or ()) and path.isprintable():
                yield Written(path, found)


def _code_of(task: str) -> tuple[bool, frozenset[str] | None]:
    """Whether a task is a script or a function, and the files of its code; None if this machine does not have it."""
    if task in BUILT_IN:
        return False, frozenset()
    try:
        named = get_task(task)
    except TrialError:
        return task.startswith(tuple(STORED)), None
    is_script = isinstance(named.task, Command | Function)
    return is_script, frozenset(named.code) if is_script else frozenset()


def _size(path: Path) -> int | None:
    """The size of a regular file; None of anything else."""
    try:
        found = path.lstat()
    except OSError:  # deleted meanwhile
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


@contextmanager
def open_file(workdir: Path, task: str, path: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open one of the files of `list_files`.

    Args:
        workdir: the trial's folder.
        task: name of its task.
        path: of the file, as it is listed.

    Yields:
        The file, and its size when it was opened.

    Raises:
        TrialError: the code of the trial wrote no such file.
        DataError: it cannot be read.
    """
    known = [one.path for one in list_files(workdir, task)]
    if path not in known:
        raise TrialError(f"the trial wrote no file {quote(path)}{nearest(path, known)}")
    with open_regular(workdir / path, (workdir / path).parent, LARGEST) as (file, status):
        yield file, status.st_size
