"""A dispatcher in a separate process, so that a broken one cannot end the service.

Ray ends the process that uses it when one of its own processes dies while trials run, and it replaces our signal
handlers. So it does not run in the service: each call of the interface is one job of a worker of
`ablate.workers.pool`, which ends with the service. If the worker dies or does not answer, the
dispatcher counts as broken. Nothing is decided here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.study.resources import Resources
from ablate.trials.machine import find_fault
from ablate.workers.pool import Job, Said, Worker, WorkerLost
from service.dispatch.interface import Dispatcher, DispatcherError, Report, Ticket
from service.dispatch.leftovers import sweep
from service.dispatch.machines import Machine
from service.dispatch.trial_worker import hidden_variables
from service.errors import UnavailableError

START_S, ANSWER_S, CLOSE_S = 180.0, 30.0, 15.0
"""How long a call may take. Ray takes seconds to start, on a busy machine a minute; among the other calls only `poll`
waits, for the time that it was given."""
LOOK_S = 0.2
"""How often a start looks whether the service ends."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The answer to a call that raised `DispatcherError`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Away:
    """The answer to a call that met a fault of the machine, such as a full disk."""

    reason: str


class Apart:
    """A `Dispatcher`; see there. A closed one is not started again.

    Args:
        kind: of the dispatcher inside.
        build: makes it, in the other process; pickled.
        home: state directory, in which the dispatcher inside records its processes (`leftovers`); they are killed where
            it could not end them itself.
        is_ending: whether the service ends; a start is given up then.
    """

    def __init__(
        self, kind: str, build: Callable[[], Dispatcher], home: Path, is_ending: Callable[[], bool] = lambda: False
    ) -> None:
        self._kind, self._build, self._home, self._is_ending = kind, build, home, is_ending
        self._worker: Worker | None = None

    @property
    def kind(self) -> str:
        """See `Dispatcher`."""
        return self._kind

    @property
    def pid(self) -> int | None:
        """Number of the process; None if there is none."""
        return self._worker.child.pid if self._worker else None

    def start(self) -> None:
        """See `Dispatcher`.

        Raises:
            DispatcherError: it does not start; no process is left.
        """
        hidden = {name: None for name in hidden_variables() if not name.startswith("RAY_")}  # those open a cluster
        try:
            self._worker = Worker(hidden, is_trusted=True)  # a trial's messages are opened in there
        except OSError as error:
            raise DispatcherError(f"the process of {self._kind} cannot be started: {error.strerror}") from error
        try:
            self._ask(START_S, _start, self._build)
        except DispatcherError:
            self.close()
            raise

    def machines(self) -> Sequence[Machine]:
        """See `Dispatcher`."""
        return list(self._call("machines"))

    def room(self, resources: Resources) -> int:
        """See `Dispatcher`."""
        return int(self._call("room", resources))

    def submit(self, ticket: Ticket) -> None:
        """See `Dispatcher`."""
        self._call("submit", ticket)

    def stop(self, ticket: Ticket) -> None:
        """See `Dispatcher`."""
        self._call("stop", ticket)

    def poll(self, timeout_s: float) -> list[Report]:
        """See `Dispatcher`."""
        return list(self._call("poll", timeout_s, within_s=ANSWER_S + timeout_s))

    def close(self) -> None:
        """See `Dispatcher`. Processes that a broken or hanging dispatcher does not end itself are killed."""
        if self._worker is None:
            return
        try:
            self._call("close", within_s=CLOSE_S)
            is_closed = True
        except DispatcherError:  # the caller knows why it is broken; the rest is done below
            is_closed = False
        self._worker.kill()
        self._worker = None
        if not is_closed:
            sweep(self._home)

    def _call(self, name: str, *args: Any, within_s: float = ANSWER_S) -> Any:
        return self._ask(within_s, _call, name, *args)

    def _ask(self, within_s: float, function: Callable[..., Iterator[Any]], *args: Any) -> Any:
        """The answer of a function in the other process.

        Raises:
            DispatcherError: the dispatcher there is broken, or the process died or does not answer in time.
            UnavailableError: a fault of the machine, such as a full disk.
        """
        worker = self._worker
        if worker is None or worker.job is not None or not worker.is_alive:
            raise DispatcherError(f"the process of {self._kind} has ended or hangs")
        worker.give(Job(self._kind, function, args))
        answer = None
        while worker.job is not None:
            self._wait(worker, within_s, can_end=function is _start)
            for event in worker.receive():
                if isinstance(event, Said):
                    answer = event.item
                elif isinstance(event, WorkerLost):
                    if worker.is_alive:  # an error of ours, not a broken dispatcher
                        raise RuntimeError(f"in the process of {self._kind}: {event.reason}")
                    raise DispatcherError(f"{self._kind}: {event.reason}")
        if isinstance(answer, Broken):
            raise DispatcherError(answer.reason)
        if isinstance(answer, Away):
            raise UnavailableError(answer.reason, part="disk")
        return answer

    def _wait(self, worker: Worker, within_s: float, *, can_end: bool) -> None:
        """Wait until the process says something."""
        deadline = time.monotonic() + within_s
        while not worker.pipe.poll(LOOK_S if can_end else within_s):
            if can_end and self._is_ending():
                raise DispatcherError(f"the start of {self._kind} is given up, because the service ends")
            if time.monotonic() >= deadline:
                raise DispatcherError(f"the process of {self._kind} does not answer within {within_s:g} s")


_inside: list[Dispatcher] = []
"""In the other process: the dispatcher, from one job to the next."""


def _start(build: Callable[[], Dispatcher]) -> Iterator[Any]:
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # Ray prints the complaints of all its processes; we log them ourselves
    _inside.append(build())
    yield from _call("start")


def _call(name: str, *args: Any) -> Iterator[Any]:
    try:
        yield getattr(_inside[0], name)(*args)
    except DispatcherError as error:
        yield Broken(str(error))
    except OSError as error:
        fault = find_fault(error)
        if fault is None:
            raise
        yield Away(fault)
