"""Files that may be anything: what is opened, what is refused, and at which size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ablate.data.regular_files import open_regular, printable, read_regular
from ablate.errors import DataError


def test_a_file_is_read_up_to_the_limit_and_refused_one_byte_above(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345678")
    content, status = read_regular(path, tmp_path, 8)
    assert (content, status.st_size) == (b"12345678", 8)
    with pytest.raises(DataError, match=rf"^{path} has 8 bytes; allowed: 7; make it smaller, or remove it$"):
        read_regular(path, tmp_path, 7)


@pytest.mark.timeout(20)
def test_what_is_not_a_regular_file_is_refused_by_its_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, kind in {"fifo": "a FIFO", "zero": "a device", ".": "a folder"}.items():
        with pytest.raises(DataError, match=rf"^{tmp_path / name} is {kind}; expected: a regular file$"):
            read_regular(tmp_path / name, tmp_path, 8)


def test_a_link_may_not_lead_out_of_the_folder_and_a_hard_link_is_a_file(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    outside.write_bytes(b"x")
    (folder / "hard").hardlink_to(outside)
    (folder / "deep" / "inside").symlink_to("../hard")
    (folder / "out").symlink_to(outside)
    (tmp_path / "folder2").mkdir()
    (folder / "almost").symlink_to("../folder2/x")
    (tmp_path / "folder2" / "x").write_bytes(b"x")
    (tmp_path / "alias").symlink_to(folder)
    for name in ("hard", "deep/inside"):
        assert read_regular(tmp_path / "alias" / name, tmp_path / "alias", 8)[0] == b"x"
    for name in ("out", "almost"):
        with pytest.raises(DataError, match=rf"{name} leads out of {folder}; put a copy of the file there"):
            read_regular(folder / name, folder, 8)
    with pytest.raises(DataError, match="leads out of"):
        read_regular(folder / ".." / "outside", folder, 8)


def test_a_missing_and_a_circular_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    for name, reason in {"gone": "No such file or directory", "circle": "Too many levels of symbolic links"}.items():
        with pytest.raises(DataError, match=rf"^{tmp_path / name} cannot be read: {reason}"):
            read_regular(tmp_path / name, tmp_path, 8)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_forbidden_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(0)
    with pytest.raises(DataError, match="secret cannot be read: Permission denied"):
        read_regular(tmp_path / "secret", tmp_path, 8)


def test_a_file_that_grows_while_it_is_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one")
    real = os.fstat

    def look_and_append(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        path.write_bytes(b"one, two")
        return status

    monkeypatch.setattr(os, "fstat", look_and_append)
    with pytest.raises(DataError, match=rf"^{path} grew while it was read; wait until it is complete"):
        read_regular(path, tmp_path, 8)


def test_a_file_that_is_exchanged_after_it_was_checked_is_still_the_checked_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"checked")
    with open_regular(path, tmp_path, 8) as (file, _):
        path.unlink()
        os.mkfifo(path)
        assert file.read() == b"checked"


def test_names_are_escaped_where_they_could_mislead() -> None:
    assert printable("caf\u00e9/1.png") == "caf\u00e9/1.png"
    assert printable("a\x1b]0;x\x07\n\u202eb" + os.fsdecode(b"\xe9")) == r"a\x1b]0;x\x07\n\u202eb\xe9"
