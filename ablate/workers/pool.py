"""A pool of warm worker processes that carry out jobs and stream their results.

Workers are started once, import heavy modules once, and stay. A job is a function that returns an iterator; the caller
receives each item when it is yielded. A worker that dies takes only its own job with it: the caller receives
`WorkerLost`, a new worker takes its place, and the caller decides whether to try the job again. The pool does not know
what a trial is.

Jobs may be foreign code, so what a worker sends is read as plain data: lines of JSON, of limited length. A worker that
sends anything else loses its job. Only a worker that runs no foreign code (`is_trusted`) may send Python objects.
"""

from __future__ import annotations

import base64
import math
import os
import pickle
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from pydantic_core import from_json

from ablate.workers.child import EXIT_S, Child, describe_end
from ablate.workers.environment import WORKER_ENVIRONMENT
from ablate.workers.own_code import arguments_for

PATIENCE_S = 3.0
"""How long a busy worker may take to notice that the pool was left; then it is killed."""
MAX_LINE_BYTES = 4 << 20
"""Longest line of a worker that is not trusted."""
CHUNK_BYTES = 1 << 16
LOOK_S = 3600.0
"""Longest wait for the limit of a job: the system takes no number of any size."""
START_S = 60.0
"""How long a worker may import what a job needs; that does not count for the limit of the job."""
START = """
import sys
from multiprocessing.connection import Connection
pipe = Connection(int(sys.argv[1]))
from ablate.workers.loop import work
work(pipe)
"""
"""What a worker executes."""


@dataclass(frozen=True, slots=True)
class Job:
    """`function(*args)`, to be iterated in a worker. Function and arguments are pickled.

    Attributes:
        limit_s: seconds after its first item at which it is ended; None: no limit. Before the first item its worker
            starts, and it has `START_S` more.
    """

    name: str
    function: Callable[..., Iterable[Any]]
    args: tuple[Any, ...] = ()
    limit_s: float | None = None


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
    """A job's worker died, or the job raised.

    Attributes:
        is_late: whether it was ended because the job took longer than its limit.
    """

    job: Job
    reason: str
    is_late: bool = False


class Worker:
    """A process, the pipe to it, and its job.

    Attributes:
        job: what it does; None if it is idle.
        due_s: monotonic time at which the job has taken longer than its limit; the caller ends it then.

    Args:
        environment: variables that the process starts with; None removes a variable of this process.
        warm: modules to import before the first job.
        is_trusted: whether its jobs run only code of ablate, so that their items may be any Python objects.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(
        self, environment: Mapping[str, str | None], warm: Sequence[str] = (), *, is_trusted: bool = False
    ) -> None:
        self.job: Job | None = None
        self.due_s = math.inf
        self._has_begun = False
        self._is_trusted = is_trusted
        self._buffer = bytearray()
        variables = {**os.environ, **WORKER_ENVIRONMENT, **environment}
        ours, theirs = socket.socketpair()
        self.pipe = Connection(ours.detach())
        with theirs:
            self.child = Child(
                [*arguments_for(START), str(theirs.fileno())],
                {name: value for name, value in variables.items() if value is not None},
                pass_fds=[theirs.fileno()],
            )
        with suppress(OSError):  # it died just now, which `receive` reports
            self.pipe.send((tuple(warm), is_trusted))

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.child.is_alive

    @property
    def exit_status(self) -> int | None:
        """Exit status of the process, after it was killed or lost; negative: number of the signal that ended it."""
        return self.child.process.returncode

    def give(self, job: Job) -> None:
        """Send it a job; it must have none."""
        self.job, self._has_begun = job, False
        self.due_s = math.inf if job.limit_s is None else time.monotonic() + START_S + job.limit_s
        with suppress(OSError):  # it died just now, which `receive` reports
            self.pipe.send(job)

    def receive(self) -> list[Said | Ended | WorkerLost]:
        """Events of its job. Waits for the process to send something, but not for the rest of a line.

        A worker that turns out to be dead, or sends what is not an event, is killed; then its job is lost.
        """
        job = self.job
        assert job is not None
        try:
            part = os.read(self.pipe.fileno(), CHUNK_BYTES)
        except OSError:
            part = b""
        if not part:
            return [self._lose(job, self._end())]
        *lines, rest = part.split(b"\n")
        if lines:
            lines[0] = bytes(self._buffer + lines[0])
            self._buffer.clear()
        self._buffer += rest
        if len(self._buffer) > MAX_LINE_BYTES and not self._is_trusted:
            return [self._lose(job, f"sent a line of more than {MAX_LINE_BYTES >> 20} MiB, so it was ended")]
        events: list[Said | Ended | WorkerLost] = []
        for line in lines:
            try:
                event = self._parse(job, line)
            except (ValueError, TypeError):
                return [*events, self._lose(job, "sent a line that is not an event of a job, so it was ended")]
            events.append(event)
            if not self._has_begun and job.limit_s is not None:
                self.due_s = time.monotonic() + job.limit_s
            self._has_begun = True
            if not isinstance(event, Said):
                self.job = None
                if self._buffer or len(events) < len(lines):  # an idle worker is silent
                    self.kill()
                break
        return events

    def kill(self) -> None:
        """Kill the process and everything that its job started, and wait for it."""
        self.job = None
        self.child.kill()
        self.pipe.close()

    def end_late_job(self) -> WorkerLost:
        """Kill the process, because its job took longer than its limit."""
        job = self.job
        assert job is not None
        self.kill()
        return WorkerLost(job, f"it took longer than {job.limit_s:g} s, so it was ended", is_late=True)

    def _parse(self, job: Job, line: bytes) -> Said | Ended | WorkerLost:
        kind, item = from_json(line)
        if kind == "said":
            return Said(job, pickle.loads(base64.b64decode(item)) if self._is_trusted else item)
        if kind == "lost":
            return WorkerLost(job, str(item))
        if kind != "ended":
            raise ValueError(f"unknown event {kind!r}")
        return Ended(job)

    def _lose(self, job: Job, how: str) -> WorkerLost:
        self.kill()
        return WorkerLost(job, f"its worker process {how}")

    def _end(self) -> str:
        """How a process ended whose pipe is closed, which happens a moment before it has its exit status."""
        has_ended = self.child.wait(EXIT_S)
        self.kill()
        return describe_end(self.exit_status) if has_ended else "closed its connection, so it was ended"


class Pool:
    """Worker processes and the queue of their jobs; a context manager that leaves no process.

    Args:
        environments: for each worker the environment variables that it starts with.
        warm: imported by every worker before its first job.
        is_trusted: see `Worker`.
    """

    def __init__(
        self, environments: Sequence[Mapping[str, str | None]], warm: Sequence[str] = (), *, is_trusted: bool = False
    ) -> None:
        self._environments = environments
        self._warm = warm
        self._is_trusted = is_trusted
        self._queue: deque[Job] = deque()
        self._workers: list[Worker] = []

    def __enter__(self) -> Pool:
        try:
            for environment in self._environments:
                self._workers.append(self._start(environment))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle worker ends now, a busy one when its job yields the next item
        deadline = time.monotonic() + PATIENCE_S
        for worker in self._workers:
            worker.child.wait(max(deadline - time.monotonic(), 0))
            worker.kill()
        self._workers = []

    def submit(self, job: Job, *, is_next: bool = False) -> None:
        """Put a job at the end of the queue, or at its head. Jobs may be submitted while events are read."""
        if is_next:
            self._queue.appendleft(job)
        else:
            self._queue.append(job)

    def clear(self) -> None:
        """Drop the jobs that no worker has begun."""
        self._queue.clear()

    def events(self) -> Iterator[Said | Ended | WorkerLost]:
        """Events of all jobs, until nothing is queued or running."""
        while True:
            self._assign_jobs()
            busy = {worker.pipe: worker for worker in self._workers if worker.job}
            if not busy:
                return
            left_s = min(worker.due_s for worker in busy.values()) - time.monotonic()
            for pipe in wait(list(busy), None if left_s == math.inf else min(max(left_s, 0), LOOK_S)):
                yield from busy[pipe].receive()  # type: ignore[index]
            yield from [one.end_late_job() for one in busy.values() if one.job and one.due_s <= time.monotonic()]

    def _start(self, environment: Mapping[str, str | None]) -> Worker:
        return Worker(environment, self._warm, is_trusted=self._is_trusted)

    def _assign_jobs(self) -> None:
        for index, worker in enumerate(self._workers):
            if worker.job or not self._queue:
                continue
            if not worker.is_alive:
                worker.kill()
                worker = self._workers[index] = self._start(self._environments[index])
            worker.give(self._queue.popleft())
