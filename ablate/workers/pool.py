"""A pool of warm worker processes that carry out jobs and stream their results.

Workers are spawned once, import heavy modules once, and stay. A job is a function that returns an iterator; the caller
receives each item when it is yielded. A worker that dies takes only its own job with it: the caller receives
`WorkerLost`, a new worker takes its place, and the caller decides whether to try the job again. The pool does not know
what a trial is.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ablate.workers.child import describe_end, watch

WORKER_ENVIRONMENT = {
    # Large blocks are kept instead of given back to the system after every step: up to 2.6 x on large activations.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    # Otherwise the profiler that measures memory prints to the terminal.
    "KINETO_LOG_LEVEL": "99",
}

PATIENCE_S = 3.0
"""How long a busy worker may take to notice that the pool was left; then it is killed."""


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
    """A job has yielded everything."""

    job: Job


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A job's worker died, or the job raised."""

    job: Job
    reason: str


class Worker:
    """A process, the pipe to it, and its job.

    Args:
        environment: variables that the process starts with; None removes a variable of this process.
        warm: modules to import before the first job.
    """

    def __init__(self, environment: Mapping[str, str | None], warm: Sequence[str] = ()) -> None:
        context = multiprocessing.get_context("spawn")
        self.job: Job | None = None
        self._is_killed = False
        self.pipe, theirs = context.Pipe()
        with child_environment({**WORKER_ENVIRONMENT, **environment}), _main_module_hidden():
            self.process: BaseProcess = context.Process(target=_work, args=(theirs, tuple(warm)), daemon=True)
            self.process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.is_alive()

    def give(self, job: Job) -> None:
        """Send it a job; it must have none."""
        self.job = job
        with suppress(OSError):  # it died just now, which `receive` reports
            self.pipe.send(job)

    def receive(self) -> Said | Ended | WorkerLost:
        """The next event of its job; waits for it. A worker that turns out to be dead is cleaned up."""
        job = self.job
        assert job is not None
        try:
            kind, item = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(timeout=1.0)  # the pipe closes a moment before the process has its exit status
            self.kill()
            return WorkerLost(job, f"its worker process {describe_end(self.process.exitcode)}")
        if kind == "said":
            return Said(job, item)
        self.job = None
        return Ended(job) if kind == "ended" else WorkerLost(job, item)

    def kill(self) -> None:
        """Kill the process and everything that its job started, and wait for it."""
        self.job = None
        if self._is_killed:  # another process may have its number by now
            return
        self._is_killed = True
        assert self.process.pid is not None
        with suppress(ProcessLookupError):  # the group is gone, or the process has not made it yet
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Pool:
    """Worker processes and the queue of their jobs; a context manager that leaves no process.

    Args:
        environments: for each worker the environment variables that it starts with.
        warm: imported by every worker before its first job.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]], warm: Sequence[str] = ()) -> None:
        self._environments = environments
        self._warm = warm
        self._queue: deque[Job] = deque()
        self._workers: list[Worker] = []

    def __enter__(self) -> Pool:
        self._workers = [Worker(environment, self._warm) for environment in self._environments]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle worker ends now, a busy one when its job yields the next item
        deadline = time.monotonic() + PATIENCE_S
        for worker in self._workers:
            worker.process.join(timeout=max(deadline - time.monotonic(), 0))
            worker.kill()
        self._workers = []

    def submit(self, job: Job, *, is_next: bool = False) -> None:
        """Put a job at the end of the queue, or at its head. Jobs may be submitted while events are read."""
        if is_next:
            self._queue.appendleft(job)
        else:
            self._queue.append(job)

    def events(self) -> Iterator[Said | Ended | WorkerLost]:
        """Events of all jobs, until nothing is queued or running."""
        while True:
            self._assign_jobs()
            busy = {worker.pipe: worker for worker in self._workers if worker.job}
            if not busy:
                return
            for pipe in wait(list(busy)):
                yield busy[pipe].receive()  # type: ignore[index]

    def _assign_jobs(self) -> None:
        for index, worker in enumerate(self._workers):
            if worker.job or not self._queue:
                continue
            if not worker.is_alive:
                worker.kill()
                worker = self._workers[index] = Worker(self._environments[index], self._warm)
            worker.give(self._queue.popleft())


@contextmanager
def child_environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Environment variables for the processes that are started inside the block; None removes a variable."""
    before = {name: os.environ.get(name) for name in values}
    _set_variables(values)
    try:
        yield
    finally:
        _set_variables(before)


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Processes that are started inside the block do not import the main module of this process.

    Otherwise `spawn` runs it again in each of them: a script without `if __name__ == "__main__":` would start itself,
    and a script from standard input has no file that could be run. Jobs are functions of modules, so none is missed.
    """
    main = sys.modules["__main__"]
    spec, file = main.__spec__, vars(main).pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _work(pipe: Connection, warm: Sequence[str]) -> None:
    """The main loop of a worker, which leads its own process group. The parent handles Ctrl-C.

    A parent that needs nothing more has closed the pipe, which ends the worker when its job yields the next item.
    """
    os.setsid()
    # A daemon may not have children, since they could outlive it. A worker's children end with its group.
    multiprocessing.current_process().daemon = False
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    watch(parent.sentinel)
    for module in warm:
        __import__(module)
    try:
        while True:
            _carry_out(pipe.recv(), pipe)
    except (EOFError, OSError):  # of the pipe alone: the parent has ended, or needs nothing more
        return


def _carry_out(job: Job, pipe: Connection) -> None:
    """Send the items of a job, and how it ended."""
    items = iter(job.function(*job.args))
    while True:
        try:
            item = next(items)
        except StopIteration:
            return pipe.send(("ended", None))
        except Exception as error:  # reported to the caller, who decides; the worker stays
            return pipe.send(("lost", f"{type(error).__name__}: {error}"))
        pipe.send(("said", item))
