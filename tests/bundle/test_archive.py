"""The zip file of a bundle: the same bytes for the same content, and hostile files are refused before they are read."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from ablate.bundle.archive import MANIFEST, MAX_ENTRIES, BundleError, check_manifest, new_file, open_archive, write_zip
from ablate.bundle.verify import verify
from ablate.cli.app import status_of


def make(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return path


def link(name: str, target: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", "C:\\x", "a\\b"])
def test_a_name_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="would leave the folder"):
        open_archive(make(tmp_path / "x.zip", (name, b"x")))


def test_a_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is a link"):
        open_archive(make(tmp_path / "x.zip", (link("seeds.csv", "/etc/passwd"), b"/etc/passwd")))


def test_a_link_in_an_unpacked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).touch()
    (tmp_path / "seeds.csv").symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match="is a link"):
        open_archive(tmp_path)


def test_an_entry_that_unpacks_to_far_more_than_it_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="allowed is 200 times"):
        open_archive(make(tmp_path / "x.zip", ("seeds.csv", bytes(32 << 20))))


def test_an_entry_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "x.zip", ("seeds.csv", bytes(range(256)) * 4096))
    content = path.read_bytes()
    path.write_bytes(content.replace((1 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(BundleError, match=r"damaged|larger than it says"):
        open_archive(path).read("seeds.csv")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_a_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="same name"):
        open_archive(make(tmp_path / "x.zip", ("a", b"1"), ("a", b"2")))


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for index in range(MAX_ENTRIES + 1):
            archive.writestr(f"{index}", b"")
    with pytest.raises(BundleError, match="allowed are 50,000"):
        open_archive(tmp_path / "x.zip")


def test_what_is_no_zip_file_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and nothing more")
    for path in (tmp_path / "x.zip", tmp_path / "nothing.zip"):
        with pytest.raises(BundleError, match="is not a bundle"):
            verify(path)
    with pytest.raises(BundleError, match=f"has no {MANIFEST}"):
        verify(make(tmp_path / "y.zip", ("a", b"x")))


@pytest.mark.parametrize("place", [0.3, 0.6])
def test_a_damaged_or_short_file_ends_in_a_sentence(place: float, windows: Path, tmp_path: Path) -> None:
    content = windows.read_bytes()
    at = int(len(content) * place)
    (tmp_path / "short.zip").write_bytes(content[:at])
    (tmp_path / "damaged.zip").write_bytes(content[:at] + bytes(100) + content[at + 100 :])
    for name in ("short.zip", "damaged.zip"):
        assert status_of(["verify", str(tmp_path / name)]) in (1, 2)


def test_the_manifest_is_that_of_sha256sum(windows: Path) -> None:
    archive = open_archive(windows)
    assert check_manifest(archive) == []
    lines = archive.read(MANIFEST).decode().splitlines()
    assert f"{hashlib.sha256(archive.read('seeds.csv')).hexdigest()}  seeds.csv" in lines
    assert len(lines) == len(archive.entries) - 1


def test_entries_are_sorted_and_have_one_date_and_mode(windows: Path) -> None:
    with zipfile.ZipFile(windows) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {(entry.date_time, entry.external_attr >> 16) for entry in entries} == {
        ((1980, 1, 1, 0, 0, 0), stat.S_IFREG | 0o644)
    }


def test_an_existing_file_is_kept_unless_it_is_forced_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    path.write_text("mine")
    with pytest.raises(BundleError, match="--force"), new_file(path):
        pass
    with pytest.raises(ZeroDivisionError), new_file(path, force=True) as file:
        file.write(bytes(1 // 0))
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]
    with new_file(path, force=True) as file:
        write_zip(file, {"a": b"x"})
    assert zipfile.is_zipfile(path)
    assert list(tmp_path.iterdir()) == [path]


def test_weights_are_stored_as_they_are(tmp_path: Path) -> None:
    weights = tmp_path / "checkpoint.safetensors"
    weights.write_bytes(bytes(3 << 20))
    with new_file(tmp_path / "out.zip") as file:
        write_zip(file, {"weights/k/checkpoint.safetensors": weights, "a": b"x"})
    archive = open_archive(tmp_path / "out.zip")
    assert check_manifest(archive) == []
    with zipfile.ZipFile(tmp_path / "out.zip") as opened:
        assert opened.getinfo("weights/k/checkpoint.safetensors").compress_type == zipfile.ZIP_STORED
