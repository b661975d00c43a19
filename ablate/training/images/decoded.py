"""Images of a folder, decoded into memory once per process, in pieces, all to one size."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import torch

from ablate.data.class_folders import Files
from ablate.data.datasets import data_root, describe, list_files, pin
from ablate.data.info import DatasetInfo
from ablate.errors import DataError
from ablate.recipes.classify import ClassifyRecipe
from ablate.training.determinism import Streams
from ablate.training.images.augment import NETWORK_CHANNELS
from ablate.training.images.data import ImageSet, choose
from ablate.training.images.streamed import Images, Request, centre_crop, decode

PIECE = 64
"""Images per piece."""
KEPT = 2
"""Number of cached sets: one for training and one for testing."""


class Decoded:
    """A set that is being decoded into memory.

    Args:
        files: files to decode.
        side: side of the images in memory, in pixels: the short side is resized to it, and the centre is cropped.
        info: description of the data set.
        device: device of the finished set.
    """

    def __init__(self, files: Files, side: int, info: DatasetInfo, device: torch.device) -> None:
        self._files, self._side, self._info, self._device = files, side, info, device
        self._done = 0
        self._images = torch.empty((len(files), NETWORK_CHANNELS, side, side), dtype=torch.uint8)
        self._set: ImageSet | None = None

    def pieces(self) -> Iterator[None]:
        """Decode the remaining images; yields after each piece.

        Raises:
            DataError: a file is missing or damaged; the message names it.
        """
        images = Images(self._files, centre_crop(self._side), Streams(0))
        requests = in_pieces(self._done, len(self._files), PIECE)
        for piece, _ in decode(images, requests, torch.get_num_threads(), pin=False) if requests else ():
            self._images[self._done : self._done + len(piece)] = piece
            self._done += len(piece)
            yield

    def image_set(self) -> ImageSet:
        """The whole set; images that are not decoded yet are decoded."""
        for _ in self.pieces():
            pass
        if self._set is None:
            labels = torch.from_numpy(self._files.labels)
            self._set = ImageSet(self._images.to(self._device), labels.to(self._device), self._info)
            self._images = self._set.images  # a copy on the device is enough
        return self._set


def in_pieces(first: int, count: int, size: int) -> list[Request]:
    """Requests for the files from `first` to `count`, at most `size` files each, without random augmentation."""
    return [(list(range(start, min(start + size, count))), None) for start in range(first, count, size)]


def find_decoded(recipe: ClassifyRecipe, train: bool, streams: Streams) -> Decoded:
    """The training or test images of a recipe whose data set is a folder; cached within a process.

    Raises:
        DataError: see `choose_files`.
    """
    info = describe(recipe.dataset)
    side = recipe.resolution_px or info.resolution_px
    count = recipe.train_images if train else recipe.test_images
    number = streams.number("subset") if train and count else 0
    return _decoded(pin(recipe.dataset), train, side, streams.device, data_root(), count, number)


@lru_cache(maxsize=KEPT)
def _decoded(name: str, train: bool, side: int, device: torch.device, root: Path, count: int, number: int) -> Decoded:
    del root  # part of the cache's key; `choose_files` finds it itself
    return Decoded(choose_files(name, train, count, number), side, describe(name), device)


def choose_files(name: str, train: bool, count: int, number: int) -> Files:
    """Files of a data set that is a folder: all, or a subset drawn as in `ablate.training.images.data.subset`.

    Args:
        name: as in a recipe's `dataset`.
        train: training set or test set.
        count: number of files; 0 for all.
        number: seed of the generator that draws them.

    Raises:
        DataError: the folder is missing, has changed, or has fewer than `count` files.
    """
    files = list_files(name, train)
    if not count:
        return files
    if count > len(files):
        raise DataError(f"{name}: {count} images requested, {len(files)} available; request at most these")
    return files.take(choose(len(files), count, torch.Generator().manual_seed(number)).numpy())
