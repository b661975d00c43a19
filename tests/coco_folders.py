"""Small COCO folders: a bright object in the left part of each image, on a dark background of noise."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

OBJECT = 1
"""Label of the objects."""
CATEGORIES = ("person", "stop sign")


def put_coco(
    root: Path,
    sizes: Sequence[tuple[int, int]],
    *,
    crowd_in: Collection[int] = (),
    splits: Sequence[str] = ("train", "val"),
    categories: Sequence[str] = CATEGORIES,
) -> None:
    """Write or replace a folder with `annotations/`, `train2017/` and `val2017/` of the same images.

    Args:
        root: the folder.
        sizes: width and height of each image; ids count from 1.
        crowd_in: ids of the images that hold a group of category 0 besides.
        splits: which are written.
        categories: their names; ids are 1, 11, 21, ...
    """
    for split in splits:
        folder = root / f"{split}2017"
        folder.mkdir(parents=True, exist_ok=True)
        (root / "annotations").mkdir(exist_ok=True)
        document: dict[str, Any] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": 10 * place + 1, "name": name} for place, name in enumerate(categories)],
        }
        for image_id, (width, height) in enumerate(sizes, start=1):
            name = f"{image_id:012d}.jpg"
            box = [width // 8, height // 4, width // 4, height // 3]
            pixels = np.random.default_rng(image_id).integers(0, 60, (height, width, 3), dtype=np.uint8)
            pixels[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = 255
            Image.fromarray(pixels).save(folder / name, quality=95)
            document["images"].append({"id": image_id, "file_name": name, "width": width, "height": height})
            document["annotations"].append(_annotation(image_id, 10 * OBJECT + 1, box, 0))
            if image_id in crowd_in:
                document["annotations"].append(_annotation(image_id, 1, [0, 0, width, height], 1, 1000))
        (root / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(document))


def _annotation(image_id: int, category_id: int, box: list[int], is_crowd: int, shift: int = 0) -> dict[str, Any]:
    return {
        "id": image_id + shift, "image_id": image_id, "category_id": category_id, "bbox": box,
        "area": box[2] * box[3], "iscrowd": is_crowd,
    }  # fmt: skip
