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
from ablate.tasks.command.shared import NOT_CODE, stamp_of
from ablate.tasks.command.task import Command
from ablate.tasks.function.task import Function
from ablate.trials.log import LOG
from ablate.trials.registry import BUILT_IN, get_task, is_installed
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
    code = _code_of(task)
    for place, folders, names in os.walk(workdir):
        inside = Path(place).relative_to(workdir)
        if not inside.parts and code is not None:
            folders[:] = [name for name in folders if name == "files" or (name == "run" and code.files)]
            names = []
        elif not inside.parts:
            folders[:] = [name for name in folders if name not in OWN]
            names = [name for name in names if name not in OWN]
        folders[:] = sorted(name for name in folders if name not in NOT_CODE)
        for name in sorted(names):
            path = (inside / name).as_posix()
            found = _size(Path(place, name))
            is_copy = code is not None and inside.parts[0] == "run" and code.has(Path(*inside.parts[1:], name), workdir)
            if found is not None and not is_copy and path.isprintable():
                yield Written(path, found)


class _Code(NamedTuple):
    """The code of a script or a function: its files, none if this machine does not have them; and where it was."""

    files: frozenset[str]
    original: Path | None

    def has(self, path: Path, workdir: Path) -> bool:
        """Whether a file in `run` is a copy: of the code, or as it is of a file beside it, see `Shared`."""
        copied = self.original and stamp_of(self.original / path)
        return path.as_posix() in self.files or (copied is not None and copied == stamp_of(workdir / "run" / path))


def _code_of(task: str) -> _Code | None:
    """The code of a task, if it is a script or a function; None for any other, whose trials have no copy of it."""
    if task in BUILT_IN or is_installed(task):
        return None
    try:
        named = get_task(task)
    except TrialError:  # it may be a script, so the copies of its code are not told from its files
        return _Code(frozenset(), None)
    if isinstance(named.task, Command):
        return _Code(frozenset(named.code), Path(named.task.place().root))
    return _Code(frozenset(named.code), None) if isinstance(named.task, Function) else None


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
