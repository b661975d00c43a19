"""CIFAR-10 and CIFAR-100, downloaded and read by torchvision, which is imported when that begins."""

from __future__ import annotations

import socket
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ablate.data.dataset import Labelled
from ablate.data.lock import Progress, locked
from ablate.data.pinned_files import MemberFiles
from ablate.errors import DataError

NETWORK_TIMEOUT_S = 20


@dataclass(frozen=True)
class Cifar(MemberFiles):
    """See the module's text.

    Attributes:
        reader_name: of torchvision's class.
    """

    reader_name: str

    @property
    def reader(self) -> Any:
        """torchvision's class."""
        from torchvision import datasets

        return getattr(datasets, self.reader_name)

    def fetch(self, root: Path, progress: Progress) -> Path:
        """See `DataSet.fetch`."""
        if not self.is_intact(root):
            self._download(root, progress)
        return self.check(root)

    def _download(self, root: Path, progress: Progress) -> None:
        """Let torchvision download the archive and unpack it, or unpack one that is already there."""
        reader, patience_s = self.reader, socket.getdefaulttimeout()
        try:
            root.mkdir(parents=True, exist_ok=True)
            with locked(root / f".{self.name}.lock", progress), redirect_stdout(sys.stderr):
                progress(f"{self.name}: {reader.filename}, 170 MB, by torchvision's download")
                socket.setdefaulttimeout(NETWORK_TIMEOUT_S)  # torchvision has no timeout
                reader(root, download=True)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"data set {self.name!r} could not be fetched: torchvision's download failed: {error}\n  manually: put "
                f"{reader.filename} (MD5 {reader.tgz_md5}) into {root} and run this command again, or unpack it there, "
                f"so that {root / self.folder} has {', '.join(member.name for member in self.members)}"
            ) from error
        finally:
            socket.setdefaulttimeout(patience_s)

    def open(self, root: Path, train: bool) -> Labelled:
        """See `DataSet.open`."""
        self.check(root)
        return read_cifar(self.reader, root, train)


def read_cifar(reader: Any, root: Path, train: bool) -> Labelled:
    """Images and labels of CIFAR by torchvision's reader, which checks every file again.

    Args:
        reader: torchvision's class, or one derived from it.
        root: the parent of the data set's folder.
        train: training set or test set.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        data = reader(root, train=train, download=False)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
        raise DataError(f"{reader.__name__} in {root / reader.base_folder} cannot be read: {error}") from error
    images = np.ascontiguousarray(data.data.transpose(0, 3, 1, 2))  # (N, 3, 32, 32)
    return Labelled(images, np.array(data.targets, dtype=np.int64))
