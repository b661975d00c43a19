"""Images with objects as tensors, from a COCO folder. Shapes: an image has H x W pixels and n objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from ablate.data.images import read_image
from ablate.errors import DataError
from ablate.tasks.detect.annotations import Annotations


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """What is in an image.

    Attributes:
        image_id: of the file.
        boxes: (n, 4) of float32, left, top, right and bottom in pixels, inside the image, each of some extent.
        labels: (n,) of int64, 0 .. K - 1.
        areas: (n,) of float32, pixels of the mask.
        is_crowd: (n,) of bool; COCO's own training leaves groups out, and its metric counts no detection in them.
    """

    image_id: int
    boxes: Tensor
    labels: Tensor
    areas: Tensor
    is_crowd: Tensor


def read_example(annotations: Annotations, index: int) -> tuple[Tensor, Objects]:
    """An image, (3, H, W) of uint8, and what is in it.

    Raises:
        DataError: the image is missing, damaged, or not of the size that is annotated; the file is named.
    """
    path = annotations.path(index)
    image, _ = read_image(path)
    height, width = annotations.sizes[index].tolist()
    if image.size != (width, height):
        raise DataError(f"{path} has {image.width} x {image.height} px; {annotations.file} says {width} x {height}")
    return functional.pil_to_tensor(image), find_objects(annotations, index)


def find_objects(annotations: Annotations, index: int) -> Objects:
    """What is in an image, without reading it.

    Boxes are cut at the image's border. Those of no width or height are left out: COCO has a few, which nothing can
    overlap with, and a loss would be infinite. The metric (`ablate.tasks.detect.metrics`) takes all as they are.
    """
    part = annotations.of(index)
    left_top, extent = annotations.boxes[part, :2], annotations.boxes[part, 2:]
    corners = np.concatenate([left_top, left_top + extent], axis=1)  # (n, 4)
    height, width = annotations.sizes[index].tolist()
    boxes = torch.from_numpy(corners.clip(0, [width, height, width, height])).float()
    has_extent = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    return Objects(
        int(annotations.image_ids[index]),
        boxes[has_extent],
        torch.from_numpy(annotations.labels[part])[has_extent],
        torch.from_numpy(annotations.areas[part]).float()[has_extent],
        torch.from_numpy(annotations.is_crowd[part])[has_extent],
    )
