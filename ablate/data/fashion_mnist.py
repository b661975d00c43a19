"""Fashion-MNIST: fetched from the first source that works, and read without torchvision."""

from __future__ import annotations

import gzip
import os
import subprocess
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablate.data.dataset import Labelled
from ablate.data.fashion_mnist_sources import SOURCES, Source
from ablate.data.lock import Progress, locked
from ablate.data.pinned_files import FASHION_MNIST, Member, MemberFiles, find_file_fault
from ablate.errors import DataError


@dataclass(frozen=True)
class FashionMnist(MemberFiles):
    """See the module's text.

    Attributes:
        sources: tried one after the other.
    """

    sources: Sequence[Source] = SOURCES

    def fetch(self, root: Path, progress: Progress) -> Path:
        """See `DataSet.fetch`; every file is checked before it gets its name."""
        raw = root / self.folder
        try:
            if self.is_intact(root):  # perhaps in a folder that is shared and cannot be written
                return self._verified(raw, progress)
            raw.mkdir(parents=True, exist_ok=True)
            with locked(raw / ".lock", progress):
                if not self.is_intact(root):
                    self._try_sources(raw, progress)
        except OSError as error:
            text = f"data set {self.name!r}: cannot write to {raw}: {error}; set ABLATE_DATA to another folder"
            raise DataError(text) from error
        return self._verified(raw, progress)

    def _verified(self, raw: Path, progress: Progress) -> Path:
        progress(f"{self.name}: {len(self.members)} files verified in {raw}")
        return raw

    def _try_sources(self, raw: Path, progress: Progress) -> None:
        failures = []
        for source in self.sources:
            progress(f"{self.name}: trying {source.title}")
            with tempfile.TemporaryDirectory(prefix="ablate-fetch-") as scratch:
                try:
                    return self._install(source.get(Path(scratch), progress), raw)
                except (DataError, OSError, subprocess.SubprocessError) as error:
                    failures.append(f"  {source.title}: {error}")
        names = ", ".join(f"{member.name}.gz" for member in self.members)
        raise DataError(
            f"data set {self.name!r} could not be fetched:\n" + "\n".join(failures) + f"\n  manually: take {names} "
            f"from github.com/zalandoresearch/fashion-mnist (folder data/fashion), gunzip them, put them into {raw}"
        )

    def _install(self, folder: Path, raw: Path) -> None:
        """Decompress and check the `.gz` files of `folder`; each appears in `raw` whole or not at all."""
        for member in self.members:
            temporary = raw / f".{member.name}.part"
            if fault := _unpack(folder / f"{member.name}.gz", temporary, member):
                temporary.unlink(missing_ok=True)
                raise DataError(f"{folder / member.name}.gz {fault}")
            temporary.replace(raw / member.name)
        folder_handle = os.open(raw, os.O_RDONLY)
        os.fsync(folder_handle)
        os.close(folder_handle)

    def open(self, root: Path, train: bool) -> Labelled:
        """See `DataSet.open`."""
        images, labels = read_idx(self.check(root), train)
        return Labelled(images[:, None], labels.astype(np.int64))


def _unpack(source: Path, target: Path, member: Member) -> str | None:
    """Decompress a file. Returns what is wrong with it, as the end of a sentence; None if nothing."""
    assert member.size_bytes is not None
    try:
        with gzip.open(source) as packed, target.open("wb") as out:
            out.write(packed.read(member.size_bytes + 1))  # one byte more shows that a file is too long
            out.flush()
            os.fsync(out.fileno())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"is damaged: {error}"
    return find_file_fault(target, member)


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
