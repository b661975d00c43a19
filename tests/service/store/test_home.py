"""The state directory: what others may not see, and whose it has to be."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from service.errors import UnavailableError
from service.settings import Settings
from service.store.home import make_private
from service.store.lock import held
from service.store.schema import upgrade
from service.store.session import Store


def modes(home: Path) -> dict[str, int]:
    return {str(path.relative_to(home)): path.stat().st_mode & 0o777 for path in [home, *home.rglob("*")]}


def test_a_new_home_is_private(tmp_path: Path) -> None:
    make_private(tmp_path / "a" / "home")
    assert modes(tmp_path / "a" / "home") == {".": 0o700}


def test_a_home_that_somebody_made_beforehand_and_its_files_become_private(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    for folder in (home / "trials" / "ab", home / "data" / "set"):
        folder.mkdir(parents=True)
    outside.touch()
    for path in (
        home / "ablate.db",
        home / "ablate.db-wal",
        home / "trials" / "ab" / "run.sh",
        home / "data" / "set" / "1",
    ):
        path.touch()
        path.chmod(0o755 if path.suffix == ".sh" else 0o644)
    outside.chmod(0o644)
    (home / "link").symlink_to(outside)
    (home / "gone").symlink_to("nowhere")
    for folder in (home, home / "trials", home / "trials" / "ab", home / "data", home / "data" / "set"):
        folder.chmod(0o755)
    make_private(home)
    (home / "gone").unlink()
    assert outside.stat().st_mode & 0o777 == 0o644
    (home / "link").unlink()
    assert modes(home) == {
        ".": 0o700, "trials": 0o700, "trials/ab": 0o700, "trials/ab/run.sh": 0o700, "ablate.db": 0o600,
        "ablate.db-wal": 0o600, "data": 0o700, "data/set": 0o755, "data/set/1": 0o644,
    }  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_home_of_another_user_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o755)
    os.chown(tmp_path / "home", 12345, 12345)
    with pytest.raises(
        UnavailableError, match=r"home belongs to another user \(uid 12345, this is 0\); set ABLATE_HOME"
    ):
        make_private(tmp_path / "home")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o755


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in {tmp_path / "file": "File exists", tmp_path / "file" / "home": "Not a directory"}.items():
        with pytest.raises(UnavailableError, match=f"^the state directory {path} cannot be used: {reason}; set"):
            make_private(path)


@pytest.mark.parametrize("name", ["a%20b", "what?", "c#d", "e f", "ü", "a%3Fb", "x?mode=ro"])
def test_the_database_and_its_lock_are_in_the_home_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    home = tmp_path / "homes" / name
    settings = Settings(home=home)
    with closing(Store(settings.database)) as store, held(settings.database):
        upgrade(store)
        with store.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM studies")).scalar_one() == 0
    assert {"ablate.db", "ablate.db.lock"} <= {path.name for path in home.iterdir()}
    assert [path.name for path in home.parent.iterdir()] == [name]
