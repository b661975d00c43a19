"""Folders of images with one folder per class, `FOLDER/CLASS/IMAGE`: the layout of torchvision's ImageFolder.

Only names are read here; `ablate.data.images` opens files. Hidden files and folders are not part of a data set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablate.data.regular_files import printable
from ablate.errors import DataError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
"""Of image files, in upper or lower case."""


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """Labelled image files, as arrays: a million Python objects would be copied into every process that reads them.

    Attributes:
        folder: the folder of all of them.
        names: (N,) of bytes, paths relative to `folder`.
        labels: (N,) of int64.
        upright: whether images are turned as their EXIF data say; else they are read as they are stored.
    """

    folder: Path
    names: NDArray[np.bytes_]
    labels: NDArray[np.int64]
    upright: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, index: int) -> str:
        """The path of one of them."""
        return str(self.folder / os.fsdecode(bytes(self.names[index])))

    def take(self, chosen: NDArray[np.int64]) -> Files:
        """The files at these indices, in their order."""
        return Files(self.folder, self.names[chosen], self.labels[chosen], self.upright)


def build_files(folder: Path, images: Iterable[tuple[str, int]]) -> Files:
    """The files at these paths relative to the folder, with their labels."""
    pairs = list(images)
    names = np.array([os.fsencode(name) for name, _ in pairs], dtype=np.bytes_)
    return Files(folder, names, np.array([label for _, label in pairs], dtype=np.int64))


def list_classes(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; each one is a class.

    Raises:
        DataError: it cannot be listed, or contains none.
    """
    names = sorted(entry.name for entry in _scan(folder) if _is_folder(entry))
    if not names:
        expected = "expected: one folder per class, with the images of that class"
        raise DataError(f"{printable(folder)} contains no folders; {expected}")
    return names


def count_classes(folder: Path) -> int:
    """Number of class folders in a folder; 0 if it cannot be listed."""
    try:
        return len(list_classes(folder))
    except DataError:  # a caller who needs the reason calls `list_classes`
        return 0


def list_images(folder: Path) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """The images in the folder of a class, by name, and the other files there.

    Raises:
        DataError: it cannot be listed, contains a folder, or no image.
    """
    entries = sorted(_scan(folder), key=lambda entry: entry.name)
    for entry in entries:
        if _is_folder(entry):
            text = "is a folder; expected: images, since class folders are not nested"
            raise DataError(f"{printable(entry.path)} {text}")
    images = [entry for entry in entries if _is_image(entry)]
    if not images:
        raise DataError(f"{printable(folder)} contains no image; allowed: {', '.join(EXTENSIONS)}")
    return images, [entry for entry in entries if not _is_image(entry)]


def scan_images(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every image in the folders of a folder, each with the name of its folder; other files are skipped.

    Raises:
        DataError: a folder cannot be listed.
    """
    for entry in _scan(folder):
        if _is_folder(entry):
            yield from ((entry.name, image) for image in _scan(Path(entry.path)) if _is_image(image))


def list_split(
    folder: Path, name: str, classes: int, images: int, *, advice: str, others: Sequence[str] | None = None
) -> Files:
    """The files of a split that must have a known size, such as those of ImageNet.

    Args:
        folder: a folder with one folder per class.
        name: name of the data set, for error texts.
        classes: expected number of folders.
        images: expected number of images in all of them.
        advice: what is expected, a sentence; the end of every error.
        others: allowed names of the folders, those of the training split.

    Raises:
        DataError: there is too little or too much; the folder is named.
    """
    try:
        found = list_classes(folder)
        if len(found) != classes:
            raise DataError(f"{folder} contains {len(found):,} folders, not {classes:,}")
        if others is not None and (strange := sorted(set(found) - set(others))):
            raise DataError(f"{printable(folder / strange[0])} is a class without training images")
        listed = [
            (f"{name_of_class}/{entry.name}", label)
            for label, name_of_class in enumerate(found)
            for entry in list_images(folder / name_of_class)[0]
        ]
        if len(listed) != images:
            raise DataError(f"{folder} contains {len(listed):,} images, not {images:,}")
    except DataError as error:
        raise DataError(f"data set '{name}': {error}. {advice}") from error
    return build_files(folder, listed)


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(EXTENSIONS)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: opening it raises an error
        return False


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{printable(folder)} cannot be listed: {error.strerror}") from error
