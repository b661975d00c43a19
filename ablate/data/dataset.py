"""What a data set is: one object that finds, checks, fetches and reads it.

Each kind of data set is a subclass, and `ablate.data.catalog` lists the objects. Everything else asks the object and
never compares names, so adding a data set is adding one object. This module imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.data.class_folders import Files
from ablate.data.info import DatasetInfo, Fault
from ablate.data.lock import Progress
from ablate.errors import DataError, quote


class Labelled(NamedTuple):
    """Images that are in memory, with their labels.

    Attributes:
        images: (N, C, H, W), C stored channels (1 or 3), H = W.
        labels: (N,), from 0 to the number of classes - 1.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class DataSet(ABC):
    """A data set that a recipe may name.

    Every method takes `root`, the folder of the data sets (`ablate.data.datasets.data_root`).

    Attributes:
        info: what is known of it without opening it.
    """

    info: DatasetInfo
    can_fetch: ClassVar[bool] = False
    """Whether `fetch` can get it; other data sets are distributed by their makers, or are a user's own."""

    @property
    def name(self) -> str:
        """The name in a recipe's `dataset`."""
        return self.info.name

    @property
    def pinned(self) -> str:
        """The name in a trial's key: where the content may change, with the content's fingerprint."""
        return self.name

    @abstractmethod
    def find(self, root: Path) -> Path | None:
        """Where it is, or None. Looks only at names and lengths."""

    @abstractmethod
    def check(self, root: Path) -> Path:
        """Where the intact data set is.

        Raises:
            DataError: missing or damaged; the file or folder is named.
        """

    def find_fault(self, root: Path) -> Fault | None:
        """Why trials cannot train on it although it was registered; None for every data set of the catalog."""
        del root
        return None

    def fetch(self, root: Path, progress: Progress) -> Path:
        """Get it, unless an intact copy is there. Several processes may call this at the same time.

        Args:
            root: folder of the data sets.
            progress: called with one line of text at a time.

        Returns:
            The folder or file.

        Raises:
            DataError: every source failed, each listed with its reason; or it cannot be fetched, and is not there.
        """
        del progress
        return self.check(root)

    def files(self, root: Path, train: bool) -> Files:
        """The training or test images of a data set that is a folder of image files.

        Raises:
            DataError: it is not such a folder; or something is missing or has changed; it is named.
        """
        del root, train
        raise DataError(f"data set {quote(self.name)} is not a folder of image files")

    def open(self, root: Path, train: bool) -> Labelled:
        """The training or test images of a data set that fits into memory.

        Raises:
            DataError: it does not fit into memory; or a file is missing or damaged; it is named.
        """
        del root, train
        raise DataError(f"data set {quote(self.name)} is a folder of image files, which is not read as a whole")
