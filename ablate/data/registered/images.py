"""A folder of images that a user has registered, as a data set like any other.

Whether it is unchanged is checked before anything is queued, and again by every trial: by sizes and times of
modification; no file is opened.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ablate.data.class_folders import Files, build_files, scan_images
from ablate.data.dataset import DataSet
from ablate.data.info import DatasetInfo, Fault
from ablate.data.registered.store import ImageEntry, Registered, parts_of, read_entries
from ablate.data.regular_files import printable
from ablate.errors import DataError, RegistryError


@dataclass(frozen=True)
class RegisteredImages(DataSet):
    """See the module's text.

    Attributes:
        found: its registration.
    """

    found: Registered

    @classmethod
    def of(cls, found: Registered) -> RegisteredImages:
        """The data set of a registration."""
        info = DatasetInfo(
            found.name, found.name, "classify", len(found.classes), 3, found.resolution_px,
            found.train_images, found.test_images, found.mean, found.std,
            f"A folder of images, registered here at {found.registered_at}.", True,
        )  # fmt: skip
        return cls(info, found)

    @property
    def pinned(self) -> str:
        """See `DataSet.pinned`."""
        return self.found.pinned

    def find(self, root: Path) -> Path | None:
        """See `DataSet.find`."""
        del root
        folder = Path(self.found.folder)
        return folder if folder.is_dir() else None

    def check(self, root: Path) -> Path:
        """See `DataSet.check`."""
        if fault := self.find_fault(root):
            raise DataError(fault.text)
        return Path(self.found.folder)

    def find_fault(self, root: Path) -> Fault | None:
        """What is wrong with the folder; compares every file's size and time of modification."""
        return find_change(root, self.found)

    def files(self, root: Path, train: bool) -> Files:
        """See `DataSet.files`."""
        return list_files(root, self.found, train)


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
