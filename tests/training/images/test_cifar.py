"""CIFAR through torchvision's own reader: tiny archives in the real format, with their own checksums."""

from __future__ import annotations

import hashlib
import pickle
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.data.cifar import Cifar, read_cifar
from ablate.data.datasets import CATALOG, describe, find, get_path, list_datasets
from ablate.data.fetch import fetch
from ablate.data.pinned_files import Member
from ablate.errors import DataError
from ablate.training.images.data import load

CIFAR = {one.name: one for one in CATALOG if isinstance(one, Cifar)}
EACH = 4
"""Images in a file."""


def write_pickle(path: Path, content: dict[str, Any]) -> str:
    """Writes a file as those of CIFAR are written; returns its MD5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def write_tiny(root: Path, name: str) -> type[Any]:
    """A set in the real layout, and torchvision's reader with the checksums of its files."""
    reader = CIFAR[name].reader
    key, classes = ("labels", 10) if name == "cifar10" else ("fine_labels", 100)
    folder, random = root / reader.base_folder, np.random.default_rng(0)

    def write(file: str) -> str:
        pixels = random.integers(0, 256, (EACH, 3072), dtype=np.uint8)
        labels = random.integers(0, classes, EACH).tolist()
        return write_pickle(folder / file, {"data": pixels, key: labels, "filenames": [""] * EACH})

    lists = {part: [[file, write(file)] for file, _ in getattr(reader, part)] for part in ("train_list", "test_list")}
    labels_of = {reader.meta["key"]: [f"class {index}" for index in range(classes)]}
    meta = {**reader.meta, "md5": write_pickle(folder / reader.meta["filename"], labels_of)}
    return type("Tiny", (reader,), {**lists, "meta": meta})


@pytest.mark.parametrize("name", CIFAR)
def test_images_are_the_planes_that_were_stored_and_labels_go_with_them(tmp_path: Path, name: str) -> None:
    reader = write_tiny(tmp_path, name)
    for train, files in ((True, reader.train_list), (False, reader.test_list)):
        images, labels = read_cifar(reader, tmp_path, train)
        stored = [pickle.loads((tmp_path / reader.base_folder / file).read_bytes()) for file, _ in files]
        pixels = np.concatenate([one["data"] for one in stored]).reshape(-1, 3, 32, 32)
        assert (images.shape, images.dtype, labels.dtype) == ((EACH * len(files), 3, 32, 32), np.uint8, np.int64)
        assert np.array_equal(images, pixels)
        assert labels.tolist() == [label for one in stored for label in one[next(k for k in one if "labels" in k)]]


@pytest.mark.parametrize("name", CIFAR)
def test_a_damaged_or_missing_file_is_named(tmp_path: Path, name: str) -> None:
    reader = write_tiny(tmp_path, name)
    folder = tmp_path / reader.base_folder
    members = tuple(Member(file, md5, algorithm="md5") for file, md5 in (*reader.train_list, *reader.test_list))
    tiny = replace(CIFAR[name], members=members)
    tiny.check(tmp_path)
    for member in members:
        content = (folder / member.name).read_bytes()
        (folder / member.name).write_bytes(content[:-1])
        with pytest.raises(DataError, match=rf"{folder / member.name} is damaged: MD5 .*`ablate data fetch {name}`"):
            tiny.check(tmp_path)
        with pytest.raises(DataError, match=r"Tiny in .* cannot be read"):
            read_cifar(reader, tmp_path, train=True)
        (folder / member.name).unlink()
        with pytest.raises(DataError, match=rf"{folder / member.name} is missing"):
            tiny.check(tmp_path)
        (folder / member.name).write_bytes(content)


@pytest.mark.parametrize("name", CIFAR)
def test_files_and_checksums_of_the_catalog_are_torchvisions(name: str) -> None:
    reader = CIFAR[name].reader
    folder, members = CIFAR[name].folder, CIFAR[name].members
    theirs = [
        *map(tuple, reader.train_list),
        *map(tuple, reader.test_list),
        (reader.meta["filename"], reader.meta["md5"]),
    ]
    assert [(member.name, member.digest) for member in members] == theirs
    assert (str(folder), {member.algorithm for member in members}) == (reader.base_folder, {"md5"})
    assert describe(name) in list_datasets()


@pytest.mark.parametrize("name", CIFAR)
def test_without_its_files_it_says_which_one_is_missing_and_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    folder, members = CIFAR[name].folder, CIFAR[name].members
    assert find(name) is None
    for call in (get_path, lambda name: load(name, train=True)):
        with pytest.raises(
            DataError, match=rf"{tmp_path / folder / members[0].name} is missing; run `ablate data fetch"
        ):
            call(name)


def test_a_download_that_fails_says_why_and_what_to_do_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    with socket.socket() as closed:  # a port at which nobody answers
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(DataError) as caught:
            fetch("cifar10")
    text = str(caught.value)
    assert "torchvision's download failed: <urlopen error [Errno 111] Connection refused>" in text
    assert f"put cifar-10-python.tar.gz (MD5 c58f30108f718f92721af3b95e74349a) into {tmp_path}" in text
    assert f"{tmp_path / 'cifar-10-batches-py'} has data_batch_1, " in text
    assert socket.getdefaulttimeout() is None


def test_a_damaged_archive_that_was_put_there_by_hand_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(b"half of it")
    with pytest.raises(DataError, match="data set 'cifar100' could not be fetched"):
        fetch("cifar100")
    assert not (tmp_path / "cifar-100-python").exists()
