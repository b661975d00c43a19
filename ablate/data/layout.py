"""The layout of a folder of images, read from names alone: what `ablate data add` opens, and what it refuses.

The layout is `FOLDER/CLASS/IMAGE`, or the same in `FOLDER/train` and `FOLDER/test` (or `val`).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ablate.data.class_folders import count_classes, list_classes, list_images
from ablate.data.registered.store import parts_of
from ablate.data.regular_files import printable
from ablate.errors import DataError, quote

MIN_CLASSES = 2


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The content of a folder, by names.

    Attributes:
        classes: names of the classes, in the order of the labels.
        test_folder: the folder next to `train` with the test images; None without such a split.
        images: path relative to the folder, label, and whether it is a test image; None: the image's content decides.
        others: files next to the images that are not images by their names; printable.
        unused: folders next to `train` and the test folder; they are left out.
    """

    classes: tuple[str, ...]
    test_folder: str | None
    images: list[tuple[str, int, bool | None]]
    others: tuple[str, ...]
    unused: tuple[str, ...]


def read_layout(name: str, folder: Path) -> Layout:
    """The layout of a folder that will be the data set of that name.

    Raises:
        DataError: it cannot be listed, or has another layout; the place is named, and what is expected.
    """
    _refuse_halves(name, folder)
    try:
        layout = _read(folder)
        if len(layout.classes) < MIN_CLASSES:
            text = f"contains one class, {quote(layout.classes[0])}; there must be two or more"
            raise DataError(f"{printable(folder)} {text}")
    except DataError as error:
        expected = "Expected: FOLDER/CLASS/IMAGE, or the same in FOLDER/train and FOLDER/test (or val)"
        raise DataError(f"data set {quote(name)}: {error}. {expected}: ablate data add {name} FOLDER") from error
    return layout


def is_writable(name: str) -> bool:
    """Whether a name from the disk is text, so that it can be stored."""
    return name.encode("utf-8", "ignore") == os.fsencode(name)


def _refuse_halves(name: str, folder: Path) -> None:
    """Refuse a folder with training images whose test images are not in `test` or `val`."""
    if _find_test_folder(folder) or not count_classes(folder / "train"):
        return
    there, alone = ", ".join(map(printable, list_classes(folder))), shlex.quote(printable(folder / "train"))
    raise DataError(
        f"data set {quote(name)}: {printable(folder)} has training images in train, but neither test nor val next to "
        f"it (folders there: {there}). Rename the folder of the test images to test or val, or register train alone; a "
        f"fifth of its images will then be test images: ablate data add {name} {alone}"
    )


def _find_test_folder(folder: Path) -> str | None:
    if not (folder / "train").is_dir():
        return None
    return next((name for name in ("test", "val") if (folder / name).is_dir()), None)


def _read(folder: Path) -> Layout:
    test_folder = _find_test_folder(folder)
    parts = parts_of(test_folder)
    classes = list_classes(folder / next(iter(parts)))
    _refuse_unwritable(folder, classes)
    images: list[tuple[str, int, bool | None]] = []
    others: list[str] = []
    for part, is_test in parts.items():
        _check_same(folder, next(iter(parts)), part, classes)
        for label, name in enumerate(classes):
            found, rest = list_images(folder / part / name)
            images += [(Path(part, name, one.name).as_posix(), label, is_test) for one in found]
            others += [printable(one.path) for one in rest]
    unused = sorted(set(list_classes(folder)) - parts.keys()) if test_folder else []
    return Layout(tuple(classes), test_folder, images, tuple(others), tuple(map(printable, unused)))


def _check_same(folder: Path, first: str, part: str, classes: list[str]) -> None:
    if (found := list_classes(folder / part)) != classes:
        odd = sorted(set(found) ^ set(classes))[0]
        lacking = part if odd in classes else first
        raise DataError(f"{printable(folder / lacking / odd)} is missing: both splits need a folder for each class")


def _refuse_unwritable(folder: Path, classes: Iterable[str]) -> None:
    for path in (folder, *(folder / name for name in classes)):
        if not is_writable(str(path)):
            text = f"the name of folder {quote(printable(path))} is not UTF-8, so it cannot be stored; rename it"
            raise DataError(text)
