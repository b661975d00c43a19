"""Street scenes scaled, cut and mirrored, labels with them. Shapes: an image has H x W pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from ablate.tasks.segment.metrics import IGNORED

SCALES = (0.5, 2.0)
DRAWS = 4
"""Numbers that an image draws, whatever is made of them."""

Example = tuple[Tensor, Tensor]
"""An image (3, H, W) of uint8 and the train id of each pixel, (H, W) of uint8."""


class Cut(NamedTuple):
    """What is cut from a scaled scene: its size, and the byte of each channel, (3,), that fills what lies beside."""

    height: int
    width: int
    fill: Tensor


def mirror(example: Example, draws: Tensor) -> Example:
    """The example mirrored left to right with probability 1/2, by the last of its draws."""
    image, labels = example
    return (image.flip(-1), labels.flip(-1)) if draws[3] < 0.5 else example


def scale_and_cut(example: Example, draws: Tensor, cut: Cut) -> Example:
    """The example at another scale, and a part of it.

    Args:
        example: of any size.
        draws: (4,) of [0, 1); the first three are the scale, uniform in 0.5 to 2, and the place of the cut.
        cut: its size. Where the scaled scene is smaller, what lies right of it and below is ignored.
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
    """Image bilinear and antialiased, labels by the nearest."""
    image, labels = example
    if list(labels.shape) == size:
        return example
    nearest = InterpolationMode.NEAREST_EXACT
    return resize(image, size, antialias=True), resize(labels[None], size, interpolation=nearest)[0]


def _pad(image: Tensor, labels: Tensor, cut: Cut) -> Example:
    height, width = labels.shape
    below, beside = max(cut.height - height, 0), max(cut.width - width, 0)
    if not below and not beside:
        return image, labels
    whole = cut.fill[:, None, None].expand(3, height + below, width + beside).clone()
    whole[:, :height, :width] = image
    return whole, F.pad(labels, (0, beside, 0, below), value=IGNORED)


def draw(number: int) -> Tensor:
    """An image's draws, (4,) of [0, 1), from the number of its stream."""
    return torch.rand(DRAWS, generator=torch.Generator().manual_seed(number))
