"""Street scenes as tensors, from a Cityscapes folder. Shapes: an image has H x W pixels.

torchvision's reader lists the files and defines the 35 label ids. Each is mapped to one of the 19 train ids or to 255,
which is ignored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.datasets import Cityscapes
from torchvision.transforms.v2 import functional

from ablate.data.images import MAX_BYTES, decode_image, read_image
from ablate.data.regular_files import read_regular
from ablate.errors import DataError
from ablate.tasks.segment.metrics import IGNORED

SPLITS = {True: "train", False: "val"}
IMAGE_END = "_leftImg8bit.png"
UNKNOWN = 254
"""Table entry for label ids that Cityscapes does not define."""


def _table_of_train_ids() -> NDArray[np.uint8]:
    """Label id -> train id, (256,)."""
    table = np.full(256, UNKNOWN, dtype=np.uint8)
    for one in Cityscapes.classes:
        if one.id >= 0:  # licence plates have -1 and are not in the label maps
            table[one.id] = one.train_id
    table[IGNORED] = IGNORED
    return table


TRAIN_IDS = _table_of_train_ids()
LAST_LABEL_ID = max(one.id for one in Cityscapes.classes)

Pair = tuple[Path, Path]
"""An image and its map of label ids."""


def list_pairs(root: Path, train: bool) -> tuple[Pair, ...]:
    """List the images of a split with their label maps, sorted by name.

    Args:
        root: folder with `leftImg8bit/train/CITY/`, `gtFine/train/CITY/`, and the same of `val`.
        train: training or validation split.

    Raises:
        DataError: a folder or a file is missing, or a split is empty; the message names it.
    """
    split = SPLITS[train]
    folders = root / "leftImg8bit" / split, root / "gtFine" / split
    try:
        listed = Cityscapes(root, split=split, mode="fine", target_type="semantic")
    except (RuntimeError, OSError) as error:
        missing = next((folder for folder in folders if not folder.is_dir()), folders[0])
        raise DataError(f"{missing} cannot be listed: {error}") from error
    files = zip(listed.images, listed.targets, strict=True)
    pairs = sorted((Path(image), Path(labels)) for image, (labels,) in files if image.endswith(IMAGE_END))
    if not pairs:
        raise DataError(f"{folders[0]} contains no images; expected: CITY/CITY_000000_000019_leftImg8bit.png")
    for image, labels in pairs:
        if not labels.is_file():
            raise DataError(f"{labels}, the label map of {image}, is missing")
    known = {labels for _, labels in pairs}
    for labels in sorted(folders[1].glob("*/*_gtFine_labelIds.png")):
        if labels not in known:
            raise DataError(f"the image of {labels} is missing in {folders[0]}")
    return tuple(pairs)


def read_example(pair: Pair) -> tuple[Tensor, Tensor]:
    """Read an image, (3, H, W) of uint8, and the train id of each pixel, (H, W) of uint8, 0 .. 18 or 255.

    Raises:
        DataError: a file is missing or damaged, their sizes differ, or a label id is unknown; the message names the
            file.
    """
    image = read_image(pair[0], _split_of(pair[0]))
    labels = _read_labels(pair[1])
    if labels.shape != (image.height, image.width):
        height, width = labels.shape
        raise DataError(f"{pair[1]} has {width} x {height} px; {pair[0]} has {image.width} x {image.height}")
    train_ids = TRAIN_IDS[labels]
    if unknown := np.unique(labels[train_ids == UNKNOWN]).tolist():
        raise DataError(f"{pair[1]} has label id {unknown[0]}; Cityscapes has 0 to {LAST_LABEL_ID}")
    return functional.pil_to_tensor(image), torch.from_numpy(train_ids)


def _read_labels(path: Path) -> NDArray[np.uint8]:
    image = decode_image(read_regular(path, _split_of(path), MAX_BYTES)[0], path, formats=("PNG",))
    if image.mode not in ("L", "P"):
        raise DataError(f"{path} is not a label map: its mode is {image.mode!r}; expected: one channel of 8 bits")
    return np.asarray(image)


def _split_of(path: Path) -> Path:
    """The folder SPLIT of a file `SPLIT/CITY/NAME`."""
    return path.parents[1]
