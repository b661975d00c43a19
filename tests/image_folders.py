"""Small folders of images in the layout of ImageNet, written by Pillow, for tests that read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def write_image(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    """A different picture for each seed: smooth colours and some noise, width x height of `size`."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: size[1], : size[0]]
    waves = [np.sin(x / random.uniform(2, 9) + y / random.uniform(2, 9) + random.uniform(0, 6)) for _ in range(3)]
    pixels = 127 + 90 * np.stack(waves, axis=-1) + random.normal(0, 8, (*y.shape, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def write_folder(root: Path, counts: Mapping[str, int], *, seed: int = 0) -> Path:
    """`root/CLASS/0.jpg` and so on, of sizes that differ from image to image."""
    for label, (name, count) in enumerate(counts.items()):
        for index in range(count):
            size = (30 + 7 * (index % 3), 26 + 5 * (index % 4))
            write_image(root / name / f"{index}.jpg", 100_000 * seed + 1000 * label + index, size)
    return root
