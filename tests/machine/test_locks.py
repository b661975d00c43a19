"""File systems without locks, and those of a network."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import MachineError, TrialError
from ablate.local.folder import Folder
from ablate.local.tries import HomeTries
from ablate.machine import mounts
from ablate.machine.locks import describe_holder
from ablate.machine.mounts import find_mount, warn_of_network
from service.errors import UnavailableError
from service.store.lock import HeldFile

MOUNTED = """\
/dev/vda / ext4 rw,relatime 0 0
server:/homes /home nfs4 rw,vers=4.2,local_lock=none 0 0
server:/old /home/me/old\\040files nfs rw,nolock 0 0
tmpfs /home/me/fast tmpfs rw 0 0
"""


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_and_no_other_process_is_blamed(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".pid").write_text("4194305")  # left by a process that ended long ago
    with pytest.raises(TrialError) as of_folder, Folder(tmp_path / "out").locked():
        pass
    with pytest.raises(MachineError) as of_home, HomeTries(tmp_path).writing():
        pass
    with pytest.raises(UnavailableError) as of_service:
        HeldFile(f"sqlite:///{tmp_path / 'ablate.db'}")
    for error in (of_folder, of_home, of_service):
        assert "the file system has no file locks; use a folder on a local disk" in str(error.value)
        assert "process" not in str(error.value)
    assert "choose another folder with --out" in str(of_folder.value)
    assert "ABLATE_HOME" in str(of_home.value)
    assert "ABLATE_DATABASE_URL" in str(of_service.value)


def test_a_holder_is_named_only_if_it_lives(tmp_path: Path) -> None:
    file = tmp_path / ".pid"
    for text, words in (
        (str(os.getpid()), f"another process (pid {os.getpid()})"),
        ("4194305", "another process"),  # above the largest number of a process
        ("", "another process"),
    ):
        file.write_text(text)
        assert describe_holder(file) == words


def test_the_file_system_of_a_folder_is_that_of_its_nearest_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(MOUNTED)
    monkeypatch.setattr(mounts, "MOUNTS", table)
    for path, kind, network, is_shared in (
        ("/srv/ablate", "ext4", None, True),
        ("/home/me/ablate", "nfs4", "NFS", True),
        ("/home/me/old files/x", "nfs", "NFS", False),
        ("/home/me/fast/x", "tmpfs", None, True),
        ("/homes", "ext4", None, True),
    ):
        found = find_mount(Path(path))
        assert found is not None
        assert (found.kind, found.network, found.has_shared_locks) == (kind, network, is_shared)
    table.unlink()  # as on macOS
    assert find_mount(Path("/home")) is None


def test_sqlite_on_a_network_disk_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(mounts, "MOUNTS", table)
    text = warn_of_network(tmp_path / "ablate.db")
    assert text is not None
    assert f"is on NFS ({tmp_path.resolve()})" in text
    assert "ABLATE_HOME to a folder on a local disk" in text
    sqlite3.connect(tmp_path / "ablate.db").close()
    with caplog.at_level(logging.WARNING):
        HeldFile(f"sqlite:///{tmp_path / 'ablate.db'}").close()
    assert text in caplog.messages
