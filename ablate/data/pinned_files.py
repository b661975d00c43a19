"""The files of the data sets that are read into memory, each with a pinned digest, and what such data sets share."""

from __future__ import annotations

import hashlib
from abc import ABC
from dataclasses import dataclass
from pathlib import Path

from ablate.data.dataset import DataSet
from ablate.errors import DataError


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a data set that is read into memory.

    Attributes:
        name: torchvision's name, without `.gz`.
        digest: digest of its bytes after decompression.
        size_bytes: size after decompression; None if it is not known in advance.
        algorithm: algorithm of the digest. (Of Fashion-MNIST torchvision publishes the MD5 of one particular `.gz`, and
            Debian compressed the same bytes again; of CIFAR it publishes the MD5 of the files themselves.)
    """

    name: str
    digest: str
    size_bytes: int | None = None
    algorithm: str = "sha256"


FASHION_MNIST = (
    Member("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47_040_016),
    Member("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60_008),
    Member("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7_840_016),
    Member("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10_008),
)
CIFAR10 = (
    Member("data_batch_1", "c99cafc152244af753f735de768cd75f", algorithm="md5"),
    Member("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec", algorithm="md5"),
    Member("data_batch_3", "54ebc095f3ab1f0389bbae665268c751", algorithm="md5"),
    Member("data_batch_4", "634d18415352ddfa80567beed471001a", algorithm="md5"),
    Member("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb", algorithm="md5"),
    Member("test_batch", "40351d587109b95175f43aff81a1287e", algorithm="md5"),
    Member("batches.meta", "5ff9c542aee3614f3951f8cda6e48888", algorithm="md5"),
)
CIFAR100 = (
    Member("train", "16019d7e3df5f24257cddd939b257f8d", algorithm="md5"),
    Member("test", "f0ef6b0ae62326f3e7ffdfab6717acfc", algorithm="md5"),
    Member("meta", "7973b15100ade9c7d40fb424638fde48", algorithm="md5"),
)


def find_file_fault(path: Path, member: Member) -> str | None:
    """What is wrong with a decompressed file, as the end of a sentence; None if it is intact."""
    if not path.is_file():
        return "is missing"
    if not has_length(path, member):
        return f"is damaged: {path.stat().st_size} bytes decompressed, {member.size_bytes} expected"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, member.algorithm).hexdigest()
    kind = {"sha256": "SHA-256", "md5": "MD5"}[member.algorithm]
    return None if digest == member.digest else f"is damaged: {kind} {digest[:12]}..., expected {member.digest[:12]}..."


def has_length(path: Path, member: Member) -> bool:
    """Whether a decompressed file exists and has the right length."""
    return path.is_file() and member.size_bytes in (None, path.stat().st_size)


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
