"""Data sets by name: those of the catalog, and folders of images that were registered on this machine.

Thin look-ups over `ablate.data.dataset.DataSet`; the data root comes from the environment here. `ablate.data.fetch`
fetches data sets. This module imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ablate.data.catalog import CATALOG
from ablate.data.class_folders import Files
from ablate.data.dataset import DataSet
from ablate.data.info import DatasetInfo, Fault
from ablate.data.registered.images import RegisteredImages
from ablate.data.registered.store import Registered, find_registered, read_all
from ablate.errors import DataError, RegistryError, nearest, quote
from ablate.settings import read_library_settings


def list_datasets() -> tuple[DatasetInfo, ...]:
    """Every data set that a recipe may name: those of the catalog, then registered folders."""
    found = read_all(data_root()).values()
    registered = [RegisteredImages.of(one) for one in found if isinstance(one, Registered)]
    return tuple(one.info for one in (*CATALOG, *registered))


def list_damaged() -> dict[str, str]:
    """Registered folders whose registration cannot be read: name -> what is wrong, and what to do."""
    return {name: str(found) for name, found in read_all(data_root()).items() if isinstance(found, RegistryError)}


def get_dataset(name: str) -> DataSet:
    """The data set of that name.

    Args:
        name: its name in a recipe; of a registered folder also with the fingerprint of its content, see `pin`.

    Raises:
        DataError: no such name, or the registered folder of that name has other content now.
    """
    if (own := find_in_catalog(name)) is not None:
        return own
    if found := find_registered(data_root(), name):
        return RegisteredImages.of(found)
    raise DataError(f"no data set {quote(name)}{nearest(name, (info.name for info in list_datasets()))}")


def find_in_catalog(name: str) -> DataSet | None:
    """ablate's own data set of that name, or None."""
    return next((one for one in CATALOG if one.name == name), None)


def is_in_catalog(name: str) -> bool:
    """Whether a name is that of one of ablate's own data sets, even if a folder of that name is registered."""
    return find_in_catalog(name) is not None


def describe(name: str) -> DatasetInfo:
    """What is known of a data set; see `get_dataset`."""
    return get_dataset(name).info


def describe_for(task: str, name: str) -> DatasetInfo:
    """What is known of the data set on which a task is to train.

    Raises:
        DataError: no such name, or the data set is made for another task.
    """
    info = describe(name)
    if info.kind != task:
        fitting = ", ".join(one.name for one in list_datasets() if one.kind == task)
        raise DataError(
            f"data set {quote(name)} is for the task {info.kind}, not {task}; allowed for {task}: {fitting}"
        )
    return info


def pin(name: str) -> str:
    """The name of the data in a trial's key: `NAME@FINGERPRINT` of a registered folder, any other name unchanged.

    A folder that is registered again with other content gets another fingerprint, so its trials get other keys, and a
    trial that was planned before does not train on the new content.
    """
    if is_in_catalog(name) or "@" in name:
        return name
    found = find_registered(data_root(), name)
    return found.pinned if found else name


def data_root() -> Path:
    """Folder of the data sets: `ABLATE_DATA`, else `data` in `ABLATE_HOME` (default `~/.local/share/ablate`)."""
    return read_library_settings().data_root


@contextmanager
def writing_data() -> Iterator[Path]:
    """The folder of the data sets, to write to it.

    In the state directory only this user may read what is created inside the block. A folder elsewhere may be shared,
    so that there the umask decides.
    """
    settings = read_library_settings()
    before = os.umask(0o077) if settings.data_root.is_relative_to(settings.home) else None
    try:
        yield settings.data_root
    finally:
        if before is not None:
            os.umask(before)


def find(name: str) -> Path | None:
    """Where a data set is, or None. Looks only at names and lengths; `get_path` validates the content.

    Raises:
        DataError: no such name.
    """
    return get_dataset(name).find(data_root())


def get_path(name: str) -> Path:
    """Where an intact data set is.

    Reads every byte of those that are read into memory or composed here; of other folders it lists the files.

    Raises:
        DataError: unknown, missing or damaged; the file or folder is named.
    """
    return get_dataset(name).check(data_root())


def list_files(name: str, train: bool) -> Files:
    """The training or test images of a data set that is a folder of image files.

    Raises:
        DataError: something is missing, or has changed since the folder was registered; it is named.
    """
    return get_dataset(name).files(data_root(), train)


def find_test_files(name: str) -> Files | None:
    """The files of the test images; None if the data set has no such files, or they are not here unchanged."""
    try:
        return list_files(name, train=False)
    except DataError:  # no reason is needed: without files, images have numbers and no names
        return None


def find_folder_fault(name: str) -> Fault | None:
    """What is wrong with a registered folder: it is missing, it changed, or its registration is damaged.

    None if nothing is wrong, and for every data set of the catalog, which `find` covers. Compares every file's size
    and time of modification.

    Raises:
        DataError: no such name, or the folder of that name has other content now.
    """
    return get_dataset(name).find_fault(data_root())


def check_folders(names: Iterable[str]) -> None:
    """Make sure that those of these data sets that are registered folders are unchanged since their registration.

    Raises:
        DataError: one is missing or has changed; the file or folder is named, with what to do.
    """
    for name in names:
        if fault := find_folder_fault(name):
            raise DataError(fault.text)
