"""Annotations in COCO's format as arrays: the objects in the images of a split. Does not import torch.

faster-coco-eval, which has COCO's own interface, reads the file. Shapes: I images, A annotations, K categories.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval import COCO
from numpy.typing import NDArray

from ablate.data.regular_files import read_regular
from ablate.errors import DataError

SPLITS = {True: "train2017", False: "val2017"}
MAX_BYTES = 1 << 29
"""Of an annotation file; COCO's largest has 448 MiB."""
MAX_NAME_BYTES = 1024
SHAPE_ERRORS = (AssertionError, AttributeError, LookupError, TypeError, ValueError, OverflowError)
"""What a JSON document of another shape raises where it is indexed."""


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """The images of a split and their objects, as arrays for the reason given in `ablate.data.class_folders.Files`.

    Attributes:
        folder: folder of the images.
        file: annotation file.
        categories: (K,) names in the order of their ids in the file; a label is an index into it.
        category_ids: (K,) ids in the file, which may have gaps.
        image_ids: (I,) of int64, ascending.
        names: (I,) of bytes, paths relative to `folder`.
        sizes: (I, 2) of int64, height and width in pixels.
        starts: (I + 1,) of int64; the annotations of image i are those from `starts[i]` to `starts[i + 1]`.
        boxes: (A, 4) of float64, left, top, width and height in pixels, as in the file.
        labels: (A,) of int64, 0 .. K - 1.
        areas: (A,) of float64, pixels of the mask.
        is_crowd: (A,) of bool, whether it is a group of objects annotated as one.
    """

    folder: Path
    file: Path
    categories: tuple[str, ...]
    category_ids: tuple[int, ...]
    image_ids: NDArray[np.int64]
    names: NDArray[np.bytes_]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    is_crowd: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.image_ids)

    def path(self, index: int) -> str:
        """Path of an image."""
        return str(self.folder / os.fsdecode(bytes(self.names[index])))

    def of(self, index: int) -> slice:
        """Positions of the annotations of an image."""
        return slice(int(self.starts[index]), int(self.starts[index + 1]))

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Annotations:
        """The annotations of these images, in this order."""
        chosen = np.asarray(indices, dtype=np.int64)
        places = np.concatenate([np.arange(self.starts[i], self.starts[i + 1]) for i in chosen] or [chosen])
        starts = np.concatenate([[0], np.cumsum(self.starts[chosen + 1] - self.starts[chosen])])
        return Annotations(
            self.folder, self.file, self.categories, self.category_ids, self.image_ids[chosen], self.names[chosen],
            self.sizes[chosen], starts, self.boxes[places], self.labels[places], self.areas[places],
            self.is_crowd[places],
        )  # fmt: skip


def read_annotations(root: Path, train: bool) -> Annotations:
    """Read the annotations of a split of a COCO folder, including images without annotations.

    Args:
        root: folder with `annotations/instances_train2017.json`, `train2017/`, and the same of `val2017`.
        train: training or validation split.

    Raises:
        DataError: the file is missing, is not JSON or not in COCO's format, or has no annotations; an annotation has no
            box or refers to an image or category that the file does not list; an image is missing.
    """
    split = SPLITS[train]
    file, folder = root / "annotations" / f"instances_{split}.json", root / split
    document = _read_json(file)
    try:
        coco = _index(file, document)
        _check_references(file, coco)
        _check_boxes(file, coco.dataset["annotations"])
        found = _as_arrays(folder, file, coco)
    except SHAPE_ERRORS as error:
        raise DataError(f"{file} is not in COCO's format: {type(error).__name__} {error}") from error
    _check_images(found)
    return found


def _as_arrays(folder: Path, file: Path, coco: COCO) -> Annotations:
    image_ids, category_ids = sorted(coco.imgs), sorted(coco.cats)
    images = [coco.imgs[image_id] for image_id in image_ids]
    of_images = [coco.imgToAnns.get(image_id, []) for image_id in image_ids]
    listed = [annotation for annotations in of_images for annotation in annotations]
    label_of = {category_id: label for label, category_id in enumerate(category_ids)}
    return Annotations(
        folder=folder,
        file=file,
        categories=tuple(str(coco.cats[category_id]["name"]) for category_id in category_ids),
        category_ids=tuple(category_ids),
        image_ids=np.array(image_ids, dtype=np.int64),
        names=np.array([_name_of(image) for image in images], dtype=np.bytes_),
        sizes=np.array([(image["height"], image["width"]) for image in images], dtype=np.int64),
        starts=np.cumsum([0, *map(len, of_images)], dtype=np.int64),
        boxes=np.array([one["bbox"] for one in listed], dtype=np.float64),
        labels=np.array([label_of[one["category_id"]] for one in listed], dtype=np.int64),
        areas=np.array([one["area"] for one in listed], dtype=np.float64),
        is_crowd=np.array([one.get("iscrowd", 0) for one in listed], dtype=np.bool_),
    )


def _name_of(image: Mapping[str, Any]) -> bytes:
    """The name of an image's file; the array of all names has the width of the longest."""
    name = os.fsencode(image["file_name"])
    if len(name) > MAX_NAME_BYTES:
        raise ValueError(f"file_name of image {image['id']} has {len(name):,} bytes; allowed: {MAX_NAME_BYTES:,}")
    return name


def _read_json(file: Path) -> Any:
    content, _ = read_regular(file, file.parent, MAX_BYTES)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON: {error}" if content else f"{file} is empty") from error


def _index(file: Path, document: Any) -> COCO:
    coco = COCO(document)
    for section in ("images", "annotations", "categories"):
        if not coco.dataset.get(section):
            raise DataError(f"{file} lists no {section}; COCO's format has images, annotations and categories")
    return coco


def _check_references(file: Path, coco: COCO) -> None:
    if strange := sorted(coco.imgToAnns.keys() - coco.imgs.keys()):
        annotation = coco.imgToAnns[strange[0]][0]["id"]
        raise DataError(f"{file}: annotation {annotation} refers to image {strange[0]}, which the file does not list")
    if strange := sorted(coco.catToImgs.keys() - coco.cats.keys()):
        annotation = next(one["id"] for one in coco.dataset["annotations"] if one["category_id"] == strange[0])
        known = ", ".join(map(str, sorted(coco.cats)[:24]))
        raise DataError(f"{file}: annotation {annotation} refers to category {strange[0]}; the file lists {known}")


def _check_boxes(file: Path, listed: Sequence[dict[str, Any]]) -> None:
    """Refuse boxes that are not four finite numbers, the last two at least 0. COCO has a few of size 0."""
    for one in listed:
        try:
            left, top, width, height = map(float, one["bbox"])
            is_box = all(map(math.isfinite, (left, top, width, height))) and min(width, height) >= 0
        except (KeyError, TypeError, ValueError, OverflowError):
            is_box = False
        if not is_box:
            given = repr(one.get("bbox"))[:60]
            raise DataError(f"{file}: annotation {one['id']} has bbox {given}; expected: left, top, width, height")


def _check_images(found: Annotations) -> None:
    try:
        there = {os.fsencode(entry.name) for entry in os.scandir(found.folder)}
    except OSError as error:
        raise DataError(f"{found.folder} cannot be listed: {error.strerror}; {found.file} lists its images") from error
    for index, name in enumerate(found.names.tolist()):
        if name not in there and not Path(found.path(index)).is_file():
            raise DataError(f"{found.path(index)} is missing; {found.file} lists it")
