"""A dispatcher in another process: its errors are distinguished, and none of its processes stays."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from ablate.study.resources import Resources
from service.dispatch import own_process
from service.dispatch.interface import DispatcherError
from service.dispatch.machines import Machine
from service.dispatch.own_process import Apart
from service.errors import UnavailableError


class Toy:
    """Starts and closes, and answers `room` with its process; what else it is asked goes wrong."""

    kind = "toy"

    def start(self) -> None:
        pass

    def machines(self) -> list[Machine]:
        raise DispatcherError("it lost a part of itself")

    def room(self, resources: Resources) -> int:
        return os.getpid()

    def submit(self, ticket: Any) -> None:
        raise ZeroDivisionError("a defect of ours")

    def stop(self, ticket: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def poll(self, timeout_s: float) -> None:
        os._exit(7)

    def close(self) -> None:
        pass


class Stuck(Toy):
    def start(self) -> None:
        threading.Event().wait()


@pytest.fixture
def toy(tmp_path: Path) -> Any:
    toy: Any = Apart("toy", Toy, tmp_path)
    toy.start()
    yield toy
    toy.close()


def test_it_answers_from_a_process_of_its_own_that_is_gone_after_the_end(toy: Any) -> None:
    pid = toy.room(Resources())
    assert pid == toy.pid != os.getpid()
    assert toy.room(Resources()) == pid
    toy.close()
    assert not psutil.pid_exists(pid)
    toy.close()


def test_a_dispatcher_that_is_broken_is_said_to_be_and_can_still_be_asked(toy: Any) -> None:
    with pytest.raises(DispatcherError, match="lost a part"):
        toy.machines()
    assert toy.room(Resources()) == toy.pid


def test_a_defect_is_not_taken_for_a_broken_dispatcher(toy: Any) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a defect of ours"):
        toy.submit(None)


def test_a_process_that_dies_is_a_broken_dispatcher_then_and_ever_after(toy: Any) -> None:
    with pytest.raises(DispatcherError, match="ended with status 7"):
        toy.poll(0.0)
    with pytest.raises(DispatcherError, match="the process of toy has ended or hangs"):
        toy.room(Resources())


def test_one_that_does_not_answer_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_process, "START_S", 0.2)
    stuck: Any = Apart("toy", Stuck, tmp_path)
    before = set(psutil.Process().children())
    with pytest.raises(DispatcherError, match=r"does not answer within 0.2 s"):
        stuck.start()
    assert {child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())} <= before
    with pytest.raises(DispatcherError, match="the process of toy has ended or hangs"):
        stuck.room(Resources())


def test_a_start_is_given_up_once_the_service_ends(tmp_path: Path) -> None:
    looks = iter([False, False, True])
    stuck: Any = Apart("toy", Stuck, tmp_path, lambda: next(looks))
    before = set(psutil.Process().children())
    with pytest.raises(DispatcherError, match="the start of toy is given up, because the service ends"):
        stuck.start()
    assert stuck.pid is None
    assert {child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())} <= before


def test_a_full_disk_is_neither_a_defect_nor_a_broken_dispatcher(toy: Any) -> None:
    with pytest.raises(UnavailableError, match="the disk is full") as away:
        toy.stop(None)
    assert away.value.part == "disk"
    assert toy.room(Resources()) == toy.pid
