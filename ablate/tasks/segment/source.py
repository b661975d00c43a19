"""Source of batches for `segment`: a Cityscapes folder. Scenes are kept in memory if they fit, else decoded.

A batch is inputs (B, 3, H, W) of float, normalised, on the device, and the train id of each pixel, (B, H, W) of int64.
The augmentation of a scene depends only on the seed and on its position in the whole training, in both cases.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ablate.data.datasets import describe, get_path
from ablate.data.info import DatasetInfo
from ablate.errors import DataError
from ablate.recipes.scenes import SegmentRecipe
from ablate.tasks.segment.augment import Cut, Example, draw, mirror, resize_both, scale_and_cut
from ablate.tasks.segment.examples import Pair, list_pairs, read_example
from ablate.tasks.segment.metrics import CLASSES, IGNORED
from ablate.training.determinism import Order, Streams
from ablate.training.images.augment import to_float
from ablate.training.images.data import choose
from ablate.training.images.streamed import Request, decode, steps_from

WHOLE = slice(None)
HELD_LIMIT_BYTES = 2 << 30
"""Maximum size of a split's scenes that are kept in memory; larger ones are decoded during training."""
TEST_PIXELS = 1 << 19
"""Maximum pixels of a test batch; a larger scene is its own batch."""
BYTES_OF_PIXEL = 4
"""Three channels and the train id."""

Batch = tuple[Tensor, Tensor]


class Streets(Dataset[Any]):
    """The scenes of a split for training or testing; an item is a batch of them.

    Args:
        pairs: images and label maps.
        recipe: recipe of the trial; `resolution_px`, `augment` and `crop_px` are read.
        info: description of the data set.
        streams: random streams of the trial, for the augmentation.
    """

    def __init__(self, pairs: Sequence[Pair], recipe: SegmentRecipe, info: DatasetInfo, streams: Streams) -> None:
        self.pairs, self.streams = pairs, streams
        self._recipe, self._info = recipe, info

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of every stored scene, taken from the first."""
        height, width = read_example(self.pairs[0])[1].shape
        return height, width

    @property
    def is_held(self) -> bool:
        """Whether the scenes are kept in memory."""
        return len(self.pairs) * self.size[0] * self.size[1] * BYTES_OF_PIXEL <= HELD_LIMIT_BYTES

    def read(self, index: int) -> Example:
        """A scene at its stored size, from memory if it is kept there.

        Raises:
            DataError: a file is missing or damaged, or has another size than the first; the message names it.
        """
        pair = self.pairs[index]
        shelf = _shelf_of(pair[0].parents[1])
        if pair in shelf:
            return shelf[pair]
        example = read_example(pair)
        if example[1].shape != self.size:
            (height, width), (first_height, first_width) = example[1].shape, self.size
            raise DataError(
                f"{pair[0]} has {width} x {height} px, and {self.pairs[0][0]} {first_width} x {first_height}; all "
                "scenes of a data set must have one size"
            )
        if self.is_held:
            shelf[pair] = example
        return example

    def take(self, request: Request) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) and train ids (B, H, W) of uint8; augmented if the request has a position."""
        indices, place = request
        if place is None:
            shown = [self.read(index) for index in indices]
            size = self._trained_size
            return torch.stack([resize_both(one, size)[0] for one in shown]), torch.stack([one[1] for one in shown])
        examples = [self._augment(self.read(index), place + offset) for offset, index in enumerate(indices)]
        return torch.stack([image for image, _ in examples]), torch.stack([labels for _, labels in examples])

    def __getitem__(self, request: Request) -> tuple[Tensor, Tensor] | str:
        """A batch as in `take`, or a text with the error of a file."""
        try:
            return self.take(request)
        except DataError as error:
            return str(error)

    def _augment(self, example: Example, place: int) -> Example:
        example = resize_both(example, self._trained_size)
        if self._recipe.augment == "none":
            return example
        draws = draw(self.streams.number("augment", place))
        if self._recipe.augment == "scale_crop_flip":
            example = scale_and_cut(example, draws, self._cut)
        return mirror(example, draws)

    @cached_property
    def _trained_size(self) -> list[int]:
        """Height and width of scenes at training size: `resolution_px` is the shorter side."""
        side = self._recipe.resolution_px or min(self.size)
        return [round(own * side / min(self.size)) for own in self.size]

    @cached_property
    def _cut(self) -> Cut:
        height, width = [self._recipe.crop_px] * 2 if self._recipe.crop_px else self._trained_size
        return Cut(height, width, torch.tensor([round(255 * mean) for mean in self._info.mean], dtype=torch.uint8))


_shelves: dict[Path, dict[Pair, Example]] = {}
"""Folder of a split -> files -> scene; shared by all trials of a process."""
SHELVES = 2
"""Number of cached splits: training and test scenes of one data set."""


def _shelf_of(folder: Path) -> dict[Pair, Example]:
    if folder not in _shelves:
        while len(_shelves) >= SHELVES:
            _shelves.pop(next(iter(_shelves)))
        _shelves[folder] = {}
    return _shelves[folder]


class StreetSource:
    """Source of scenes, see `ablate.training.practice.Source`. It lists the files immediately and reads none.

    Args:
        recipe: recipe of the trial.
        streams: random streams of the trial.

    Raises:
        DataError: the data set is missing or damaged; the message names the file.
    """

    def __init__(self, recipe: SegmentRecipe, streams: Streams) -> None:
        self.info = describe(recipe.dataset)
        root, on_cpu = get_path(recipe.dataset), Streams(streams.seed)
        train, test = (list_pairs(root, train=train) for train in (True, False))
        number = streams.number("subset")
        self.train = Streets(choose_pairs(train, recipe.train_images, number), recipe, self.info, on_cpu)
        self.test = Streets(choose_pairs(test, recipe.test_images, 0), recipe, self.info, on_cpu)
        self.order = Order(on_cpu, len(self.train.pairs), recipe.batch_size)
        self._recipe, self._streams = recipe, streams
        self._next: tuple[int, slice] | None = None
        self._decoded: Generator[Batch, None, None] | None = None

    def batch(self, step: int, part: slice = WHOLE) -> Batch:
        """The training scenes of a step at these positions of its batch, each augmented randomly."""
        requests = steps_from(step, lambda one: self.order.at(one).tolist(), self.order.size, part)
        if self.train.is_held:
            return self._inputs(self.train.take(next(requests)))
        if self._decoded is None or self._next != (step, part):
            self.close()
            self._decoded = self._decode(self.train, requests)
        self._next = step + 1, part
        return self._inputs(next(self._decoded))

    def test_batches(self) -> Iterator[Batch]:
        """The test scenes in order; train ids have the stored size for any `resolution_px`."""
        self.close()
        size = max(TEST_PIXELS // (self.test.size[0] * self.test.size[1]), 1)
        total = len(self.test.pairs)
        requests: list[Request] = [(list(range(at, min(at + size, total))), None) for at in range(0, total, size)]
        batches = map(self.test.take, requests) if self.test.is_held else self._decode(self.test, iter(requests))
        yield from map(self._inputs, batches)

    def ready(self, train: bool) -> Iterator[None]:
        """Read the scenes that are kept in memory; yields after each."""
        streets = self.train if train else self.test
        for index in range(len(streets.pairs) if streets.is_held else 0):
            streets.read(index)
            yield

    def close(self) -> None:
        """End the decoding processes, if any."""
        if self._decoded is not None:
            self._decoded.close()
        self._decoded = None

    def find_trained(self) -> Tensor:
        """Whether each class occurs in the training scenes, (K,) of bool; all true if scenes are not in memory."""
        if not self.train.is_held:
            return torch.ones(len(CLASSES), dtype=torch.bool)
        counts = torch.zeros(IGNORED + 1, dtype=torch.int64)
        for index in range(len(self.train.pairs)):
            counts += torch.bincount(self.train.read(index)[1].flatten(), minlength=IGNORED + 1)
        return counts[: len(CLASSES)] > 0

    def _decode(self, streets: Streets, requests: Iterator[Request]) -> Generator[Batch, None, None]:
        return decode(streets, requests, torch.get_num_threads(), pin=self._streams.device.type == "cuda")

    def _inputs(self, batch: Batch) -> Batch:
        images, labels = (tensor.to(self._streams.device, non_blocking=True) for tensor in batch)
        norm = self._recipe.backbone.input_norm if self._recipe.backbone else "dataset"
        return to_float(images, self.info, 0, self._recipe.channels_last, norm), labels.long()


def choose_pairs(pairs: Sequence[Pair], wanted: int, number: int) -> Sequence[Pair]:
    """Choose a random subset of the scenes, in their original order.

    Args:
        pairs: images and label maps.
        wanted: number of scenes; 0 for all.
        number: seed of the generator.

    Raises:
        DataError: there are fewer scenes.
    """
    if not wanted:
        return pairs
    if wanted > len(pairs):
        raise DataError(f"{wanted:,} images requested, {pairs[0][0].parents[1]} has {len(pairs):,}; 0 takes all")
    chosen = choose(len(pairs), wanted, torch.Generator().manual_seed(number)).sort().values
    return [pairs[index] for index in chosen.tolist()]
