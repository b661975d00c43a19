"""A pool of warm worker processes that carry out jobs and stream what they say.

Workers are spawned once, import what is heavy once, and stay. A job is a function that returns an iterator; what it
yields reaches the caller as it comes. A worker that dies takes only its own job with it: the caller hears `Lost`, a new
worker takes its place, and whether the job is tried again is the caller's decision. The pool knows no trials.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

WORKER_ENVIRONMENT = {
    # Large blocks are kept instead of given back to the system after every step: up to 2.6 x on large activations.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    # The profiler that measures memory talks to the terminal otherwise.
    "KINETO_LOG_LEVEL": "99",
}

PATIENCE_S = 3.0
"""How long a busy worker may take to notice that the pool is left, before it is killed."""


@dataclass(frozen=True, slots=True)
class Job:
    """`function(*args)`, to be iterated in a worker. Function and arguments are pickled."""

    name: str
    function: Callable[..., Iterable[Any]]
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A job yielded something."""

    job: Job
    item: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """A job is done."""

    job: Job


@dataclass(frozen=True, slots=True)
class Lost:
    """A job's worker died, or the job raised."""

    job: Job
    reason: str


@dataclass(slots=True)
class Worker:
    """A process, the pipe to it, and the job it has."""

    process: BaseProcess
    pipe: Connection
    environment: Mapping[str, str]
    job: Job | None = None


class Pool:
    """Worker processes with a queue before them; a context manager that leaves no process.

    Args:
        environments: one a worker, environment variables that it starts with.
        warm: imported by every worker before its first job.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]], warm: Sequence[str] = ()) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._environments = environments
        self._warm = tuple(warm)
        self._queue: deque[Job] = deque()
        self._workers: list[Worker] = []

    def __enter__(self) -> Pool:
        self._workers = [self._start(environment) for environment in self._environments]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle worker ends at once, a busy one when its job next says something
        deadline = time.monotonic() + PATIENCE_S
        for worker in self._workers:
            worker.process.join(timeout=max(deadline - time.monotonic(), 0))
            worker.process.kill()
            worker.process.join()
        self._workers = []

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue. Jobs may be submitted while events are read."""
        self._queue.append(job)

    def events(self) -> Iterator[Said | Ended | Lost]:
        """What the jobs say, until nothing is queued or running."""
        while True:
            self._hand_out()
            busy = {worker.pipe: worker for worker in self._workers if worker.job}
            if not busy:
                return
            for pipe in wait(list(busy)):
                event = self._receive(busy[pipe])  # type: ignore[index]
                if event is not None:
                    yield event

    def _start(self, environment: Mapping[str, str]) -> Worker:
        ours, theirs = self._context.Pipe()
        with child_environment({**WORKER_ENVIRONMENT, **environment}):
            process = self._context.Process(target=_work, args=(theirs, self._warm), daemon=True)
            process.start()
        theirs.close()
        return Worker(process, ours, environment)

    def _hand_out(self) -> None:
        for index, worker in enumerate(self._workers):
            if worker.job or not self._queue:
                continue
            if not worker.process.is_alive():
                worker = self._workers[index] = self._replace(worker)
            worker.job = self._queue.popleft()
            worker.pipe.send(worker.job)

    def _receive(self, worker: Worker) -> Said | Ended | Lost | None:
        job = worker.job
        assert job is not None
        try:
            kind, item = worker.pipe.recv()
        except (EOFError, OSError):
            self._workers[self._workers.index(worker)] = self._replace(worker)
            return Lost(job, _how_it_died(worker.process))
        if kind == "said":
            return Said(job, item)
        worker.job = None
        return Ended(job) if kind == "ended" else Lost(job, item)

    def _replace(self, worker: Worker) -> Worker:
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        return self._start(worker.environment)


def _how_it_died(process: BaseProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        hint = " (out of memory?)" if code == -signal.SIGKILL else ""
        return f"its worker process was ended by {signal.Signals(-code).name}{hint}"
    return f"its worker process ended with status {code}"


@contextmanager
def child_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the processes started inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _work(pipe: Connection, warm: Sequence[str]) -> None:
    """A worker's life. Ctrl-C is the parent's business; a parent that is gone has closed the pipe, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in warm:
        __import__(module)
    try:
        while True:
            _carry_out(pipe.recv(), pipe)
    except (EOFError, OSError):  # of the pipe alone: the parent is gone, or wants no more
        return


def _carry_out(job: Job, pipe: Connection) -> None:
    """Send what a job yields, and how it ended."""
    items = iter(job.function(*job.args))
    while True:
        try:
            item = next(items)
        except StopIteration:
            return pipe.send(("ended", None))
        except Exception as error:  # reported to the caller, who decides; the worker stays
            return pipe.send(("lost", f"{type(error).__name__}: {error}"))
        pipe.send(("said", item))
