"""The catalog of data sets: what each holds, and where it lies on this machine.

Every file of Fashion-MNIST and CIFAR has a pinned digest (`ablate.data.digests`). A registered folder
(`ablate.data.registered`) is a data set like any other. `ablate.data.fetch` brings data sets here; reading images is
`ablate.training`'s business: this module imports no torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from ablate.data import scene_sets, stamps
from ablate.data.class_folders import Files, count_classes, list_classes, list_split
from ablate.data.digests import PLACES, Member, find_file_fault, has_length
from ablate.data.info import CATALOG, DatasetInfo
from ablate.data.registered import Registered, find_registered, read_all
from ablate.data.scene_sets import is_scenes
from ablate.data.stamps import Fault
from ablate.errors import DataError, RegistryError, nearest, quote
from ablate.settings import read_library_settings


def list_datasets() -> tuple[DatasetInfo, ...]:
    """Every data set that a recipe may name: those of the catalog, and folders registered on this machine."""
    found = read_all(data_root()).values()
    return (*CATALOG, *(_info_of(one) for one in found if isinstance(one, Registered)))


def list_damaged() -> dict[str, str]:
    """Registered folders of which cannot be read what was written down: name -> what is wrong, and what to do."""
    return {name: str(found) for name, found in read_all(data_root()).items() if isinstance(found, RegistryError)}


def describe(name: str) -> DatasetInfo:
    """The entry of one data set.

    Args:
        name: as in a recipe; of a registered folder also with the fingerprint of its content, see `pin`.

    Raises:
        DataError: no such name, or the folder of that name has other content by now.
    """
    for info in CATALOG:
        if info.name == name:
            return info
    if found := find_registered(data_root(), name):
        return _info_of(found)
    raise DataError(f"no data set {quote(name)}{nearest(name, (info.name for info in list_datasets()))}")


def describe_for(task: str, name: str) -> DatasetInfo:
    """The entry of a data set that a task is to train on.

    Raises:
        DataError: no such name, or the data set is made for another task.
    """
    info = describe(name)
    if info.kind != task:
        fitting = ", ".join(one.name for one in list_datasets() if one.kind == task)
        raise DataError(
            f"data set {quote(name)} is for the task {info.kind}, not {task}; for {task} there are: {fitting}"
        )
    return info


def is_in_catalog(name: str) -> bool:
    """Whether a name is one of ablate's own, whatever is registered here."""
    return any(info.name == name for info in CATALOG)


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
    return read_library_settings().data_root


def find(name: str) -> Path | None:
    """Where a data set lies, or None. Looks at names and lengths only; `get_path` looks closely.

    Raises:
        DataError: no such name.
    """
    info = describe(name)
    if name == "digits":
        return _find_digits()
    if is_scenes(info):
        return data_root() / name if scene_sets.looks_complete(name, data_root() / name) else None
    if name in PLACES:
        folder, members = place_of(name)
        return folder if all(has_length(folder / member.name, member) for member in members) else None
    folder = _folder_of(name)
    if name == "imagenet":
        has_all = all(count_classes(folder / part) == info.classes for part in ("train", "val"))
        return folder if has_all else None
    return folder if folder.is_dir() else None


def find_folder_fault(name: str) -> Fault | None:
    """What is wrong with a registered folder: it is gone, it changed, or its registration is damaged.

    None where nothing is, and for every data set of the catalog, of which `find` tells. Looks at every file's size and
    time of modification.

    Raises:
        DataError: no such name, or the folder of that name has other content by now.
    """
    if is_in_catalog(name):
        return None
    describe(name)
    found = find_registered(data_root(), name)
    return stamps.find_change(data_root(), found) if found else None


def check_folders(names: Iterable[str]) -> None:
    """Make sure that those of these data sets that are registered folders are as they were registered.

    Raises:
        DataError: one is gone or has changed; the file or folder is named, with what to do.
    """
    for name in names:
        if fault := find_folder_fault(name):
            raise DataError(fault.text)


def get_path(name: str) -> Path:
    """Where an intact data set lies.

    Reads every byte of those that are read into memory or composed here; of folders lists the files.

    Raises:
        DataError: unknown, missing or damaged; the file or folder is named.
    """
    info = describe(name)
    if name == "digits":
        if path := _find_digits():
            return path
        raise DataError(f"data set {name!r} is part of scikit-learn, which is not installed here")
    if name in PLACES:
        folder, members = place_of(name)
        check_members(name, folder, members)
        return folder
    if is_scenes(info):
        scene_sets.check(name, data_root() / name)
        return data_root() / name
    check_folders([name])
    for train in (True, False) if name == "imagenet" else ():
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
    return stamps.list_files(root, found, train)


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
        if fault := find_file_fault(folder / member.name, member):
            raise DataError(f"data set {name!r}: {folder / member.name} {fault}; run `ablate data fetch {name}`")


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
