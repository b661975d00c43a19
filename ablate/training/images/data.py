"""Image sets that are completely in a device's memory: loading and subsets.

A set is read once per process, for any number of trials. Images stay bytes until a batch of them is augmented and
normalised (`ablate.training.images.augment`). `ablate.training.images.decoded` reads image folders. Shapes: N images, C
stored channels (1 or 3), side H = W in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ablate.data.datasets import data_root, describe, get_path
from ablate.data.fetch import CIFAR
from ablate.data.info import DatasetInfo
from ablate.errors import DataError

DIGITS_TEST_EVERY = 5
"""Every fifth image per class of `digits`, in file order, is a test image: the file is sorted by writer."""


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
        device: device of the images.

    Raises:
        DataError: the data set is unknown, not supported, missing or damaged; the message has the file and the command
            that downloads it.
    """
    return _load(name, train, torch.device(device), data_root())


def subset(image_set: ImageSet, count: int, generator: torch.Generator) -> ImageSet:
    """Draw images without replacement, in the order of the draws.

    Args:
        image_set: set to draw from.
        count: number of images.
        generator: CPU generator, so that the subset does not depend on the device.

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
    path = get_path(name)
    if name == "digits":
        images, labels = _read_digits(train)
    elif name in CIFAR:
        from torchvision import datasets

        images, labels = read_cifar(getattr(datasets, CIFAR[name]), root, train)
    else:
        images, labels = _read_fashion_mnist(train, root, path)
    return ImageSet(images.to(device), labels.to(device), describe(name))


def read_cifar(reader: Any, root: Path, train: bool) -> tuple[Tensor, Tensor]:
    """Read images and labels of CIFAR with torchvision's reader, which verifies every file.

    Args:
        reader: torchvision's class, or a subclass.
        root: parent of the data set's folder.
        train: training set or test set.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        data = reader(root, train=train, download=False)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
        raise DataError(f"{reader.__name__} in {root / reader.base_folder} cannot be read: {error}") from error
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()  # (N, 3, 32, 32)
    return images, torch.tensor(data.targets, dtype=torch.int64)


def _read_fashion_mnist(train: bool, root: Path, path: Path) -> tuple[Tensor, Tensor]:
    from torchvision.datasets import FashionMNIST  # type: ignore[import-untyped, unused-ignore]

    try:
        data = FashionMNIST(root, train=train, download=False)
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        advice = "run `ablate data fetch fashion-mnist`"
        raise DataError(f"data set 'fashion-mnist' in {path} cannot be read: {error}; {advice}") from error
    return data.data[:, None].contiguous(), data.targets.long()  # (N, 1, 28, 28), (N,)


def _read_digits(train: bool) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

    digits = load_digits()
    chosen = np.flatnonzero(_is_for_testing(digits.target) != train)
    pixels = np.rint(digits.images[chosen] * (255 / 16)).astype(np.uint8)  # stored as 0..16
    return torch.from_numpy(pixels)[:, None], torch.from_numpy(digits.target[chosen]).long()


def _is_for_testing(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each image, (N,), whether it is the fifth, tenth, ... of its class."""
    is_test = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        is_test[np.flatnonzero(labels == label)[DIGITS_TEST_EVERY - 1 :: DIGITS_TEST_EVERY]] = True
    return is_test
