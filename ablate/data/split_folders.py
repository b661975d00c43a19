"""Data sets that come as folders `train` and `val`, each with one folder per class: the layout of ImageNet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ablate.data.class_folders import Files, count_classes, list_classes, list_split
from ablate.data.dataset import DataSet
from ablate.data.info import DatasetInfo

PARTS = ("train", "val")


@dataclass(frozen=True)
class SplitFolders(DataSet):
    """See the module's text. Its folder has the name of the data set; the labels are the order of the class folders.

    Attributes:
        example: name of a class folder.
        origin: who distributes it, and what to do instead; the end of every error.
    """

    example: str
    origin: str

    def find(self, root: Path) -> Path | None:
        """See `DataSet.find`: both parts have a folder for each class."""
        folder = root / self.name
        has_all = all(count_classes(folder / part) == self.info.classes for part in PARTS)
        return folder if has_all else None

    def check(self, root: Path) -> Path:
        """See `DataSet.check`; lists the files and opens none."""
        for train in (True, False):
            self.files(root, train)
        return root / self.name

    def files(self, root: Path, train: bool) -> Files:
        """See `DataSet.files`."""
        folder, info = root / self.name, self.info
        advice = (
            f"Expected: {folder / 'train'} with {info.classes:,} folders, one per class ({self.example}, ...), and "
            f"{info.train_images:,} images in them, and {folder / 'val'} with the same folders and "
            f"{info.test_images:,} images; this is the layout of torchvision's ImageFolder. {self.origin}"
        )
        return _list(folder, info, train, advice)


@lru_cache(maxsize=4)
def _list(folder: Path, info: DatasetInfo, train: bool, advice: str) -> Files:
    images = info.train_images if train else info.test_images
    part = folder / ("train" if train else "val")
    classes = None if train or not (folder / "train").is_dir() else list_classes(folder / "train")
    return list_split(part, info.name, info.classes, images, advice=advice, others=classes)
