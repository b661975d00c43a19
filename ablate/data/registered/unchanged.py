"""Whether a registered folder is unchanged, by sizes and times of modification; no file is opened.

This is checked before anything is queued, and again by every trial.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ablate.data.class_folders import Files, build_files, scan_images
from ablate.data.info import Fault
from ablate.data.registered.store import ImageEntry, Registered, parts_of, read_entries
from ablate.data.regular_files import printable
from ablate.errors import DataError, RegistryError

Stamp = tuple[int, int] | None
"""Size in bytes and time of modification in ns; None for a broken link."""


def find_change(root: Path, found: Registered) -> Fault | None:
    """What is wrong with a registered folder; None if it is unchanged."""
    try:
        return _compare(found, read_entries(root, found))
    except RegistryError as error:
        return Fault("data_damaged", str(error), str(error))


def list_files(root: Path, found: Registered, train: bool) -> Files:
    """The training or test images of a registered folder.

    Raises:
        DataError: a file was changed, added or removed since; it is named. Or the registration is damaged.
    """
    entries = read_entries(root, found)
    if fault := _compare(found, entries):
        raise DataError(fault.text)
    chosen = ((entry.path, entry.label) for entry in entries if entry.is_test != train)
    return replace(build_files(Path(found.folder), chosen), upright=found.upright)


def _compare(found: Registered, entries: Iterable[ImageEntry]) -> Fault | None:
    try:
        there = dict(_look_around(found))
    except DataError as error:
        what, advice = f"data set '{found.name}': ", f"; if it was moved: ablate data add {found.name} NEWPLACE"
        return Fault("no_data", f"{what}{error}{advice}", f"{what}its folder cannot be listed{advice}")
    known: dict[str, Stamp] = {entry.path: (entry.size_bytes, entry.mtime_ns) for entry in entries}
    differing = {
        "changed": [path for path in known.keys() & there.keys() if known[path] != there[path]],
        "missing": list(known.keys() - there.keys()),
        "new": list(there.keys() - known.keys() - {one.path for one in found.skipped}),
    }
    return _describe(found, differing) if any(differing.values()) else None


def _describe(found: Registered, differing: dict[str, list[str]]) -> Fault:
    path, how = min((path, how) for how, paths in differing.items() for path in paths)
    count = sum(map(len, differing.values()))
    more = f" (and {count - 1:,} more)" if count > 1 else ""
    verb = "was" if how == "changed" else "is"
    counts = ", ".join(f"{len(paths):,} {how}" for how, paths in differing.items() if paths)
    what, again = f"data set '{found.name}'", f"register it again: ablate data add {found.name}"
    return Fault(
        "data_changed",
        f"{what}: {printable(Path(found.folder) / path)} {verb} {how} since the folder was registered{more}; "
        f"{again} {shlex.quote(printable(found.folder))} --replace",
        f"{what}: its folder has changed since it was registered (images: {counts}); {again} FOLDER --replace",
    )


def _look_around(found: Registered) -> Iterator[tuple[str, Stamp]]:
    """Path and stamp of every image in the folder."""
    for part in parts_of(found.test_folder):
        prefix = f"{part}/" if part else ""
        for name, image in scan_images(Path(found.folder, part)):
            yield f"{prefix}{name}/{image.name}", _stamp(image)


def _stamp(image: os.DirEntry[str]) -> Stamp:
    try:
        status = image.stat()
    except OSError:  # a broken link
        return None
    return status.st_size, status.st_mtime_ns
