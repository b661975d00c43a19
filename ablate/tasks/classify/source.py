"""Sources of batches for `classify`: images in the device's memory, or files that are decoded during training.

Both have the same interface: the batch of a step, or the part of it that a rank trains on, and the batches of the test
set. A batch is inputs (B, 3, S, S) of float, normalised, on the device, and labels (B,) of int64.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from ablate.data.datasets import describe, pin
from ablate.data.info import DatasetInfo
from ablate.recipes.classify import ClassifyRecipe
from ablate.tasks.classify.limits import STREAMED, check_data
from ablate.training import practice
from ablate.training.determinism import Order, Streams
from ablate.training.images.augment import augment, to_float
from ablate.training.images.data import ImageSet, load, subset
from ablate.training.images.decoded import choose_files, find_decoded, in_pieces
from ablate.training.images.streamed import EVAL_SCALE, Images, centre_crop, decode, random_crop, steps_from

Batch = tuple[Tensor, Tensor]
WHOLE = slice(None)
TEST_BATCH = 500
TEST_BATCH_STREAMED = 100


class ImageSource(practice.Source, Protocol):
    """Source of labelled images.

    Attributes:
        info: description of the data set.
    """

    info: DatasetInfo

    def batch(self, step: int, part: slice = WHOLE) -> Batch:
        """The training images of a step, augmented.

        Args:
            step: number of the step, from 0. Any order is allowed; ascending order is fastest.
            part: positions in the batch; the augmentation of an image does not depend on it.

        Raises:
            DataError: a file is missing or damaged; the message names it.
        """

    def test_batches(self) -> Iterator[Batch]:
        """The test images; a subset is the same for every seed, so that all trials are evaluated on the same set."""


def open_source(recipe: ClassifyRecipe, streams: Streams) -> ImageSource:
    """Open the source of a recipe's batches. It starts no process before the first batch.

    Raises:
        DataError: the data set is unknown, missing or damaged, has fewer images than requested, or cannot be used with
            this recipe.
    """
    check_data(recipe)
    return (Streamed if recipe.augment == STREAMED else InMemory)(recipe, streams)


class InMemory:
    """Images in the device's memory, as bytes.

    Args:
        recipe: recipe of the trial.
        streams: random streams of the trial.
    """

    def __init__(self, recipe: ClassifyRecipe, streams: Streams) -> None:
        self.info = describe(recipe.dataset)
        self.order = Order(streams, recipe.train_images or self.info.train_images, recipe.batch_size)
        self._recipe, self._streams = recipe, streams

    def batch(self, step: int, part: slice = WHOLE) -> Batch:
        """See `ImageSource`. The whole batch is augmented, since an image's draws depend on those of earlier images."""
        index = self.order.at(step)
        generator = self._streams.on_device("augment", step)
        images = augment(self._train.images[index], self._recipe.augment, generator)
        return self._inputs(images[part]), self._train.labels[index][part]

    def test_batches(self) -> Iterator[Batch]:
        """See `ImageSource`."""
        test = self._load(train=False)
        for first in range(0, len(test.labels), TEST_BATCH):
            images, labels = (tensor[first : first + TEST_BATCH] for tensor in (test.images, test.labels))
            yield self._inputs(images), labels

    def ready(self, train: bool) -> Iterator[None]:
        """See `ImageSource`."""
        if self.info.is_folder:
            yield from find_decoded(self._recipe, train, self._streams).pieces()

    def close(self) -> None:
        """Do nothing: there are no processes."""

    @cached_property
    def _train(self) -> ImageSet:
        return self._load(train=True)

    def _load(self, *, train: bool) -> ImageSet:
        """The images; a training subset depends on the seed, a test subset does not."""
        recipe, streams = self._recipe, self._streams
        if self.info.is_folder:
            return find_decoded(recipe, train, streams).image_set()
        images = load(recipe.dataset, train, streams.device)
        count, number = (recipe.train_images, streams.number("subset")) if train else (recipe.test_images, 0)
        return subset(images, count, torch.Generator().manual_seed(number)) if count else images

    def _inputs(self, images: Tensor) -> Tensor:
        recipe = self._recipe
        return to_float(images, self.info, recipe.resolution_px, recipe.channels_last, recipe.input_norm)


class Streamed:
    """Files that worker processes decode, each with its own random crop.

    Args:
        recipe: recipe of the trial.
        streams: random streams of the trial.
    """

    def __init__(self, recipe: ClassifyRecipe, streams: Streams) -> None:
        self.info = describe(recipe.dataset)
        self._recipe, self._streams = recipe, streams
        on_cpu = Streams(streams.seed)
        side = recipe.resolution_px or self.info.resolution_px
        files = choose_files(pin(recipe.dataset), True, recipe.train_images, on_cpu.number("subset"))
        self.order = Order(on_cpu, len(files), recipe.batch_size)
        self._train = Images(files, random_crop(side), on_cpu)
        self._side = side
        self._next: tuple[int, slice] | None = None
        self._batches: Generator[Batch, None, None] | None = None

    def batch(self, step: int, part: slice = WHOLE) -> Batch:
        """See `ImageSource`. The following steps are decoded in advance."""
        batches = self._batches
        if batches is None or self._next != (step, part):
            self.close()
            requests = steps_from(step, lambda one: self.order.at(one).tolist(), self.order.size, part)
            self._batches = batches = decode(self._train, requests, self._processes, pin=self._on_gpu)
        images, labels = next(batches)
        self._next = step + 1, part
        return self._inputs(images, labels)

    def test_batches(self) -> Iterator[Batch]:
        """See `ImageSource`."""
        self.close()
        files = choose_files(pin(self._recipe.dataset), False, self._recipe.test_images, 0)
        images = Images(files, centre_crop(self._side, EVAL_SCALE), self.order.streams)
        requests = in_pieces(0, len(files), TEST_BATCH_STREAMED)
        for batch in decode(images, requests, self._processes, pin=self._on_gpu):
            yield self._inputs(*batch)

    def ready(self, train: bool) -> Iterator[None]:
        """Do nothing: images are decoded during training."""
        del train
        return iter(())

    def close(self) -> None:
        """End the processes."""
        if self._batches is not None:
            self._batches.close()
        self._batches = None

    @property
    def _on_gpu(self) -> bool:
        return self._streams.device.type == "cuda"

    @property
    def _processes(self) -> int:
        """Number of decoding processes: the threads of this rank."""
        return torch.get_num_threads()

    def _inputs(self, images: Tensor, labels: Tensor) -> Batch:
        device, recipe = self._streams.device, self._recipe
        images, labels = (tensor.to(device, non_blocking=True) for tensor in (images, labels))
        return to_float(images, self.info, 0, recipe.channels_last, recipe.input_norm), labels
