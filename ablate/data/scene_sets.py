"""Sets of scenes: where they lie below the data root, and whether they are there. The real ones are not ours to fetch.

Imports neither torch nor what composes scenes: the catalog is read often, and by processes that do not train.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ablate.data.info import DatasetInfo
from ablate.data.scenes.recipes import MANIFEST, MINIATURES
from ablate.errors import DataError

PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "coco": ("annotations/instances_train2017.json", "annotations/instances_val2017.json", "train2017", "val2017"),
        "cityscapes": ("leftImg8bit/train", "leftImg8bit/val", "gtFine/train", "gtFine/val"),
    }
)
"""What the folder of a real set holds."""
ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "coco": "given out at cocodataset.org: unpack 2017's train images, val images and train/val annotations there",
        "cityscapes": "given out at cityscapes-dataset.com to whoever registers: unpack leftImg8bit_trainvaltest.zip "
        "and gtFine_trainvaltest.zip there",
    }
)


def is_scenes(info: DatasetInfo) -> bool:
    """Whether a data set is one of scenes, in COCO's or Cityscapes' layout."""
    return info.kind != "classify"


def looks_complete(name: str, folder: Path) -> bool:
    """Whether a set of scenes seems to lie in a folder; looks at names only."""
    parts = (MANIFEST,) if name in MINIATURES else PARTS[name]
    return all((folder / part).exists() for part in parts)


def check(name: str, folder: Path) -> None:
    """Make sure that a set of scenes lies in a folder: of the miniatures every byte, of the real ones the layout.

    Raises:
        DataError: something is missing or damaged; it is named, with what to do.
    """
    if name in MINIATURES:
        from ablate.data.scenes import make

        try:
            make.check(folder, MINIATURES[name])
        except DataError as error:
            raise DataError(f"data set {name!r}: {error}; run `ablate data fetch {name}`") from error
        return
    for part in PARTS[name]:
        if not (folder / part).exists():
            raise DataError(
                f"data set {name!r}: {folder / part} is missing. Expected in {folder}: {', '.join(PARTS[name])}. It is "
                f"{ADVICE[name]}"
            )
