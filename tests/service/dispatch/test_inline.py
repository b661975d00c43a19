"""Spawned workers: gone with the dispatcher, and with the service, in any way that it ends."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from ablate.trials import gpus
from service.dispatch.inline import InlineDispatcher
from service.dispatch.interface import Dispatcher, TrialLost
from service.dispatch.leftovers import is_alive, wait_for_end
from service.dispatch.machines import Machine
from service.dispatch.this_machine import find_machine

if TYPE_CHECKING:
    from tests.service.dispatch.conftest import Stage

SERVICE = """
import sys
from pathlib import Path
from ablate.study.resources import Resources
from ablate.trials.trial import Trial
from service.dispatch.interface import Ticket
from service.dispatch.inline import InlineDispatcher

home = Path(sys.argv[1])
dispatcher = InlineDispatcher(1)
dispatcher.start()
trial = Trial(key="k", task="play", recipe={"ending": "parent"}, seed=0)
dispatcher.submit(Ticket(trial, 1, Resources(), home))
while not (home / "spinning").exists():
    dispatcher.poll(0.1)
print("running", flush=True)
sys.stdin.read()
"""


def test_nothing_is_left_after_close(
    play: Path,
    tmp_path: Path,
    open_stage: Callable[[Dispatcher, Path], Stage],
    children: Callable[[], set[psutil.Process]],
) -> None:
    stage = open_stage(InlineDispatcher(2), tmp_path)
    stage.call(stage.dispatcher.start)
    ticket = stage.submit("parent")
    stage.wait_until((ticket.workdir / "spinning").exists)
    assert len(children()) == 3
    stage.call(stage.dispatcher.close)
    stage.close()
    assert children() == set()


def test_a_worker_ends_with_its_service_in_the_middle_of_a_step(play: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVICE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "running\n"
        below = psutil.Process(service.pid).children(recursive=True)
        service.kill()
    for process in below:
        wait_for_end(process, 10)
    assert [process for process in below if is_alive(process)] == []


def test_a_kill_is_not_taken_for_a_want_of_memory(
    play: Path, tmp_path: Path, open_stage: Callable[[Dispatcher, Path], Stage]
) -> None:
    stage = open_stage(InlineDispatcher(1), tmp_path)
    stage.call(stage.dispatcher.start)
    end = stage.end_of(stage.submit("killed"))
    stage.close()
    assert isinstance(end, TrialLost)
    assert end.kind == "worker"
    assert "SIGKILL" in end.reason


@pytest.mark.parametrize(
    ("workers", "shown", "expected"),
    [
        (None, "", Machine(5, 0)),
        (3, "", Machine(3, 0)),
        (8, "", Machine(8, 0)),
        (None, "0,1", Machine(5, 2)),
        (2, "0,1", Machine(5, 2)),
    ],
)
def test_a_machine_is_offered_as_it_is_or_as_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int | None, shown: str, expected: Machine
) -> None:
    monkeypatch.setattr(gpus, "DEVICES", tmp_path)
    for number in range(2):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(5)))
    assert find_machine(workers) == expected


def test_a_worker_that_cannot_be_started_is_the_machines_fault(
    play: Path, tmp_path: Path, open_stage: Callable[[Dispatcher, Path], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = open_stage(InlineDispatcher(1), tmp_path)
    stage.call(stage.dispatcher.start)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr("os.pipe", refuse)
        end = stage.end_of(stage.submit("dies"))
        assert isinstance(end, TrialLost)
        assert end.kind == "worker", "its own worker died; another one cannot be started"
        end = stage.end_of(stage.submit())
        assert isinstance(end, TrialLost)
        assert (end.kind, end.reason) == ("environment", "too many files are open in the process")
    assert stage.outcome(stage.end_of(stage.submit())).status == "succeeded"
    stage.close()
