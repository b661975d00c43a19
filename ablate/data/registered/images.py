"""A folder of images that a user has registered, as a data set like any other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ablate.data.class_folders import Files
from ablate.data.dataset import DataSet
from ablate.data.info import DatasetInfo, Fault
from ablate.data.registered import unchanged
from ablate.data.registered.store import Registered
from ablate.errors import DataError


@dataclass(frozen=True)
class RegisteredImages(DataSet):
    """See the module's text.

    Attributes:
        found: its registration.
    """

    found: Registered

    @classmethod
    def of(cls, found: Registered) -> RegisteredImages:
        """The data set of a registration."""
        info = DatasetInfo(
            found.name, found.name, "classify", len(found.classes), 3, found.resolution_px,
            found.train_images, found.test_images, found.mean, found.std,
            f"A folder of images, registered here at {found.registered_at}.", True,
        )  # fmt: skip
        return cls(info, found)

    @property
    def pinned(self) -> str:
        """See `DataSet.pinned`."""
        return self.found.pinned

    def find(self, root: Path) -> Path | None:
        """See `DataSet.find`."""
        del root
        folder = Path(self.found.folder)
        return folder if folder.is_dir() else None

    def check(self, root: Path) -> Path:
        """See `DataSet.check`."""
        if fault := self.find_fault(root):
            raise DataError(fault.text)
        return Path(self.found.folder)

    def find_fault(self, root: Path) -> Fault | None:
        """What is wrong with the folder; compares every file's size and time of modification."""
        return unchanged.find_change(root, self.found)

    def files(self, root: Path, train: bool) -> Files:
        """See `DataSet.files`."""
        return unchanged.list_files(root, self.found, train)
