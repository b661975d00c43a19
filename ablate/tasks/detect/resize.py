"""Images of a COCO folder and their objects at training size, and batches of them.

The shorter side is `resolution_px`, the longer side at most 5/3 of it (COCO's 800 and 1333 pixels). Images of a batch
are padded at the right and at the bottom to one size, a multiple of the coarsest stride of our networks. Shapes: B
images, H x W pixels after padding, h x w before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from ablate.tasks.detect.annotations import Annotations
from ablate.tasks.detect.examples import Objects, find_objects, read_example

LONGEST = 1333 / 800
"""Maximum length of the longer side, as a multiple of `resolution_px`."""
PAD_TO = 32
"""Sides of a padded batch are multiples of this."""


def fitted_size(height: int, width: int, short_px: int) -> tuple[int, int]:
    """Height and width of a resized image in pixels.

    Args:
        height: height of the stored image.
        width: width of the stored image.
        short_px: length of the shorter side; 0 keeps the stored size.
    """
    if not short_px:
        return height, width
    scale = min(short_px / min(height, width), short_px * LONGEST / max(height, width))
    return max(round(height * scale), 1), max(round(width * scale), 1)


def read_fitted(annotations: Annotations, index: int, short_px: int) -> Tensor:
    """Read and resize an image, (3, h, w) of uint8, antialiased.

    Raises:
        DataError: see `read_example`.
    """
    image, _ = read_example(annotations, index)
    size = fitted_size(image.shape[1], image.shape[2], short_px)
    resized: Tensor = functional.resize(image, list(size), antialias=True) if size != image.shape[1:] else image
    return resized


def find_fitted(annotations: Annotations, index: int, short_px: int) -> Objects:
    """The objects in a resized image, boxes in its pixels. Groups (crowds) are dropped, as in COCO's own training."""
    found = find_objects(annotations, index)
    height, width = annotations.sizes[index].tolist()
    fitted = fitted_size(height, width, short_px)
    single = ~found.is_crowd
    scale = torch.tensor([fitted[1] / width, fitted[0] / height] * 2, dtype=torch.float32)
    return Objects(
        found.image_id, found.boxes[single] * scale, found.labels[single], found.areas[single], found.is_crowd[single]
    )


def mirror(image: Tensor, objects: Objects) -> tuple[Tensor, Objects]:
    """Mirror an image, (3, h, w), and its objects left to right."""
    left, top, right, bottom = objects.boxes.unbind(1)
    width = image.shape[2]
    boxes = torch.stack((width - right, top, width - left, bottom), dim=1)
    return image.flip(2), replace(objects, boxes=boxes)


def stack(
    images: Sequence[Tensor],
    mean: Sequence[float],
    std: Sequence[float],
    *,
    channels_last: bool,
    cover: tuple[int, int] = (0, 0),
) -> Tensor:
    """Normalise images (3, h, w) of uint8 and pad them with zeros into a network's input, (B, 3, H, W) of float32.

    Args:
        images: images of a batch, or of a part of it.
        mean: mean of each channel, in units of 255.
        std: standard deviation of each channel, in units of 255.
        channels_last: memory format of the result.
        cover: minimum height and width; for a part of a batch, those of the whole batch.
    """
    height, width = (
        -(-max(cover[axis], *(image.shape[1 + axis] for image in images)) // PAD_TO) * PAD_TO for axis in (0, 1)
    )
    layout = torch.channels_last if channels_last else torch.contiguous_format
    device = images[0].device
    shift = torch.tensor(mean, device=device).view(-1, 1, 1) * 255
    scale = 1 / (torch.tensor(std, device=device).view(-1, 1, 1) * 255)
    batch = torch.zeros(len(images), 3, height, width, device=device).contiguous(memory_format=layout)
    for place, image in zip(batch, images, strict=True):
        place[:, : image.shape[1], : image.shape[2]] = (image - shift) * scale
    return batch
