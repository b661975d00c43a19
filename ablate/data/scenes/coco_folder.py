"""Scenes as a COCO folder: `train2017/`, `val2017/`, `annotations/instances_*.json`.

Boxes and areas are those of the visible pixels, as in COCO. Masks are run lengths, which are exact; COCO itself has
polygons for single objects and run lengths for crowds, and its readers accept both everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.data.scenes.compose import Filling, Laid, lay
from ablate.data.scenes.folder import SceneFolder
from ablate.data.scenes.garments import KINDS, Wardrobe
from ablate.data.scenes.recipes import SceneRecipe
from ablate.data.scenes.textures import draw_canvas

FILLING = Filling(most=8, empty_in=25, sizes=((11, 31), (34, 94), (100, 132)), weights=(9, 6, 7))
"""COCO's limits are 32^2 and 96^2 pixels; occlusion moves some garments to the range below."""
FIRST_ID = {True: 1, False: 1_000_001}


def add_scene(
    folder: SceneFolder, document: dict[str, Any], number: int, wardrobe: Wardrobe, rng: np.random.Generator
) -> None:
    """Compose one scene, write its image, and add it to the document of its annotations."""
    recipe, split = document["info"]["recipe"], document["info"]["split"]
    height, width = recipe["height_px"], recipe["width_px"]
    canvas = draw_canvas(rng, height, width)
    laid = lay(canvas, wardrobe, FILLING.draw(rng), rng)
    image_id = FIRST_ID[split == "train"] + number
    name = f"{image_id:012d}.png"
    folder.add_image(f"{split}2017/{name}", canvas.astype(np.uint8))
    document["images"].append({"id": image_id, "file_name": name, "height": height, "width": width, "license": 1})
    for one in laid:
        annotation_id = len(document["annotations"]) + FIRST_ID[split == "train"]
        document["annotations"].append(_annotate(one, image_id, annotation_id))


def begin_document(recipe: SceneRecipe, split: str) -> dict[str, Any]:
    """A document without images and annotations, for `train` or `val`."""
    return {
        "info": {
            "description": "Garments of Fashion-MNIST on textured canvases",
            "split": split,
            "recipe": recipe.model_dump(mode="json"),
        },
        "licenses": [{"id": 1, "name": "MIT", "url": "https://github.com/zalandoresearch/fashion-mnist"}],
        "categories": [
            {"id": number, "name": kind.name, "supercategory": "garment"} for number, kind in enumerate(KINDS, start=1)
        ],
        "images": [],
        "annotations": [],
    }


def _annotate(laid: Laid, image_id: int, annotation_id: int) -> dict[str, Any]:
    rows, columns = np.flatnonzero(laid.visible.any(axis=1)), np.flatnonzero(laid.visible.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": laid.kind + 1,
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "area": int(np.count_nonzero(laid.visible)),
        "iscrowd": 0,
        "segmentation": {"size": list(laid.visible.shape), "counts": run_lengths(laid.visible)},
    }


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's run lengths: column by column, alternating between outside and inside, starting with outside."""
    pixels = mask.ravel(order="F")
    ends = np.flatnonzero(np.diff(pixels)) + 1
    lengths = np.diff([0, *ends, len(pixels)]).tolist()
    return [0, *lengths] if pixels[0] else lengths
