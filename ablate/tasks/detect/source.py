"""Where the batches of `detect` come from: a COCO folder, its images held in memory where they fit, else decoded.

A batch is inputs (B, 3, H, W) of float, normalised, on the device, and for each image its `Objects`, boxes in pixels of
the input. The same images are drawn, in the same order and mirrored alike, whichever way they come.
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
from ablate.training.determinism import Streams
from ablate.training.images.data import choose
from ablate.training.images.streamed import Request, decode, steps_from
from ablate.training.order import Order

WHOLE = slice(None)
HELD_LIMIT_BYTES = 2 << 30
"""Images of a split that are more bytes than this, at the size at which they are trained on, are not held."""
TEST_BATCH = 32

Batch = tuple[Tensor, list[Objects]]


class EvalBatch(NamedTuple):
    """Test images of one size.

    Attributes:
        inputs: (B, 3, H, W).
        indices: which images of `CocoSource.test` they are.
        size: height and width before padding.
    """

    inputs: Tensor
    indices: list[int]
    size: tuple[int, int]


class CocoSource:
    """See `ablate.training.practice.Source`. It reads the annotations at once, and no image until it is asked for one.

    Args:
        recipe: `dataset`, `resolution_px`, `train_images`, `test_images`, `batch_size`, `augment`, `channels_last`.
        streams: of the trial.

    Raises:
        DataError: the data set is missing or damaged; the file is named.
    """

    def __init__(self, recipe: DetectRecipe, streams: Streams) -> None:
        self.info = describe_for("detect", recipe.dataset)
        self.root = get_path(recipe.dataset)
        number = streams.number("subset")
        self.train = choose_images(read_split(self.root, train=True), recipe.train_images, number)
        self.test = choose_images(read_split(self.root, train=False), recipe.test_images, 0)
        if self.train.categories != self.test.categories:
            raise DataError(f"{self.test.file} lists other categories than {self.train.file}; they must be the same")
        if not len(self.test.boxes):
            raise DataError(f"there is no object in the {len(self.test)} test images of {self.test.file}; take more")
        self.order = Order(Streams(streams.seed), len(self.train), recipe.batch_size)
        self.short_px = recipe.resolution_px or self.info.resolution_px
        self._recipe, self._streams = recipe, streams
        self._next: tuple[int, slice] | None = None
        self._pictures: Generator[list[Tensor], None, None] | None = None

    def batch(self, step: int, part: slice = WHOLE) -> Batch:
        """The training images of a step, at those places of its batch, mirrored by a draw of their own."""
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
        """The test images in their order; a batch has images of one size, so that none depends on its neighbours."""
        self.close()
        sizes = fitted_sizes(self.test, self.short_px)
        groups = [list(group) for _, group in groupby(range(len(sizes)), key=sizes.__getitem__)]
        pieces = [group[at : at + TEST_BATCH] for group in groups for at in range(0, len(group), TEST_BATCH)]
        for indices, images in zip(pieces, self._read_pieces(pieces), strict=True):
            yield EvalBatch(self._inputs(images), indices, sizes[indices[0]])

    def ready(self, train: bool) -> Iterator[None]:
        """Read the images that are held; yields after each."""
        split = self.train if train else self.test
        if self._is_held(split):
            for index in range(len(split)):
                hold(split, index, self.short_px)
                yield

    def close(self) -> None:
        """End the processes that decode, if any do."""
        if self._pictures is not None:
            self._pictures.close()
        self._pictures = None

    def _example(self, image: Tensor, index: int, is_mirrored: bool) -> tuple[Tensor, Objects]:
        objects = find_fitted(self.train, index, self.short_px)
        return mirror(image, objects) if is_mirrored else (image, objects)

    def _read_step(self, step: int, part: slice) -> list[Tensor]:
        """The images of a step; where they are decoded, those of the steps behind it are begun."""
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
    """Images of a split that are decoded in other processes; an item is a batch of them."""

    def __init__(self, split: Annotations, short_px: int) -> None:
        self.split, self.short_px = split, short_px

    def __getitem__(self, request: Request) -> list[Tensor] | str:
        """Images (3, h, w) of uint8; or what is wrong with a file, which a process can say so."""
        try:
            return [read_fitted(self.split, index, self.short_px) for index in request[0]]
        except DataError as error:
            return str(error)


def read_split(root: Path, *, train: bool) -> Annotations:
    """The annotations of a split; the same object each time, until the file changes.

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
    """So many of the images, drawn under a number and kept in their order; all for 0.

    Raises:
        DataError: there are fewer.
    """
    if not count:
        return split
    if count > len(split):
        raise DataError(f"{count:,} images were asked for, {split.file} lists {len(split):,}; 0 takes all")
    return split.take(np.sort(choose(len(split), count, torch.Generator().manual_seed(number)).numpy()))


def fitted_sizes(split: Annotations, short_px: int) -> list[tuple[int, int]]:
    """Height and width of each image at the size at which it is trained on."""
    return [fitted_size(height, width, short_px) for height, width in split.sizes.tolist()]


@lru_cache(maxsize=4)
def count_bytes(split: Annotations, short_px: int) -> int:
    """What the images of a split take in memory at the size at which they are trained on."""
    return sum(3 * height * width for height, width in fitted_sizes(split, short_px))


_shelves: dict[tuple[Path, int], dict[int, Tensor]] = {}
"""Folder and `resolution_px` -> id -> image; one for all trials of a process, as `data.load` has it."""
SHELVES = 2
"""The training and the test images of one set; those of the set before go."""


def hold(split: Annotations, index: int, short_px: int) -> Tensor:
    """An image, (3, h, w) of uint8, read at the first call.

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
