"""The pool of worker processes, with real processes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pytest

from ablate.workers.pool import Ended, Job, Pool, Said, Worker, WorkerLost

ROOT = Path(__file__).parents[2]


def count(n: int) -> Iterator[int]:
    yield from range(n)


def kill_me() -> Iterator[int]:
    yield os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_pool_streams_what_jobs_yield_and_replaces_a_killed_worker() -> None:
    with Pool([{"OMP_NUM_THREADS": "1"}]) as pool:
        for job in (Job("a", count, (2,)), Job("k", kill_me), Job("b", count, (1,))):
            pool.submit(job)
        events = list(pool.events())
    assert [event.item for event in events if isinstance(event, Said) and event.job.name != "k"] == [0, 1, 0]
    assert [event.job.name for event in events if isinstance(event, Ended)] == ["a", "b"]
    (lost,) = (event for event in events if isinstance(event, WorkerLost))
    assert "SIGKILL (out of memory?)" in lost.reason


SCRIPT = """
from ablate.workers.pool import Job, Pool, Said
print("the script runs")
with Pool([{}]) as pool:
    pool.submit(Job("letters", list, ("ab",)))
    print(*(event.item for event in pool.events() if isinstance(event, Said)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_file", [True, False])
def test_a_script_needs_no_guard_and_may_come_from_standard_input(tmp_path: Path, is_file: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script) if is_file else "-"]
    given = None if is_file else SCRIPT
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert (done.stdout, done.stderr) == ("the script runs\na b\n", "")


def break_off() -> Iterator[int]:
    yield 1
    raise FileNotFoundError("no such disk")


def test_a_job_that_raises_is_lost_with_its_reason_and_the_worker_stays() -> None:
    with Pool([{}]) as pool:
        pool.submit(Job("broken", break_off))
        events = list(pool.events())
        assert isinstance(events[-1], WorkerLost)
        assert events[-1].reason == "FileNotFoundError: no such disk"
        pool.submit(Job("next", count, (1,)))
        assert [type(event) for event in pool.events()] == [Said, Ended]


def test_a_pool_that_is_left_early_leaves_no_process() -> None:
    with Pool([{}]) as pool:
        pool.submit(Job("k", kill_me))
        pid = next(event.item for event in pool.events() if isinstance(event, Said))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PARENT = """
import signal
from ablate.workers.pool import Job, Worker
from tests.workers.test_pool import hang
worker = Worker({})
worker.give(Job("hang", hang))
print(worker.receive()[0].item, flush=True)
signal.pause()
"""


def hang() -> Iterator[int]:
    yield os.getpid()
    signal.pause()


def test_a_busy_worker_ends_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([worker], timeout=20)[1] == []


def run_one(function: Callable[..., Iterator[Any]], *args: Any) -> list[Any]:
    """Events of a job, and then those of a second one, which needs a worker that works."""
    with Pool([{}]) as pool:
        pool.submit(Job("first", function, args))
        events = list(pool.events())
        pool.submit(Job("second", count, (1,)))
        assert [type(event) for event in pool.events()] == [Said, Ended]
    return events


def send(content: bytes, *, size: int = 1) -> Iterator[int]:
    """Foreign code that finds the pipe of its worker, writes into it, and then waits for ever."""
    pipe = next(one for one in gc.get_objects() if isinstance(one, Connection))
    for _ in range(size):
        os.write(pipe.fileno(), content)
    signal.pause()
    yield 0


@pytest.mark.parametrize(
    ("content", "size", "reason"),
    [
        (b"\x80\x04garbage\n", 1, "sent a line that is not an event of a job"),
        (b"7\n", 1, "sent a line that is not an event of a job"),
        (b'["said"]\n', 1, "sent a line that is not an event of a job"),
        (b'["stop",1]\n', 1, "sent a line that is not an event of a job"),
        (b"[" * 100_000 + b"\n", 1, "sent a line that is not an event of a job"),
        (b'["said",' + b"9" * 100_000 + b"]\n", 1, "sent a line that is not an event of a job"),
        (b"x" * 1_000_000, 100, "sent a line of more than 4 MiB"),
    ],
)
def test_a_worker_that_sends_garbage_loses_its_own_job(content: bytes, size: int, reason: str) -> None:
    events = run_one(partial(send, content, size=size))
    assert isinstance(events[-1], WorkerLost)
    assert reason in events[-1].reason


def close_pipe() -> Iterator[int]:
    pipe = next(one for one in gc.get_objects() if isinstance(one, Connection))
    os.write(pipe.fileno(), b'["said",1')
    pipe.close()
    signal.pause()
    yield 0


def test_a_worker_that_closes_its_pipe_in_the_middle_of_a_line_loses_its_own_job() -> None:
    (lost,) = run_one(close_pipe)
    assert lost.reason == "its worker process closed its connection, so it was ended"


class Evil:
    """An object that executes code where it is unpickled."""

    def __reduce__(self) -> Any:
        return os._exit, (3,)


def yield_evil() -> Iterator[Any]:
    yield Evil()


def test_a_job_sends_plain_data_and_no_python_object() -> None:
    (lost,) = run_one(yield_evil)
    assert lost.reason == "TypeError: Object of type Evil is not JSON serializable"


def test_the_receiver_never_waits_for_the_rest_of_a_line() -> None:
    worker = Worker({})
    worker.give(Job("half", partial(send, b'["said",')))
    assert worker.receive() == []
    worker.kill()


def test_a_worker_starts_with_exactly_the_environment_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", "x")
    with Pool([{"HIDDEN": None, "SET": "y"}]) as pool:
        pool.submit(Job("look", look, ("HIDDEN", "SET")))
        assert [event.item for event in pool.events() if isinstance(event, Said)] == [None, "y"]
    assert os.environ["HIDDEN"] == "x"


def look(*names: str) -> Iterator[str | None]:
    yield from map(os.environ.get, names)
