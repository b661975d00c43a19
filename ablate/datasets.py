"""The catalog of data sets: what each holds, and where it lies on this machine.

Every file of Fashion-MNIST and CIFAR has a pinned digest. A registered folder (`ablate.registered`) is a data set like
any other. `ablate.fetching` brings data sets here; reading images is `ablate.training`'s business: this module imports
no torch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ablate import registered
from ablate.errors import DataError, nearest, quote
from ablate.folders import Files, list_classes, list_split
from ablate.registered import Registered, find_registered


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What is known of a data set without opening it.

    Attributes:
        name: as in a recipe's `dataset`.
        title: for people.
        kind: task it is made for, `classify`.
        classes: number of labels.
        channels: of a stored image, 1 (grey) or 3; grey images are repeated to 3 for the network.
        resolution_px: side of a stored image; where images differ, the side they are trained at unless told otherwise.
        train_images: size of the training set.
        test_images: size of the test set (ImageNet: the validation set).
        mean: per stored channel, of pixels on 0..1 in the training set.
        std: likewise the standard deviation.
        text: one sentence on its origin.
        is_folder: whether it is a folder of image files, which differ in size and are decoded when they are used.
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
    text: str
    is_folder: bool = False


_CATALOG = (
    DatasetInfo(
        "fashion-mnist", "Fashion-MNIST", "classify", 10, 1, 28, 60_000, 10_000, (0.2860,), (0.3530,),
        "Zalando's article images, grey, the size and split of MNIST (Xiao et al. 2017, arXiv 1708.07747).",
    ),
    DatasetInfo(
        "digits", "Digits 8x8", "classify", 10, 1, 8, 1_442, 355, (0.3052,), (0.3760,),
        "Handwritten digits that scikit-learn carries; of each class every fifth image is for testing.",
    ),
    DatasetInfo(
        "cifar10", "CIFAR-10", "classify", 10, 3, 32, 50_000, 10_000,
        (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616),
        "Colour photographs of ten kinds of object (Krizhevsky 2009).",
    ),
    DatasetInfo(
        "cifar100", "CIFAR-100", "classify", 100, 3, 32, 50_000, 10_000,
        (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762),
        "Colour photographs of a hundred kinds of object (Krizhevsky 2009).",
    ),
    DatasetInfo(
        "imagenet", "ImageNet-1k", "classify", 1_000, 3, 224, 1_281_167, 50_000,
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225),
        "Photographs of the ILSVRC 2012 challenge (Russakovsky et al. 2015, arXiv 1409.0575).", True,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a data set that is read into memory.

    Attributes:
        name: torchvision's, without `.gz`.
        digest: of its bytes, after decompression.
        size_bytes: after decompression; None where that is not known beforehand.
        algorithm: of the digest. (Of Fashion-MNIST torchvision publishes the MD5 of one particular `.gz`, and Debian
            compressed the same bytes anew; of CIFAR it publishes the MD5 of the files themselves.)
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
PLACES = {
    "fashion-mnist": (Path("FashionMNIST", "raw"), FASHION_MNIST),
    "cifar10": (Path("cifar-10-batches-py"), CIFAR10),
    "cifar100": (Path("cifar-100-python"), CIFAR100),
}
"""Folder below the data root, and files; torchvision looks for them there."""


def list_datasets() -> tuple[DatasetInfo, ...]:
    """Every data set that a recipe may name: those of the catalog, and folders registered on this machine."""
    return (*_CATALOG, *map(_info_of, registered.list_registered(data_root())))


def describe(name: str) -> DatasetInfo:
    """The entry of one data set.

    Args:
        name: as in a recipe; of a registered folder also with the fingerprint of its content, see `pin`.

    Raises:
        DataError: no such name, or the folder of that name has other content by now.
    """
    for info in _CATALOG:
        if info.name == name:
            return info
    if found := find_registered(data_root(), name):
        return _info_of(found)
    raise DataError(f"no data set {quote(name)}{nearest(name, (info.name for info in list_datasets()))}")


def is_in_catalog(name: str) -> bool:
    """Whether a name is one of ablate's own, whatever is registered here."""
    return any(info.name == name for info in _CATALOG)


def pin(name: str) -> str:
    """The name by which a trial knows its data: of a registered folder `NAME@FINGERPRINT`, any other as it is.

    A folder that is registered anew with other content has another fingerprint, so its trials have other keys, and a
    trial that was planned before does not run on what it was not planned for.
    """
    if is_in_catalog(name) or "@" in name:
        return name
    found = find_registered(data_root(), name)
    return found.pinned if found else name


def data_root() -> Path:
    """Folder of the data sets: `ABLATE_DATA`, else `data` in `ABLATE_HOME` (default `~/.local/share/ablate`)."""
    if given := os.environ.get("ABLATE_DATA"):
        return Path(given).expanduser()
    return Path(os.environ.get("ABLATE_HOME") or "~/.local/share/ablate").expanduser() / "data"


def find(name: str) -> Path | None:
    """Where a data set lies, or None. Looks at names and lengths only; `get_path` looks closely.

    Raises:
        DataError: no such name.
    """
    describe(name)
    if name == "digits":
        return _find_digits()
    if name in PLACES:
        folder, members = place_of(name)
        return folder if all(_has_length(folder / member.name, member) for member in members) else None
    folder = _folder_of(name)
    return folder if folder.is_dir() else None


def get_path(name: str) -> Path:
    """Where an intact data set lies. Reads every byte of those that are read into memory; of folders, lists the files.

    Raises:
        DataError: unknown, missing or damaged; the file or folder is named.
    """
    describe(name)
    if name == "digits":
        if path := _find_digits():
            return path
        raise DataError(f"data set {name!r} is part of scikit-learn, which is not installed here")
    if name in PLACES:
        folder, members = place_of(name)
        check_members(name, folder, members)
        return folder
    for train in (True, False):
        list_files(name, train)
    return _folder_of(name)


def list_files(name: str, train: bool) -> Files:
    """The training or test images of a data set that is a folder.

    Raises:
        DataError: something is missing, or not as it was when the folder was registered; it is named.
    """
    root = data_root()
    if name == "imagenet":
        return list_imagenet(root / name, describe(name), train)
    found = find_registered(root, name)
    if found is None:
        raise DataError(f"data set {quote(name)} is not a folder of image files")
    return registered.list_files(root, found, train)


@lru_cache(maxsize=4)
def list_imagenet(folder: Path, info: DatasetInfo, train: bool) -> Files:
    """The files of ImageNet, or of a set of other size in the same layout; the labels are the folders' order.

    Raises:
        DataError: a folder or an image is missing; the folder is named, with what is expected.
    """
    advice = (
        f"Expected: {folder / 'train'} with {info.classes:,} folders, one a class (n01440764, ...), and "
        f"{info.train_images:,} images in them, and {folder / 'val'} with the same folders and {info.test_images:,} "
        "images; torchvision's ImageFolder has this layout. It is given out by image-net.org on request, so ablate "
        "cannot fetch it. A part of it can be registered under another name: ablate data add NAME FOLDER"
    )
    images = info.train_images if train else info.test_images
    part = folder / ("train" if train else "val")
    classes = None if train or not (folder / "train").is_dir() else list_classes(folder / "train")
    return list_split(part, info.name, info.classes, images, advice=advice, others=classes)


def place_of(name: str) -> tuple[Path, tuple[Member, ...]]:
    """Where the files of a set that is read into memory lie, or will, and which they are."""
    folder, members = PLACES[name]
    return data_root() / folder, members


def check_members(name: str, folder: Path, members: tuple[Member, ...]) -> None:
    """Read every file and compare.

    Raises:
        DataError: one is missing or damaged; it is named.
    """
    for member in members:
        if fault := find_fault(folder / member.name, member):
            raise DataError(f"data set {name!r}: {folder / member.name} {fault}; run `ablate data fetch {name}`")


def find_fault(path: Path, member: Member) -> str | None:
    """What is wrong with a decompressed file, as the end of a sentence; None if nothing."""
    if not path.is_file():
        return "is missing"
    if not _has_length(path, member):
        return f"is damaged: {path.stat().st_size} bytes decompressed, {member.size_bytes} expected"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, member.algorithm).hexdigest()
    kind = {"sha256": "SHA-256", "md5": "MD5"}[member.algorithm]
    return None if digest == member.digest else f"is damaged: {kind} {digest[:12]}..., expected {member.digest[:12]}..."


def _folder_of(name: str) -> Path:
    found = find_registered(data_root(), name)
    return Path(found.folder) if found else data_root() / name


def _info_of(found: Registered) -> DatasetInfo:
    return DatasetInfo(
        found.name, found.name, "classify", len(found.classes), 3, found.resolution_px,
        found.train_images, found.test_images, found.mean, found.std,
        f"A folder of images, registered here at {found.registered_at}.", True,
    )  # fmt: skip


def _find_digits() -> Path | None:
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    return path if path.is_file() else None


def _has_length(path: Path, member: Member) -> bool:
    return path.is_file() and member.size_bytes in (None, path.stat().st_size)
