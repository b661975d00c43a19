"""What a killed service leaves is ended by the next one, and nothing else is."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from service.dispatch.leftovers import FILE, end, is_alive, record, sweep

SERVICE = """
import subprocess, sys
from pathlib import Path
from service.dispatch.leftovers import record
subprocess.Popen(["sh", "-c", "sleep 600 & echo $$; wait"])
sys.stdin.readline()
record(Path(sys.argv[1]))
print("recorded", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def left(tmp_path: Path) -> Iterator[psutil.Process]:
    """A process with a child, written down by a service that was then killed."""
    command = [sys.executable, "-c", SERVICE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdin is not None
        assert service.stdout is not None
        process = psutil.Process(int(service.stdout.readline()))
        print(file=service.stdin, flush=True)
        assert service.stdout.readline() == "recorded\n"
        service.kill()
    assert is_alive(process)
    yield process
    end([process])


def test_what_a_killed_service_left_is_ended_with_all_below_it(left: psutil.Process, tmp_path: Path) -> None:
    (child,) = left.children()
    assert sweep(tmp_path) == 2
    assert not is_alive(left)
    assert not is_alive(child)
    assert sweep(tmp_path) == 0


@pytest.mark.parametrize("change", ["another start", "another boot"])
def test_another_process_that_has_the_number_now_is_left_alone(
    left: psutil.Process, tmp_path: Path, change: str
) -> None:
    content = json.loads((tmp_path / FILE).read_text())
    if change == "another boot":
        content["boot"] = "00000000-0000-0000-0000-000000000000"
    content["started_s"] = {
        pid: started_s - (change == "another start") for pid, started_s in content["started_s"].items()
    }
    (tmp_path / FILE).write_text(json.dumps(content))
    assert sweep(tmp_path) == 0
    assert is_alive(left)


def test_what_was_written_down_before_and_still_lives_is_kept(left: psutil.Process, tmp_path: Path) -> None:
    record(tmp_path)
    assert str(left.pid) in json.loads((tmp_path / FILE).read_text())["started_s"]


def test_nothing_written_down_is_nothing_to_do(tmp_path: Path) -> None:
    assert sweep(tmp_path) == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"boot": 1}', '{"boot": "x", "started_s": {"a": 1}}', "\x00"])
def test_a_damaged_record_does_not_keep_a_service_from_starting(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert sweep(tmp_path) == 0
    assert not (tmp_path / FILE).exists()


def test_a_record_that_cannot_be_written_leaves_nothing_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    record(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "cannot be recorded: No space left on device" in caplog.text
