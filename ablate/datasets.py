"""The catalog of data sets: what each holds, and where it lies on this machine.

Every file of Fashion-MNIST has a pinned digest. `ablate.fetching` brings data sets here; reading images is
`ablate.training.data`'s business: this module imports no torch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from ablate.errors import DataError, nearest, quote


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What is known of a data set without opening it.

    Attributes:
        name: as in a recipe's `dataset`.
        title: for people.
        kind: task it is made for, `classify`.
        classes: number of labels.
        channels: of a stored image, 1 (grey) or 3; grey images are repeated to 3 for the network.
        resolution_px: side of a stored image; for ImageNet, whose images differ, the side it is trained at.
        train_images: size of the training set.
        test_images: size of the test set (ImageNet: the validation set).
        mean: per stored channel, of pixels on 0..1 in the training set.
        std: likewise the standard deviation.
        is_built: whether training can read it today; if not, only `ablate check` works on it.
        text: one sentence on its origin.
    """

    name: str
    title: str
    kind: str
    classes: int
    channels: int
    resolution_px: int
    train_images: int
    test_images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    is_built: bool
    text: str


_CATALOG = (
    DatasetInfo(
        "fashion-mnist", "Fashion-MNIST", "classify", 10, 1, 28, 60_000, 10_000, (0.2860,), (0.3530,), True,
        "Zalando's article images, grey, the size and split of MNIST (Xiao et al. 2017, arXiv 1708.07747).",
    ),
    DatasetInfo(
        "digits", "Digits 8x8", "classify", 10, 1, 8, 1_442, 355, (0.3052,), (0.3760,), True,
        "Handwritten digits that scikit-learn carries; of each class every fifth image is for testing.",
    ),
    DatasetInfo(
        "cifar10", "CIFAR-10", "classify", 10, 3, 32, 50_000, 10_000,
        (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), False,
        "Colour photographs of ten kinds of object (Krizhevsky 2009).",
    ),
    DatasetInfo(
        "cifar100", "CIFAR-100", "classify", 100, 3, 32, 50_000, 10_000,
        (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762), False,
        "Colour photographs of a hundred kinds of object (Krizhevsky 2009).",
    ),
    DatasetInfo(
        "imagenet", "ImageNet-1k", "classify", 1_000, 3, 224, 1_281_167, 50_000,
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), False,
        "Photographs of the ILSVRC 2012 challenge (Russakovsky et al. 2015, arXiv 1409.0575).",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """One file of Fashion-MNIST.

    Attributes:
        name: torchvision's, without `.gz`.
        size_bytes: decompressed.
        sha256: of the decompressed bytes. (The MD5 that torchvision publishes is that of one particular `.gz`;
            Debian compressed the same bytes anew.)
    """

    name: str
    size_bytes: int
    sha256: str


FASHION_MNIST = (
    Member("train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    Member("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    Member("t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    Member("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)


def list_datasets() -> tuple[DatasetInfo, ...]:
    """Every data set that a recipe may name."""
    return _CATALOG


def describe(name: str) -> DatasetInfo:
    """The entry of one data set.

    Raises:
        DataError: no such name.
    """
    for info in _CATALOG:
        if info.name == name:
            return info
    raise DataError(f"no data set {quote(name)}{nearest(name, (info.name for info in _CATALOG))}")


def data_root() -> Path:
    """Folder of the data sets: `ABLATE_DATA`, else `data` in `ABLATE_HOME` (default `~/.local/share/ablate`)."""
    if given := os.environ.get("ABLATE_DATA"):
        return Path(given).expanduser()
    return Path(os.environ.get("ABLATE_HOME") or "~/.local/share/ablate").expanduser() / "data"


def find(name: str) -> Path | None:
    """Where a data set lies, or None. Looks at names and lengths only; `get_path` reads every byte.

    Raises:
        DataError: no such name.
    """
    describe(name)
    if name == "digits":
        return _find_digits()
    raw = raw_folder()
    is_here = name == "fashion-mnist" and all(_has_length(raw / member.name, member) for member in FASHION_MNIST)
    return raw if is_here else None


def get_path(name: str) -> Path:
    """Where an intact data set lies.

    Raises:
        DataError: unknown, not supported, missing or damaged; the file is named.
    """
    require_built(name)
    if name == "digits":
        if path := _find_digits():
            return path
        raise DataError(f"data set {name!r} is part of scikit-learn, which is not installed here")
    raw = raw_folder()
    for member in FASHION_MNIST:
        if fault := find_fault(raw / member.name, member):
            raise DataError(f"data set {name!r}: {raw / member.name} {fault}; run `ablate data fetch {name}`")
    return raw


def require_built(name: str) -> None:
    """Do nothing where training can read a data set.

    Raises:
        DataError: unknown, or not supported yet.
    """
    if not describe(name).is_built:
        built = ", ".join(info.name for info in _CATALOG if info.is_built)
        raise DataError(
            f"data set {name!r} is not supported for training yet; these are: {built}. "
            "`ablate check` works on a study that names it"
        )


def raw_folder() -> Path:
    """Where the files of Fashion-MNIST lie, or will."""
    return data_root() / "FashionMNIST" / "raw"


def find_fault(path: Path, member: Member) -> str | None:
    """What is wrong with a decompressed file, as the end of a sentence; None if nothing."""
    if not path.is_file():
        return "is missing"
    if not _has_length(path, member):
        return f"is damaged: {path.stat().st_size} bytes decompressed, {member.size_bytes} expected"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return (
        None if digest == member.sha256 else f"is damaged: SHA-256 {digest[:12]}..., expected {member.sha256[:12]}..."
    )


def _find_digits() -> Path | None:
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    return path if path.is_file() else None


def _has_length(path: Path, member: Member) -> bool:
    return path.is_file() and path.stat().st_size == member.size_bytes
