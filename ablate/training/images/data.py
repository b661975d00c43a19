"""Image sets that lie whole in a device's memory: loading them, and taking subsets.

A set is read once a process, however many trials it trains: images stay bytes until a batch of them is augmented and
normalised (`ablate.training.images.augment`). Those of a folder are `ablate.training.images.decoded`'s. Shapes: N
images, C stored channels (1 or 3), side H = W in pixels.
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
"""Of each class of `digits`, in the order of the file, every fifth image is for testing: writers follow one another."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Labelled images on a device.

    Attributes:
        images: (N, C, H, W) of uint8.
        labels: (N,) of int64, from 0 to `info.classes` - 1.
        info: what is known of the data set; its sizes are those of the whole set.
    """

    images: Tensor
    labels: Tensor
    info: DatasetInfo


def load(name: str, train: bool, device: torch.device | str = "cpu") -> ImageSet:
    """The training or test images of a data set; the same object each time within a process.

    Args:
        name: as in a recipe's `dataset`.
        train: training set or test set.
        device: where they shall lie.

    Raises:
        DataError: unknown, not supported, missing or damaged; the file is named, and the command that fetches it.
    """
    return _load(name, train, torch.device(device), data_root())


def subset(image_set: ImageSet, count: int, generator: torch.Generator) -> ImageSet:
    """Images drawn without replacement, in the order in which they are drawn.

    Args:
        image_set: to draw from.
        count: how many.
        generator: on the CPU, so that the choice does not depend on the device.

    Raises:
        DataError: fewer than `count` are there.
    """
    available = len(image_set.labels)
    if not 0 <= count <= available:
        raise DataError(f"{image_set.info.name}: a subset of {count} images was asked for, {available} are available")
    chosen = choose(available, count, generator).to(image_set.labels.device)
    return ImageSet(image_set.images[chosen], image_set.labels[chosen], image_set.info)


def choose(available: int, count: int, generator: torch.Generator) -> Tensor:
    """Indices of `count` images out of so many, (count,), in the order in which they are drawn."""
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
    """Images and labels of CIFAR by torchvision's reader, which checks every file again.

    Args:
        reader: torchvision's class, or one derived from it.
        root: below which the folder of the data set lies.
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
    """For each image, (N,), whether it is a fifth, tenth, ... one of its class."""
    is_test = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        is_test[np.flatnonzero(labels == label)[DIGITS_TEST_EVERY - 1 :: DIGITS_TEST_EVERY]] = True
    return is_test
