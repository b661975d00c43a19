"""Registrations of image folders, as `ablate data add` writes them. `images` tells whether one is up to date.

Each registration is a file in the data root, `registered/NAME.jsonl`: its first line describes the folder, every
further line an image. `ablate.data.datasets` reads only the first line. A folder's content has a fingerprint;
`NAME@FINGERPRINT` means the folder with exactly that content, and is the name in trials' keys.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydantic import ValidationError

from ablate.data.regular_files import open_regular
from ablate.documents import Document
from ablate.errors import DataError, RegistryError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
PINNED_DIGITS = 16
MAX_BYTES, MAX_LINE_BYTES = 1 << 32, 1 << 24
"""Of a registration, and of its first line."""


class Skipped(Document):
    """A damaged file that was left out, and what is wrong with it."""

    path: str
    reason: str


class Registered(Document):
    """Description of a registered folder.

    Attributes:
        name: its name in a recipe's `dataset`.
        folder: its absolute path.
        test_folder: the folder in it with the test images, next to `train`; None if an image's content decides
            (`ablate.data.add_folder`).
        classes: names of the classes, in the order of the labels.
        train_images, test_images: numbers of images.
        resolution_px: the side that all images have, else the median of their short sides.
        mean, std: mean and standard deviation of the training pixels on 0..1, for red, green and blue; each image has
            the same weight.
        duplicates: number of test images whose bytes are also those of a training image.
        fingerprint: SHA-256 over path, content and split of every image, in the order of paths, and over which of them
            are turned as their EXIF data say.
        skipped: files that were left out.
        registered_at: time of registration.
        upright: whether its images are turned as their EXIF data say; earlier versions did not.
    """

    name: str
    folder: str
    test_folder: str | None
    classes: tuple[str, ...]
    train_images: int
    test_images: int
    resolution_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    duplicates: int
    fingerprint: str
    skipped: tuple[Skipped, ...]
    registered_at: str
    upright: bool = False

    @property
    def pinned(self) -> str:
        """The name of this content."""
        return f"{self.name}@{self.fingerprint[:PINNED_DIGITS]}"


class ImageEntry(NamedTuple):
    """An image of a registered folder: a line of its file."""

    path: str
    label: int
    is_test: bool
    size_bytes: int
    mtime_ns: int
    sha256: str


ENTRY_TYPES = (str, int, bool, int, int, str)


def read_all(root: Path) -> dict[str, Registered | RegistryError]:
    """Every registered folder by its name, or why its registration cannot be read."""
    names = sorted(path.stem for path in (root / "registered").glob("*.jsonl") if NAME.fullmatch(path.stem))
    return {name: found for name in names if (found := _read(root, name))}


def find_registered(root: Path, name: str) -> Registered | None:
    """A registered folder by its name, or by its name with a fingerprint; None if there is none.

    Raises:
        RegistryError: its registration cannot be read.
        DataError: it has other content now.
    """
    plain, _, digits = name.partition("@")
    if not NAME.fullmatch(plain):
        return None
    found = _read(root, plain)
    if isinstance(found, RegistryError):
        raise found
    if found and digits and found.fingerprint[:PINNED_DIGITS] != digits:
        raise DataError(
            f"data set '{plain}' has other content now ({found.pinned}) than planned ({name}): the folder was "
            "registered again. Plan the study again, or register the earlier content under its own name"
        )
    return found


def read_entries(root: Path, found: Registered) -> list[ImageEntry]:
    """Every image of a registered folder.

    Raises:
        RegistryError: a line is damaged, or some are missing.
    """
    try:
        with _open(root, found.name) as file:
            next(file)
            entries = [_read_entry(line) for line in file]
    except (DataError, StopIteration, ValueError, TypeError, RecursionError) as error:
        raise _damaged(found.name) from error
    if len(entries) != found.train_images + found.test_images:
        raise _damaged(found.name)
    return entries


def write_registered(root: Path, found: Registered, entries: Iterable[ImageEntry]) -> None:
    """Store a registration; if the process is killed, the file is the old one or the new one."""
    path = _path(root, found.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{found.name}.{os.getpid()}.part")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(found.model_dump_json() + "\n")
            file.writelines(json.dumps(entry) + "\n" for entry in entries)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def parts_of(test_folder: str | None) -> dict[str, bool | None]:
    """The folders with class folders, each with whether its images are test images; None: their content decides."""
    return {"": None} if test_folder is None else {"train": False, test_folder: True}


def _read(root: Path, name: str) -> Registered | RegistryError | None:
    """The first line; the last line must end with a newline, or the file was cut off."""
    if not os.path.lexists(_path(root, name)):
        return None
    try:
        with _open(root, name) as file:
            found = Registered.model_validate_json(file.readline(MAX_LINE_BYTES))
            file.seek(-1, os.SEEK_END)
            return found if file.read() == b"\n" else _damaged(name)
    except (DataError, ValidationError):
        return _damaged(name)


@contextmanager
def _open(root: Path, name: str) -> Iterator[BinaryIO]:
    path = _path(root, name)
    with open_regular(path, path.parent, MAX_BYTES) as (file, _):
        yield file


def _read_entry(line: bytes) -> ImageEntry:
    """Parsed without pydantic, which refuses file names that are not UTF-8."""
    entry = ImageEntry(*json.loads(line))
    if tuple(map(type, entry)) != ENTRY_TYPES:
        raise TypeError(f"not an image: {line!r}")
    return entry


def _damaged(name: str) -> RegistryError:
    return RegistryError(
        f"data set '{name}': registered/{name}.jsonl in the data folder is damaged or cannot be read; register it "
        f"again: ablate data add {name} FOLDER --replace"
    )


def _path(root: Path, name: str) -> Path:
    return root / "registered" / f"{name}.jsonl"
