"""Augmentation of street scenes and their labels: scaling, cropping, mirroring. Shapes: an image has H x W pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from ablate.tasks.segment.metrics import IGNORED

SCALES = (0.5, 2.0)
"""Minimum and maximum scale."""
DRAWS = 4
"""Random numbers per image, for any augmentation."""

Example = tuple[Tensor, Tensor]
"""An image (3, H, W) of uint8 and the train id of each pixel, (H, W) of uint8."""


class Cut(NamedTuple):
    """A crop of a scaled scene.

    Attributes:
        height: height in pixels.
        width: width in pixels.
        fill: (3,) of uint8, the byte of each channel outside of the scene.
    """

    height: int
    width: int
    fill: Tensor


def mirror(example: Example, draws: Tensor) -> Example:
    """Mirror the example left to right with probability 1/2, by the last of its draws, (4,) of [0, 1)."""
    image, labels = example
    return (image.flip(-1), labels.flip(-1)) if draws[3] < 0.5 else example


def scale_and_cut(example: Example, draws: Tensor, cut: Cut) -> Example:
    """Scale the example and crop it.

    Args:
        example: image and labels of any size.
        draws: (4,) of [0, 1); the first three determine the scale, uniform in 0.5 to 2, and the position of the crop.
        cut: the crop. If the scaled scene is smaller, pixels at the right and at the bottom are filled and ignored.
    """
    image, labels = example
    factor = SCALES[0] + float(draws[0]) * (SCALES[1] - SCALES[0])
    image, labels = resize_both(example, [max(round(side * factor), 1) for side in labels.shape])
    image, labels = _pad(image, labels, cut)
    spare = [have - wanted for have, wanted in zip(labels.shape, (cut.height, cut.width), strict=True)]
    top, left = (int(float(draw) * (room + 1)) for draw, room in zip(draws[1:3], spare, strict=True))
    place = slice(top, top + cut.height), slice(left, left + cut.width)
    return image[:, *place], labels[place]


def resize_both(example: Example, size: list[int]) -> Example:
    """Resize the image (bilinear, antialiased) and the labels (nearest).

    Args:
        example: image and labels.
        size: height and width in pixels.
    """
    image, labels = example
    if list(labels.shape) == size:
        return example
    nearest = InterpolationMode.NEAREST_EXACT
    return resize(image, size, antialias=True), resize(labels[None], size, interpolation=nearest)[0]


def _pad(image: Tensor, labels: Tensor, cut: Cut) -> Example:
    height, width = labels.shape
    below, right = max(cut.height - height, 0), max(cut.width - width, 0)
    if not below and not right:
        return image, labels
    whole = cut.fill[:, None, None].expand(3, height + below, width + right).clone()
    whole[:, :height, :width] = image
    return whole, F.pad(labels, (0, right, 0, below), value=IGNORED)


def draw(number: int) -> Tensor:
    """The draws of an image, (4,) of [0, 1).

    Args:
        number: number of the image's random stream.
    """
    return torch.rand(DRAWS, generator=torch.Generator().manual_seed(number))
