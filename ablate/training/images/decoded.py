"""Images of a folder that lie in memory: decoded once a process, piece by piece, all to one size."""

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
KEPT = 2
"""Sets that a process keeps: one to train and one to test on."""


class Decoded:
    """A set on its way into memory.

    Args:
        files: what to decode.
        side: of the images in memory: the short side is resized to it, and the centre cut out.
        info: of the data set.
        device: where the images shall lie in the end.
    """

    def __init__(self, files: Files, side: int, info: DatasetInfo, device: torch.device) -> None:
        self._files, self._side, self._info, self._device = files, side, info, device
        self._done = 0
        self._images = torch.empty((len(files), NETWORK_CHANNELS, side, side), dtype=torch.uint8)
        self._set: ImageSet | None = None

    def pieces(self) -> Iterator[None]:
        """Decode what is not yet there; yields now and then.

        Raises:
            DataError: a file is missing or damaged; it is named.
        """
        images = Images(self._files, centre_crop(self._side), Streams(0))
        requests = in_pieces(self._done, len(self._files), PIECE)
        for piece, _ in decode(images, requests, torch.get_num_threads(), pin=False) if requests else ():
            self._images[self._done : self._done + len(piece)] = piece
            self._done += len(piece)
            yield

    def image_set(self) -> ImageSet:
        """All of it, decoded if need be."""
        for _ in self.pieces():
            pass
        if self._set is None:
            labels = torch.from_numpy(self._files.labels)
            self._set = ImageSet(self._images.to(self._device), labels.to(self._device), self._info)
            self._images = self._set.images  # a copy on the device is enough
        return self._set


def in_pieces(first: int, count: int, size: int) -> list[Request]:
    """Requests for the files from `first` to `count`, at most `size` each, in which nothing is drawn."""
    return [(list(range(start, min(start + size, count))), None) for start in range(first, count, size)]


def find_decoded(recipe: ClassifyRecipe, train: bool, streams: Streams) -> Decoded:
    """The training or test images of a recipe whose data set is a folder; the same object each time, if it is kept.

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
    del root  # which `choose_files` looks up, too
    return Decoded(choose_files(name, train, count, number), side, describe(name), device)


def choose_files(name: str, train: bool, count: int, number: int) -> Files:
    """Files of a data set that is a folder: all of them, or a subset as `ablate.training.images.data.subset` draws it.

    Args:
        name: as in a recipe's `dataset`.
        train: training set or test set.
        count: how many; 0 takes all.
        number: of the generator that draws them.

    Raises:
        DataError: missing, changed, or fewer than `count`.
    """
    files = list_files(name, train)
    if not count:
        return files
    if count > len(files):
        raise DataError(f"{name}: a subset of {count} images was asked for, {len(files)} are available")
    return files.take(choose(len(files), count, torch.Generator().manual_seed(number)).numpy())
