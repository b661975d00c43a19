"""Folders of images with one folder a class, `FOLDER/CLASS/IMAGE`: the layout of torchvision's ImageFolder.

Only names are looked at here; `ablate.data.images` opens files. Hidden files and folders are no part of a data set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablate.errors import DataError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
"""Of what counts as an image, in any case."""


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """Labelled image files. Arrays, since a million Python objects would be copied into every process that reads them.

    Attributes:
        folder: where they lie.
        names: (N,) of bytes, paths below `folder`.
        labels: (N,) of int64.
    """

    folder: Path
    names: NDArray[np.bytes_]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, index: int) -> str:
        """Where one of them lies."""
        return str(self.folder / os.fsdecode(bytes(self.names[index])))

    def take(self, chosen: NDArray[np.int64]) -> Files:
        """Those of these indices, in their order."""
        return Files(self.folder, self.names[chosen], self.labels[chosen])


def build_files(folder: Path, images: Iterable[tuple[str, int]]) -> Files:
    """The files of these paths below the folder, with their labels."""
    pairs = list(images)
    names = np.array([os.fsencode(name) for name, _ in pairs], dtype=np.bytes_)
    return Files(folder, names, np.array([label for _, label in pairs], dtype=np.int64))


def list_classes(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted: a class each.

    Raises:
        DataError: it cannot be listed, or holds none.
    """
    names = sorted(entry.name for entry in _scan(folder) if _is_folder(entry))
    if not names:
        raise DataError(f"{folder} holds no folders; expected is one for each class, with the images of that class")
    return names


def count_classes(folder: Path) -> int:
    """How many class folders a folder holds; 0 where it cannot be listed."""
    try:
        return len(list_classes(folder))
    except DataError:  # whoever needs the reason calls `list_classes`
        return 0


def list_images(folder: Path) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """The images in the folder of a class, by name, and the other files there.

    Raises:
        DataError: it cannot be listed, holds a folder, or no image.
    """
    entries = sorted(_scan(folder), key=lambda entry: entry.name)
    for entry in entries:
        if _is_folder(entry):
            raise DataError(f"{entry.path} is a folder; expected are images there: folders of classes are not nested")
    images = [entry for entry in entries if _is_image(entry)]
    if not images:
        raise DataError(f"{folder} holds no image; allowed: {', '.join(EXTENSIONS)}")
    return images, [entry for entry in entries if not _is_image(entry)]


def scan_images(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every image in the folders of a folder, each with the name of its own; whatever else lies there is passed over.

    Raises:
        DataError: a folder cannot be listed.
    """
    for entry in _scan(folder):
        if _is_folder(entry):
            yield from ((entry.name, image) for image in _scan(Path(entry.path)) if _is_image(image))


def list_split(
    folder: Path, name: str, classes: int, images: int, *, advice: str, others: Sequence[str] | None = None
) -> Files:
    """The files of a split that has to have a known size, such as one of ImageNet's.

    Args:
        folder: with a folder for each class.
        name: of the data set, for texts.
        classes: how many folders are expected.
        images: how many images are expected in all of them.
        advice: what is expected, a sentence; the end of every error.
        others: names that the folders must have, those of the training split.

    Raises:
        DataError: something is missing or too much; the folder is named.
    """
    try:
        found = list_classes(folder)
        if len(found) != classes:
            raise DataError(f"{folder} holds {len(found):,} folders, not {classes:,}")
        if others is not None and (strange := sorted(set(found) - set(others))):
            raise DataError(f"{folder / strange[0]} is a class that the training images do not have")
        listed = [
            (f"{name_of_class}/{entry.name}", label)
            for label, name_of_class in enumerate(found)
            for entry in list_images(folder / name_of_class)[0]
        ]
        if len(listed) != images:
            raise DataError(f"{folder} holds {len(listed):,} images, not {images:,}")
    except DataError as error:
        raise DataError(f"data set '{name}': {error}. {advice}") from error
    return build_files(folder, listed)


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(EXTENSIONS)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle: whoever opens it says so
        return False


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}") from error
