"""Reading the files of Fashion-MNIST, which are in MNIST's IDX format. Imports no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablate.data.pinned_files import FASHION_MNIST

SIDE_PX = 28
HEADER_BYTES = {"images": 16, "labels": 8}
"""Magic number and sizes. They are skipped, since the digests of the files pin them."""


def read_idx(folder: Path, train: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The training or test images, (N, 28, 28), and their labels, (N,).

    Args:
        folder: folder of the files, which are known to be intact.
        train: training set or test set.
    """
    names = [member.name for member in FASHION_MNIST]
    images, labels = (
        np.fromfile(folder / name, np.uint8, offset=HEADER_BYTES[what])
        for name, what in zip(names[:2] if train else names[2:], HEADER_BYTES, strict=True)
    )
    return images.reshape(-1, SIDE_PX, SIDE_PX), labels
