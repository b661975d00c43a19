"""`ablate doctor`: what is broken is a line with what to do, and never the end of the doctor."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from ablate.cli.app import status_of
from ablate.machine import mounts
from service.cli import main
from service.doctor import machine, parts, python
from service.doctor.examine import ask
from service.doctor.findings import Finding, ok
from service.settings import Settings

assert main  # the command is one of the app

TORCH = """
from types import SimpleNamespace as Some
__version__ = "9.9"
cuda = Some(is_available=lambda: False, device_count=lambda: 0)
backends = Some(mps=Some(is_available=lambda: False))
version = Some(cuda=None)
"""


@pytest.fixture(autouse=True)
def _small_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that is imported at once."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "torch.py").write_text(TORCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))


def settings_of(home: Path, **values: object) -> Settings:
    return Settings(home=home, **values)  # type: ignore[arg-type]


def only(found: object) -> tuple[str, str, str]:
    (one,) = found  # type: ignore[misc]
    assert isinstance(one, Finding)
    return one.state, one.text, one.advice or ""


def test_every_part_has_a_line_and_the_answer_as_json_is_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = status_of(["doctor", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert (status, answer["ok"]) == (0, True), answer
    about = [one["about"] for one in answer["findings"]]
    assert about == [
        "settings", "python", "packages", "torch", "cpus", "memory", "limits", "/dev/shm", "home", "disk", "locks",
        "service", "database", "ray", "mlflow", "data",
    ]  # fmt: skip
    assert not (tmp_path / "home").exists(), "the doctor makes nothing"
    assert all(one["advice"] for one in answer["findings"] if one["state"] != "ok")


def test_a_wrong_setting_does_not_hide_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("ABLATE_DATABASE_URL", "mysql://u:hush@h/db")
    assert status_of(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "error    settings" in shown
    assert "ABLATE_HOME" in shown
    assert "ABLATE_DATABASE_URL" in shown
    assert "ok       python" in shown
    assert "hush" not in shown


def test_a_probe_that_fails_or_hangs_is_a_finding() -> None:
    forever = threading.Event()

    def fail() -> list[Finding]:
        raise RuntimeError("no idea")

    def hang() -> list[Finding]:
        forever.wait()
        return []

    started_s = time.monotonic()
    found = ask({"a": fail, "b": hang, "c": lambda: [ok("c", "fine")]}, 0.2)
    assert time.monotonic() - started_s < 5
    forever.set()
    assert [(one.about, one.state) for one in found] == [("a", "error"), ("b", "warning"), ("c", "ok")]
    assert "RuntimeError: no idea" in found[0].text
    assert "gave no answer within 0.2 s" in found[1].text


@pytest.mark.parametrize(
    ("code", "state", "text"),
    [
        (TORCH, "ok", "9.9, trains on the CPU"),
        ("raise ImportError('libcudart.so.13: cannot open shared object file')", "error", "libcudart.so.13"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "error", "status -11"),
    ],
)
def test_torch_is_imported_elsewhere(code: str, state: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "site" / "torch.py").write_text(code)
    found = only(python.find_torch())
    assert found[0] == state
    assert text in found[1]


def test_packages_that_differ_from_the_lock_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock"
    lock.write_text(
        "# a comment\npytest==0.1\nnot-installed-anywhere==1 ; python_version > '3'\nother==1 ; extra == 'x'\n"
    )
    monkeypatch.setattr(python, "LOCK", lock)
    state, text, advice = only(python.compare_packages())
    assert state == "warning"
    assert "(==0.1), not-installed-anywhere is missing (==1)" in text
    assert "make install" in advice


def test_the_state_directory_is_examined_without_making_it(tmp_path: Path) -> None:
    assert only(machine.write_to_home(tmp_path / "new"))[1].endswith("does not exist yet, and can be made")
    assert only(machine.lock_a_file(tmp_path / "new"))[0] == "ok"
    assert list(tmp_path.glob("*")) == [tmp_path / "site"]
    state, text, advice = only(machine.write_to_home(Path("/proc/ablate")))
    assert (state, "/proc cannot be written" in text, "ABLATE_HOME" in advice) == ("error", True, True)


def test_a_network_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mounts"
    monkeypatch.setattr(mounts, "MOUNTS", table)
    for options, words in (("rw", "SQLite can be slow"), ("rw,nolock", "has locks for this machine alone")):
        table.write_text(f"server:/x {tmp_path.resolve()} nfs4 {options} 0 0\n")
        state, text, advice = only(machine.lock_a_file(tmp_path))
        assert state == "warning"
        assert words in text
        assert advice


def test_a_database_that_cannot_be_opened_is_named_without_its_password(tmp_path: Path) -> None:
    url = SecretStr("postgres://u:hu@sh@127.0.0.1:1/db")
    state, text, advice = only(parts.open_database(settings_of(tmp_path, database_url=url)))
    assert (state, "nothing listens" in text, "ABLATE_DATABASE_URL" in advice) == ("error", True, True)
    assert "hu" not in text.replace("nothing", "")
    (tmp_path / "ablate.db").write_text("no database at all, but some text that is long enough" * 50)
    assert only(parts.open_database(settings_of(tmp_path)))[0] == "error"


def test_what_does_not_answer_is_named(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, ray_address="127.0.0.1:1", tracking_uri="http://u:hush@127.0.0.1:1")
    assert only(parts.find_ray(settings))[0] == "error"
    state, text, _ = only(parts.find_mlflow(settings))
    assert (state, "hush" in text) == ("warning", False)
    known = {"url": "http://127.0.0.1:1", "pid": os.getpid(), "data": "x"}
    (tmp_path / "service.json").write_text(json.dumps(known))
    assert "does not answer" in only(parts.find_service(settings))[1]
