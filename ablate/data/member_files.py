"""Data sets of a few files, each with a pinned digest: what Fashion-MNIST and CIFAR have in common."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from pathlib import Path

from ablate.data.dataset import DataSet
from ablate.data.pinned_files import Member, find_file_fault, has_length
from ablate.errors import DataError


@dataclass(frozen=True)
class MemberFiles(DataSet, ABC):
    """A data set of a few files.

    Attributes:
        folder: path of their folder below the data root, where torchvision looks for them, too.
        members: the files.
    """

    folder: Path
    members: tuple[Member, ...]
    can_fetch = True

    def find(self, root: Path) -> Path | None:
        """See `DataSet.find`."""
        folder = root / self.folder
        return folder if all(has_length(folder / member.name, member) for member in self.members) else None

    def check(self, root: Path) -> Path:
        """See `DataSet.check`; reads every byte."""
        folder = root / self.folder
        for member in self.members:
            if fault := find_file_fault(folder / member.name, member):
                raise DataError(
                    f"data set {self.name!r}: {folder / member.name} {fault}; run `ablate data fetch {self.name}`"
                )
        return folder

    def is_intact(self, root: Path) -> bool:
        """Whether every file is there with the right content."""
        return not any(find_file_fault(root / self.folder / member.name, member) for member in self.members)
