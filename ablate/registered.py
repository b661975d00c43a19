"""Registered folders of images: what `ablate data add` wrote down of them, and whether they are still that.

Each is one file below the data root, `registered/NAME.jsonl`: its first line says what is known of the whole, each
further one is an image. The catalog (`ablate.datasets`) reads the first line alone. A folder's content has a
fingerprint; `NAME@FINGERPRINT` stands for the folder with that content and nothing else, and is what trials are keyed
with.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from ablate.errors import DataError
from ablate.folders import Files, build_files, list_classes, list_images
from ablate.trial import Document

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
PINNED_DIGITS = 16


class Skipped(Document):
    """A damaged file that was left out, and what is wrong with it."""

    path: str
    reason: str


class Registered(Document):
    """What is known of a registered folder.

    Attributes:
        name: as in a recipe's `dataset`.
        folder: where it lies, an absolute path.
        test_folder: the folder in it that holds the test images, beside `train`; None where the content of an image
            decides (`ablate.registering`).
        classes: names, in the order of the labels.
        train_images, test_images: how many.
        resolution_px: the side that all images have, else the median of their short sides.
        mean, std: of the training images' pixels on 0..1, for red, green and blue; each image has the same weight.
        duplicates: test images whose bytes are those of a training image too.
        fingerprint: SHA-256 over path, content and split of every image, in the order of paths.
        skipped: files that were left out.
        registered_at: when.
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

    @property
    def pinned(self) -> str:
        """The name of this content."""
        return f"{self.name}@{self.fingerprint[:PINNED_DIGITS]}"


class Entry(NamedTuple):
    """An image of a registered folder: a line of its file."""

    path: str
    label: int
    is_test: bool
    size_bytes: int
    mtime_ns: int
    sha256: str


def list_registered(root: Path) -> list[Registered]:
    """Every registered folder, by name."""
    names = sorted(path.stem for path in (root / "registered").glob("*.jsonl"))
    return [found for name in names if (found := find_registered(root, name))]


def find_registered(root: Path, name: str) -> Registered | None:
    """A registered folder by its name, or by the name of its content; None where there is none.

    Raises:
        DataError: it has other content by now, or what is written down cannot be read.
    """
    plain, _, digits = name.partition("@")
    if not NAME.fullmatch(plain):
        return None
    path = _path(root, plain)
    try:
        with path.open(encoding="utf-8") as file:
            found = Registered.model_validate_json(file.readline())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise DataError(f"data set '{plain}': {path} cannot be read; register the folder again") from error
    if digits and found.fingerprint[:PINNED_DIGITS] != digits:
        raise DataError(
            f"data set '{plain}' has other content now ({found.pinned}) than was asked for ({name}): the folder was "
            "registered again. Plan the study anew, or register the earlier content under a name of its own"
        )
    return found


def list_files(root: Path, found: Registered, train: bool) -> Files:
    """The training or test images of a registered folder.

    Raises:
        DataError: a file was changed, added or removed since; it is named.
    """
    entries = list(_read_entries(root, found.name))
    _check_unchanged(found, entries)
    chosen = ((entry.path, entry.label) for entry in entries if entry.is_test != train)
    return build_files(Path(found.folder), chosen)


def write_registered(root: Path, found: Registered, entries: Iterable[Entry]) -> None:
    """Write a folder down; its file is the old one or the new one, whenever the process is killed."""
    path = _path(root, found.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{found.name}.{os.getpid()}.part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(found.model_dump_json() + "\n")
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def parts_of(test_folder: str | None) -> dict[str, bool | None]:
    """The folders that hold class folders, each with whether it is for testing; None: the images' content decides."""
    return {"": None} if test_folder is None else {"train": False, test_folder: True}


def _read_entries(root: Path, name: str) -> Iterator[Entry]:
    with _path(root, name).open(encoding="utf-8") as file:
        next(file)
        for line in file:
            yield Entry(*json.loads(line))


def _check_unchanged(found: Registered, entries: Iterable[Entry]) -> None:
    """Compare sizes and times of modification with those written down: no file is opened."""
    there = dict(_look_around(found))
    skipped = {one.path for one in found.skipped}
    known = {entry.path: (entry.size_bytes, entry.mtime_ns) for entry in entries}
    differing = {path for path in known.keys() | there.keys() - skipped if known.get(path) != there.get(path)}
    if differing:
        path = min(differing)
        what = "is new" if path not in known else "is missing" if path not in there else "was changed"
        more = f" (and {len(differing) - 1:,} more)" if len(differing) > 1 else ""
        raise DataError(
            f"data set '{found.name}': {Path(found.folder) / path} {what} since the folder was registered{more}; "
            f"register it again: ablate data add {found.name} {found.folder} --replace"
        )


def _look_around(found: Registered) -> Iterator[tuple[str, tuple[int, int] | None]]:
    """Path, size and time of modification of every image that is there."""
    for part in parts_of(found.test_folder):
        for name in list_classes(Path(found.folder, part)):
            for image in list_images(Path(found.folder, part, name))[0]:
                yield Path(part, name, image.name).as_posix(), _stamp(image)


def _stamp(image: os.DirEntry[str]) -> tuple[int, int] | None:
    try:
        status = image.stat()
    except OSError:  # a link that leads nowhere
        return None
    return status.st_size, status.st_mtime_ns


def _path(root: Path, name: str) -> Path:
    return root / "registered" / f"{name}.jsonl"
