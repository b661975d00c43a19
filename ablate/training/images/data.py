"""Image sets that are in a device's memory as a whole: loading them, and taking subsets.

A process reads a set once, for all trials that it trains. Images stay bytes until a batch of them is augmented and
normalised (`ablate.training.images.augment`). Folders of image files: `ablate.training.images.decoded`. Shapes: N
images, C stored channels (1 or 3), side H = W in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ablate.data.datasets import data_root, get_dataset
from ablate.data.info import DatasetInfo
from ablate.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Labelled images on a device.

    Attributes:
        images: (N, C, H, W) of uint8.
        labels: (N,) of int64, from 0 to `info.classes` - 1.
        info: description of the data set; its sizes are those of the whole set.
    """

    images: Tensor
    labels: Tensor
    info: DatasetInfo


def load(name: str, train: bool, device: torch.device | str = "cpu") -> ImageSet:
    """Load the training or test images of a data set; cached within a process.

    Args:
        name: as in a recipe's `dataset`.
        train: training set or test set.
        device: device of the tensors.

    Raises:
        DataError: unknown, a folder of image files, missing or damaged; the file is named, and the command that fetches
            it.
    """
    return _load(name, train, torch.device(device), data_root())


def subset(image_set: ImageSet, count: int, generator: torch.Generator) -> ImageSet:
    """Draw images without replacement, in the order of the draws.

    Args:
        image_set: the set to draw from.
        count: how many to draw.
        generator: a generator on the CPU, so that the choice does not depend on the device.

    Raises:
        DataError: the set has fewer than `count` images.
    """
    available = len(image_set.labels)
    if not 0 <= count <= available:
        raise DataError(
            f"{image_set.info.name}: {count} images requested, {available} available; request at most these"
        )
    chosen = choose(available, count, generator).to(image_set.labels.device)
    return ImageSet(image_set.images[chosen], image_set.labels[chosen], image_set.info)


def choose(available: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` of `available` indices without replacement, (count,), in the order of the draws."""
    return torch.randperm(available, generator=generator)[:count]


@cache
def _load(name: str, train: bool, device: torch.device, root: Path) -> ImageSet:
    dataset = get_dataset(name)
    images, labels = map(torch.from_numpy, dataset.open(root, train))
    return ImageSet(images.to(device), labels.to(device), dataset.info)
