"""Images and their objects as tensors, from a COCO folder. Shapes: an image has H x W pixels and n objects."""

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
    """Objects in an image.

    Attributes:
        image_id: id of the image in the annotation file.
        boxes: (n, 4) of float32, left, top, right and bottom in pixels, inside the image, with positive width and
            height.
        labels: (n,) of int64, 0 .. K - 1.
        areas: (n,) of float32, pixels of the mask.
        is_crowd: (n,) of bool; groups are not used for training, and COCO's metric ignores detections in them.
    """

    image_id: int
    boxes: Tensor
    labels: Tensor
    areas: Tensor
    is_crowd: Tensor


def read_example(annotations: Annotations, index: int) -> tuple[Tensor, Objects]:
    """Read an image, (3, H, W) of uint8, and its objects.

    Args:
        annotations: annotations of the split.
        index: index of the image.

    Raises:
        DataError: the image is missing, damaged, or not of the annotated size; the message names the file.
    """
    path = annotations.path(index)
    image = read_image(path, annotations.folder)
    height, width = annotations.sizes[index].tolist()
    if image.size != (width, height):
        raise DataError(f"{path} has {image.width} x {image.height} px; {annotations.file} states {width} x {height}")
    return functional.pil_to_tensor(image), find_objects(annotations, index)


def find_objects(annotations: Annotations, index: int) -> Objects:
    """The objects in an image; the image is not read.

    Boxes are clipped to the image. Boxes without width or height are dropped: COCO has a few, nothing can overlap with
    them, and the loss would be infinite. The metric (`ablate.tasks.detect.metrics`) uses all boxes as annotated.

    Args:
        annotations: annotations of the split.
        index: index of the image.
    """
    places = annotations.of(index)
    left_top, extent = annotations.boxes[places, :2], annotations.boxes[places, 2:]
    corners = np.concatenate([left_top, left_top + extent], axis=1)  # (n, 4)
    height, width = annotations.sizes[index].tolist()
    boxes = torch.from_numpy(corners.clip(0, [width, height, width, height])).float()
    has_extent = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    return Objects(
        int(annotations.image_ids[index]),
        boxes[has_extent],
        torch.from_numpy(annotations.labels[places])[has_extent],
        torch.from_numpy(annotations.areas[places]).float()[has_extent],
        torch.from_numpy(annotations.is_crowd[places])[has_extent],
    )
