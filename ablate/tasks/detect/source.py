"""Source of batches for `detect`: a COCO folder. Images are kept in memory if they fit, else decoded during training.

A batch is inputs (B, 3, H, W) of float, normalised, on the device, and the `Objects` of each image, boxes in pixels of
the input. Images, their order and their mirroring are the same in both cases.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ablate.data.datasets import describe_for, get_path
from ablate.errors import DataError
from ablate.recipes.scenes import DetectRecipe
from ablate.tasks.detect.annotations import SPLITS, Annotations, read_annotations
from ablate.tasks.detect.examples import Objects
from ablate.tasks.detect.resize import find_fitted, fitted_size, mirror, read_fitted, stack
from ablate.training.determinism import Order, Streams
from ablate.training.images.data import choose
from ablate.training.images.streamed import Request, decode, steps_from

WHOLE = slice(None)
HELD_LIMIT_BYTES = 2 << 30
"""Maximum size of a split's images, at training size, that are kept in memory."""
TEST_BATCH = 32
"""Maximum images per test batch."""

Batch = tuple[Tensor, list[Objects]]


class EvalBatch(NamedTuple):
    """Test images of one size.

    Attributes:
        inputs: (B, 3, H, W).
        indices: indices of the images in `CocoSource.test`.
        size: height and width before padding, in pixels.
    """

    inputs: Tensor
    indices: list[int]
    size: tuple[int, int]


class CocoSource:
    """Source of images and objects, see `ablate.training.practice.Source`. It reads the annotations immediately.

    Args:
        recipe: recipe of the trial; `dataset`, `resolution_px`, `train_images`, `test_images`, `batch_size`, `augment`
            and `channels_last` are read.
        streams: random streams of the trial.

    Raises:
        DataError: the data set is missing or damaged; the message names the file.
    """

    def __init__(self, recipe: DetectRecipe, streams: Streams) -> None:
        self.info = describe_for("detect", recipe.dataset)
        self.root = get_path(recipe.dataset)
        number = streams.number("subset")
        self.train = choose_images(read_split(self.root, train=True), recipe.train_images, number)
        self.test = choose_images(read_split(self.root, train=False), recipe.test_images, 0)
        if self.train.categories != self.test.categories:
            raise DataError(f"{self.test.file} and {self.train.file} list different categories; they must be the same")
        if not len(self.test.boxes):
            raise DataError(
                f"the {len(self.test)} test images of {self.test.file} contain no objects; increase test_images"
            )
        self.order = Order(Streams(streams.seed), len(self.train), recipe.batch_size)
        self.short_px = recipe.resolution_px or self.info.resolution_px
        self._recipe, self._streams = recipe, streams
        self._next: tuple[int, slice] | None = None
        self._pictures: Generator[list[Tensor], None, None] | None = None

    def batch(self, step: int, part: slice = WHOLE) -> Batch:
        """The training images of a step at these positions of its batch, each mirrored randomly."""
        indices = self.order.at(step)
        mirrored = torch.zeros(len(indices))
        if self._recipe.augment == "flip":
            mirrored = torch.randint(0, 2, (len(indices),), generator=self.order.streams.on_device("augment", step))
        images = self._read_step(step, part)
        examples = [
            self._example(image, index, is_mirrored)
            for image, index, is_mirrored in zip(
                images, indices[part].tolist(), mirrored[part].bool().tolist(), strict=True
            )
        ]
        stored = self.train.sizes[indices.numpy()].tolist()
        sizes = [fitted_size(height, width, self.short_px) for height, width in stored]
        cover = max(height for height, _ in sizes), max(width for _, width in sizes)  # of all ranks' images
        return self._inputs([image for image, _ in examples], cover), [objects for _, objects in examples]

    def test_batches(self) -> Iterator[EvalBatch]:
        """The test images in order. A batch has images of one size, so that no result depends on the others."""
        self.close()
        sizes = fitted_sizes(self.test, self.short_px)
        groups = [list(group) for _, group in groupby(range(len(sizes)), key=sizes.__getitem__)]
        pieces = [group[at : at + TEST_BATCH] for group in groups for at in range(0, len(group), TEST_BATCH)]
        for indices, images in zip(pieces, self._read_pieces(pieces), strict=True):
            yield EvalBatch(self._inputs(images), indices, sizes[indices[0]])

    def ready(self, train: bool) -> Iterator[None]:
        """Read the images that are kept in memory; yields after each."""
        split = self.train if train else self.test
        if self._is_held(split):
            for index in range(len(split)):
                hold(split, index, self.short_px)
                yield

    def close(self) -> None:
        """End the decoding processes, if any."""
        if self._pictures is not None:
            self._pictures.close()
        self._pictures = None

    def _example(self, image: Tensor, index: int, is_mirrored: bool) -> tuple[Tensor, Objects]:
        objects = find_fitted(self.train, index, self.short_px)
        return mirror(image, objects) if is_mirrored else (image, objects)

    def _read_step(self, step: int, part: slice) -> list[Tensor]:
        """The images of a step; if they are decoded, those of the following steps are decoded in advance."""
        if self._is_held(self.train):
            return [hold(self.train, index, self.short_px) for index in self.order.at(step)[part].tolist()]
        if self._pictures is None or self._next != (step, part):
            self.close()
            requests = steps_from(step, lambda one: self.order.at(one).tolist(), self.order.size, part)
            self._pictures = self._decode(self.train, requests)
        self._next = step + 1, part
        return next(self._pictures)

    def _read_pieces(self, pieces: Sequence[list[int]]) -> Iterator[list[Tensor]]:
        if not self._is_held(self.test):
            return self._decode(self.test, ((piece, None) for piece in pieces))
        short_px = self.short_px
        return ([hold(self.test, index, short_px) for index in piece] for piece in pieces)

    def _decode(self, split: Annotations, requests: Iterator[Request]) -> Generator[list[Tensor], None, None]:
        pictures = Pictures(split, self.short_px)
        return decode(pictures, requests, torch.get_num_threads(), pin=self._streams.device.type == "cuda")

    def _is_held(self, split: Annotations) -> bool:
        return count_bytes(split, self.short_px) <= HELD_LIMIT_BYTES

    def _inputs(self, images: Sequence[Tensor], cover: tuple[int, int] = (0, 0)) -> Tensor:
        on_device = [image.to(self._streams.device, non_blocking=True) for image in images]
        layout = self._recipe.channels_last
        if self._recipe.backbone and self._recipe.backbone.input_norm == "none":
            return stack(on_device, (0.0,) * 3, (1 / 255,) * 3, channels_last=layout, cover=cover)
        return stack(on_device, self.info.mean, self.info.std, channels_last=layout, cover=cover)


class Pictures(Dataset[Any]):
    """Images of a split for decoding in other processes; an item is a batch of them.

    Args:
        split: annotations of the split.
        short_px: length of the shorter side in pixels; 0 keeps the stored size.
    """

    def __init__(self, split: Annotations, short_px: int) -> None:
        self.split, self.short_px = split, short_px

    def __getitem__(self, request: Request) -> list[Tensor] | str:
        """Images (3, h, w) of uint8, or a text with the error of a file."""
        try:
            return [read_fitted(self.split, index, self.short_px) for index in request[0]]
        except DataError as error:
            return str(error)


def read_split(root: Path, *, train: bool) -> Annotations:
    """Read the annotations of a split; cached until the file changes.

    Raises:
        DataError: see `read_annotations`.
    """
    file = root / "annotations" / f"instances_{SPLITS[train]}.json"
    stamp = file.stat().st_mtime_ns if file.exists() else 0
    return _read_split(root, train, stamp)


@lru_cache(maxsize=4)
def _read_split(root: Path, train: bool, stamp: int) -> Annotations:
    del stamp  # part of the cache's key
    return read_annotations(root, train)


def choose_images(split: Annotations, count: int, number: int) -> Annotations:
    """Choose a random subset of the images, in their original order.

    Args:
        split: annotations of the split.
        count: number of images; 0 for all.
        number: seed of the generator.

    Raises:
        DataError: the split has fewer images.
    """
    if not count:
        return split
    if count > len(split):
        raise DataError(f"{count:,} images requested, {split.file} lists {len(split):,}; 0 takes all")
    return split.take(np.sort(choose(len(split), count, torch.Generator().manual_seed(number)).numpy()))


def fitted_sizes(split: Annotations, short_px: int) -> list[tuple[int, int]]:
    """Height and width of each image at training size."""
    return [fitted_size(height, width, short_px) for height, width in split.sizes.tolist()]


@lru_cache(maxsize=4)
def count_bytes(split: Annotations, short_px: int) -> int:
    """Size of a split's images in memory, in bytes, at training size."""
    return sum(3 * height * width for height, width in fitted_sizes(split, short_px))


_shelves: dict[tuple[Path, int], dict[int, Tensor]] = {}
"""Folder and `resolution_px` -> id -> image; shared by all trials of a process."""
SHELVES = 2
"""Number of cached splits: training and test images of one data set."""


def hold(split: Annotations, index: int, short_px: int) -> Tensor:
    """An image, (3, h, w) of uint8, read at the first call and then cached.

    Raises:
        DataError: see `read_example`.
    """
    place = split.folder, short_px
    if place not in _shelves:
        while len(_shelves) >= SHELVES:
            _shelves.pop(next(iter(_shelves)))
        _shelves[place] = {}
    shelf, image_id = _shelves[place], int(split.image_ids[index])
    if image_id not in shelf:
        shelf[image_id] = read_fitted(split, index, short_px)
    return shelf[image_id]
