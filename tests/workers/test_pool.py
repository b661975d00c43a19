"""The pool of worker processes, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ablate.workers.pool import Ended, Job, Pool, Said, WorkerLost

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
print(worker.receive().item, flush=True)
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
