"""What lies beside a script and is not code: small files are copied for each trial, all others are linked and watched.

A copy protects: a trial that overwrites it changes nothing for the others. A link does not, so what is linked is looked
at before and after the script runs, and a trial during which it changed fails. New files in a linked folder, such as
the cache of a data set, are no change.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

NOT_CODE = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", "venv", "node_modules", ".ipynb_checkpoints"})
OUTPUTS = frozenset(
    {
        "ablate-out", "lightning_logs", "tb_logs", "wandb", "mlruns", "outputs", "output", "out", "multirun", "logs",
        "log", "runs",
        "checkpoints", "checkpoint", "ckpt", "ckpts", "results", "trainer_output",
    }
)  # fmt: skip
"""Names of folders beside a script that earlier runs of it wrote. Trials that shared them would mix their results."""
OF_RESULTS = ("registrations.jsonl", "trials.jsonl")
"""Files by which a folder of results of `ablate run` is known. It contains copies of the code, which are not code."""
MAX_COPIED_BYTES, MAX_COPIED_FILES = 64 << 20, 1000
"""Most that is copied for a trial, together; further files are linked."""
MAX_WATCHED_FILES = 10_000
"""Files below linked folders that are looked at; looking at one takes about a microsecond, on a network disk more."""
ENVIRONMENTS = (".venv", "venv", "node_modules")
"""Folders that are linked and not watched: programs write caches there."""
LOCKS = (".lock", "lock.mdb", "-wal", "-shm", "-journal")
"""Endings of files that reading a data set changes."""

Stamp = tuple[int, int]


class Shared:
    """The files beside the code of one attempt.

    Args:
        home: state directory of ablate, which changes while trials run.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._copies: dict[Path, Stamp] = {}
        self._linked: list[Path] = []
        self._stamps: dict[Path, Stamp] = {}
        self._bytes = 0

    def add(self, original: Path, place: Path) -> None:
        """Put a file or folder into the folder of the trial; what an earlier attempt left there stays."""
        if place.is_symlink():
            self._linked.append(original)
        elif not place.exists():
            stamp = stamp_of(original) if original.is_file() else None
            if stamp and self._bytes + stamp[0] <= MAX_COPIED_BYTES and len(self._copies) < MAX_COPIED_FILES:
                shutil.copy2(original, place)
                self._bytes += stamp[0]
                self._copies[place] = stamp_of(place) or stamp
            else:
                place.symlink_to(original, target_is_directory=original.is_dir())
                self._linked.append(original)

    def watch(self) -> None:
        """Note how everything is that is linked."""
        for path in self._paths():
            stamp = stamp_of(path)
            if stamp is not None:
                self._stamps[path] = stamp
            if len(self._stamps) >= MAX_WATCHED_FILES:
                return

    def changed(self) -> Path | None:
        """A linked file that has changed, or is gone, since `watch`; None if there is none."""
        return next((path for path, stamp in self._stamps.items() if stamp_of(path) != stamp), None)

    def remove_copies(self) -> None:
        """Remove the copies that the script has left as they were: the originals are still there."""
        for place, stamp in self._copies.items():
            if not place.is_symlink() and stamp_of(place) == stamp:
                with suppress(OSError):
                    place.unlink()

    def _paths(self) -> Iterator[Path]:
        for original in self._linked:
            if not original.is_dir():
                yield original
            elif self._is_watched(original):
                for folder, below, names in os.walk(original):
                    below[:] = [name for name in below if self._is_watched(Path(folder, name))]
                    yield from (Path(folder, name) for name in names if not name.endswith(LOCKS))

    def _is_watched(self, folder: Path) -> bool:
        """Whether nothing but a trial would change a folder."""
        return folder.name not in NOT_CODE | OUTPUTS and not is_results(folder) and folder.resolve() != self._home


def is_results(folder: Path) -> bool:
    """Whether a folder has results of `ablate run`."""
    return any((folder / name).exists() for name in OF_RESULTS)


def stamp_of(path: Path) -> Stamp | None:
    """Size and time of change of a file; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
