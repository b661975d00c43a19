"""Garments of Fashion-MNIST, cut out of their black background.

Training scenes use the training images, validation scenes the test images. The two sets share no image (compared byte
by byte: none of the 10,000 is among the 60,000).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ablate.data.fashion_mnist import read_idx

GROUND = 24
"""Grey values up to this one, of 255, are background: the black around a garment is not always 0."""
LARGEST_HOLE = 24
"""Size in pixels up to which a hole in a garment is a pale part of it; a larger one is a hole (a bag's handle)."""
CLOSED = 2
"""Rows of background with garment above and below that are a pale stripe of the garment."""
SMALLEST_PART = 6
"""Size in pixels from which a component of the mask is not a speck."""


@dataclass(frozen=True, slots=True)
class GarmentKind:
    """A kind of garment with its own outline; coats, pullovers and shirts look too similar to be separate kinds.

    Attributes:
        name: name of the category in the COCO folder.
        labels: labels in Fashion-MNIST.
        city_label: label id in the Cityscapes tree.
    """

    name: str
    labels: tuple[int, ...]
    city_label: int


KINDS = (
    GarmentKind("top", (0, 2, 4, 6), 24),  # T-shirt, pullover, coat, shirt: person
    GarmentKind("trouser", (1,), 17),  # pole
    GarmentKind("dress", (3,), 25),  # rider
    GarmentKind("shoe", (5, 7, 9), 26),  # sandal, sneaker, ankle boot: car
    GarmentKind("bag", (8,), 20),  # traffic sign
)


@dataclass(frozen=True, slots=True, eq=False)
class Garment:
    """One garment, cropped to its bounding box.

    Attributes:
        grey: (h, w) of uint8.
        is_garment: (h, w) of bool.
    """

    grey: NDArray[np.uint8]
    is_garment: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Wardrobe:
    """The garments to choose from.

    Attributes:
        images: (N, 28, 28) of uint8.
        of_kind: for each of `KINDS`, the indices of its images.
    """

    images: NDArray[np.uint8]
    of_kind: tuple[NDArray[np.int64], ...]

    def draw(self, kind: int, rng: np.random.Generator) -> Garment:
        """A random garment of a kind."""
        indices = self.of_kind[kind]
        return cut_out(self.images[indices[rng.integers(len(indices))]])


def read_wardrobe(folder: Path, train: bool) -> Wardrobe:
    """The training or test images of Fashion-MNIST.

    Args:
        folder: folder of its files, which are known to be intact (`ablate.data.datasets.get_path`).
        train: training images or test images.
    """
    images, labels = read_idx(folder, train)
    of_kind = tuple(np.flatnonzero(np.isin(labels, kind.labels)) for kind in KINDS)
    return Wardrobe(images, of_kind)


def cut_out(image: NDArray[np.uint8]) -> Garment:
    """The garment of an image, without specks, and with its pale stripes and spots filled."""
    is_garment = ndimage.binary_closing(np.pad(image > GROUND, CLOSED), np.ones((CLOSED + 1, 1)))
    is_garment = _without_small(is_garment[CLOSED:-CLOSED, CLOSED:-CLOSED], SMALLEST_PART)
    is_garment = ~_without_small(np.pad(~is_garment, 1, constant_values=True), LARGEST_HOLE + 1)[1:-1, 1:-1]
    if not is_garment.any():  # an image with nothing but specks
        is_garment = image >= image.max()
    rows, columns = np.flatnonzero(is_garment.any(axis=1)), np.flatnonzero(is_garment.any(axis=0))
    place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Garment(image[place], is_garment[place])


def _without_small(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """A mask without its connected components of fewer than `least` pixels."""
    parts, _ = ndimage.label(mask)
    is_large = np.bincount(parts.ravel()) >= least
    is_large[0] = False  # the pixels outside the mask
    return np.asarray(is_large[parts])
