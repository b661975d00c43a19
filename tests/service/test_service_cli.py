"""The commands that speak REST, where no service answers or it may not start; the rest is in test_end_to_end."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from ablate.cli import status_of
from service import cli
from service.address import find_address, told


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ABLATE_URL", raising=False)
    assert cli.main
    return tmp_path / "home"


def test_without_a_service_a_command_ends_with_3_and_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert status_of(["list", "--url", f"http://127.0.0.1:{closed.getsockname()[1]}"]) == 3
    assert "ablate serve" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_without_keys_the_service_listens_on_loopback_only(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["serve", "--host", host]) == 2
    assert "loopback only" in capsys.readouterr().err


def test_separate_roles_need_postgresql(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["serve", "--role", "scheduler"]) == 2
    assert "PostgreSQL" in capsys.readouterr().err


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert status_of(["serve", "--port", str(port)]) == 2
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ABLATE_WORKERS", "many")
    assert status_of(["list"]) == 2
    assert "ABLATE_WORKERS" in capsys.readouterr().err


def test_the_address_is_told_as_long_as_the_service_lives(tmp_path: Path) -> None:
    with told(tmp_path, "http://127.0.0.1:1"):
        assert find_address(tmp_path) == "http://127.0.0.1:1"
    assert find_address(tmp_path) is None
    (tmp_path / "service.json").write_text(json.dumps({"url": "x", "pid": 2**22 + os.getpid()}))
    assert find_address(tmp_path) is None
