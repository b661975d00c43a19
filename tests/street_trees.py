"""Small Cityscapes trees whose images say, by their colours, which class each pixel has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets import Cityscapes

from ablate.tasks.segment.metrics import IGNORED

STEP = 13
"""A pixel of train id n has the value n x 13 in each channel; 19 ids fit into a byte."""
LABEL_OF = {one.train_id: one.id for one in Cityscapes.classes if 0 <= one.train_id < IGNORED} | {IGNORED: 0}
HEIGHT, WIDTH = 32, 64


def write_tree(root: Path, classes: tuple[int, ...] = (0, 2, 10), train: int = 8, test: int = 4) -> Path:
    """A tree of scenes of three regions each, in random places; the last rows are ignored."""
    rng = np.random.default_rng(0)
    for split, city, count in (("train", "ulm", train), ("val", "bonn", test)):
        for number in range(count):
            write_scene(root, split, city, number, draw_scene(rng, classes))
    return root


def draw_scene(rng: np.random.Generator, classes: tuple[int, ...]) -> NDArray[np.uint8]:
    """Train ids (H, W)."""
    train_ids = np.full((HEIGHT, WIDTH), classes[0], dtype=np.uint8)
    train_ids[: rng.integers(10, 20)] = classes[1]
    left = rng.integers(4, 40)
    train_ids[8:24, left : left + 20] = classes[2]
    train_ids[-2:] = IGNORED
    return train_ids


def write_scene(root: Path, split: str, city: str, number: int, train_ids: NDArray[np.uint8]) -> tuple[Path, Path]:
    """The files of an image and of its labels."""
    stem = f"{city}_{number:06d}_000019"
    image = root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
    labels = root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png"
    grey = np.where(train_ids == IGNORED, 255, train_ids * STEP).astype(np.uint8)
    ids = np.vectorize(LABEL_OF.__getitem__)(train_ids).astype(np.uint8)
    for path, pixels in ((image, np.stack([grey] * 3, axis=-1)), (labels, ids)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return image, labels
