"""The dispatcher on Ray: warm actors, one generator call a trial, whose messages come as a stream."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ablate.study.resources import Resources
from ablate.trials.log import note_end
from service.dispatch.interface import LossKind, Report, Ticket, TrialLost, is_last, open_report
from service.dispatch.leftovers import is_alive
from service.dispatch.machines import Machine
from service.dispatch.places import MAX_REPORTS, Place, Places
from service.dispatch.ray_cluster import RayCluster
from service.dispatch.this_machine import OomKills, find_limit
from service.dispatch.trial_worker import without_folders

CANCEL_S = 1.0
"""How long a stopped trial has until its next message; then its process is killed."""
LOOK_S = 1.0
"""How often Ray itself is checked while `poll` waits."""


@dataclass(slots=True, eq=False)
class Actor:
    """A worker on Ray.

    Attributes:
        handle: Ray's.
        hello: reference to its first answer; None once that was received.
        process: the process of a worker on this machine, once it has answered.
        stream: the messages of its trial; None without one.
        farewell: reference to its answer to a call after a trial that is being stopped: then the trial is over. The
            trial's own call ends too early, and a trial that is stopped before it began may begin nevertheless.
        kill_at_s: monotonic time at which a trial that is being stopped is killed.
    """

    handle: Any
    hello: Any
    process: psutil.Process | None = None
    stream: Any = None
    farewell: Any = None
    kill_at_s: float = math.inf

    @property
    def awaited(self) -> Any:
        """Reference to the next message of its trial."""
        return self.stream if self.farewell is None else self.farewell

    def free(self) -> None:
        """Its trial is over."""
        self.stream = self.farewell = None
        self.kill_at_s = math.inf


class RayDispatcher:
    """A `Dispatcher`; see there. One at a time in a process; a closed one is not started again.

    Every method raises `DispatcherError` where Ray is broken.

    Args:
        home: state directory.
        address: `host:port` of a running cluster; None starts a Ray of our own on this machine.
        workers: CPUs (on GPUs: trials) used at the same time; None: all of them.
    """

    kind = "ray"

    def __init__(self, home: Path, address: str | None, workers: int | None) -> None:
        self._cluster = RayCluster(home, address, workers)
        self._places: Places[Actor] = Places(
            workers if address else find_limit(workers), start=self._start_actor, end=self._kill
        )
        self._reports: list[Report] = []
        self._oom_kills = OomKills()

    def start(self) -> None:
        """See `Dispatcher`."""
        self._cluster.start()
        self._look()
        self._places.warm(Resources())

    def machines(self) -> Sequence[Machine]:
        """See `Dispatcher`."""
        self._look()
        return list(self._places.machines.values())

    def room(self, resources: Resources) -> int:
        """See `Dispatcher`."""
        return self._places.room(resources)

    def submit(self, ticket: Ticket) -> None:
        """See `Dispatcher`."""
        self._look()
        refusal = self._places.refusal(ticket.resources)
        if refusal is not None:
            self._reports.append(TrialLost(ticket, "infeasible", refusal))
            return
        with self._cluster.reached():
            place = self._places.occupy(ticket)
            if place.worker.process and not is_alive(place.worker.process):  # it died while it had nothing to do
                place.worker = self._start_actor(place)
            call = place.worker.handle.run_ticket.options(num_returns="streaming")
            place.worker.stream = call.remote(ticket.trial, ticket.fence, ticket.workdir, ticket.needs)

    def stop(self, ticket: Ticket) -> None:
        """See `Dispatcher`."""
        place = self._places.find(ticket)
        if place is not None and place.worker.farewell is None:
            self._cluster.ray.cancel(place.worker.stream)
            place.worker.farewell = place.worker.handle.hello.remote()
            place.worker.kill_at_s = time.monotonic() + CANCEL_S

    def poll(self, timeout_s: float) -> list[Report]:
        """See `Dispatcher`."""
        deadline_s = time.monotonic() + timeout_s
        reports, self._reports = self._reports, []
        with self._cluster.reached():
            while True:
                self._look()
                self._kill_the_overdue()
                reports += self._collect(0 if reports else self._patience_s(deadline_s))
                if reports or not self._places.busy() or time.monotonic() >= deadline_s:
                    return reports

    def close(self) -> None:
        """See `Dispatcher`."""
        self._cluster.close()

    def _look(self) -> None:
        self._places.set_machines(self._cluster.look())

    def _start_actor(self, place: Place[Actor]) -> Actor:
        """A worker that imports what trials need, in the background."""
        handle = self._cluster.start_actor(place.machine, place.resources)
        return Actor(handle, handle.hello.remote())

    def _kill(self, actor: Actor) -> None:
        self._cluster.kill(actor.handle, actor.process)

    def _kill_the_overdue(self) -> None:
        for place in self._places.busy():
            if time.monotonic() >= place.worker.kill_at_s:
                place.worker.kill_at_s = math.inf
                self._kill(place.worker)

    def _patience_s(self, deadline_s: float) -> float:
        """How long to wait for a message before something else is due; 0 if no trial can send one."""
        due_s = min((place.worker.kill_at_s for place in self._places.busy()), default=0)
        return max(min(deadline_s, due_s, time.monotonic() + LOOK_S) - time.monotonic(), 0)

    def _collect(self, timeout_s: float) -> list[Report]:
        """Everything that is ready; waits for the first of it."""
        reports: list[Report] = []
        while len(reports) < MAX_REPORTS:
            awaited = self._awaited()
            count = 1 if timeout_s else len(awaited)
            ready = self._cluster.ray.wait(list(awaited), num_returns=count, timeout=timeout_s)[0] if awaited else []
            if not ready:
                break
            received = [self._receive(awaited[reference], reference) for reference in ready]
            reports += [report for report in received if report is not None]
            timeout_s = 0
        return reports

    def _awaited(self) -> dict[Any, Place[Actor]]:
        places = self._places.all()
        trials = {place.worker.awaited: place for place in places if place.ticket}
        return trials | {place.worker.hello: place for place in places if place.worker.hello is not None}

    def _receive(self, place: Place[Actor], reference: Any) -> Report | None:
        actor = place.worker
        if reference == actor.hello:
            self._greet(place)
        elif place.ticket is not None and reference == actor.awaited:  # else of a worker replaced a moment ago
            return self._receive_message(place) if actor.farewell is None else self._receive_end(place)
        return None

    def _greet(self, place: Place[Actor]) -> None:
        """A worker is warm, or died before; in that case its trial, if it has one, reports it."""
        hello, place.worker.hello = place.worker.hello, None
        try:
            place.worker.process = self._cluster.find_process(self._cluster.ray.get(hello))
        except self._cluster.ray.exceptions.RayError:
            if place.ticket is None:
                self._places.drop(place)

    def _receive_message(self, place: Place[Actor]) -> Report:
        assert place.ticket is not None
        errors = self._cluster.ray.exceptions
        try:
            text = self._cluster.ray.get(next(place.worker.stream))
        except StopIteration:
            return self._lose(place, "worker", "its worker sent no outcome")
        except errors.RayTaskError as error:  # not from the task, nor from the machine: an error of ours
            return self._lose(place, "worker", without_folders(f"{type(error.cause).__name__}: {error.cause}"))
        except errors.OutOfMemoryError:
            return self._lose(place, "oom", "Ray killed its worker because the machine ran out of memory", is_gone=True)
        except errors.RayError:
            if self._cluster.is_ours and self._oom_kills.have_grown():
                return self._lose(
                    place, "oom", "its worker was killed because the machine ran out of memory", is_gone=True
                )
            return self._lose(place, "worker", "its worker process died", is_gone=True)
        report = open_report(place.ticket, place.check, text)
        if isinstance(report, TrialLost):
            return self._lose(place, report.kind, report.reason, is_gone=report.kind == "worker")
        if is_last(report):
            place.ticket = None
            place.worker.free()
        return report

    def _receive_end(self, place: Place[Actor]) -> Report:
        """A trial that is being stopped has ended, by itself or with its worker."""
        try:
            self._cluster.ray.get(place.worker.farewell)
        except self._cluster.ray.exceptions.RayError:
            return self._lose(place, "stopped", "it was stopped", is_gone=True)
        return self._lose(place, "stopped", "it was stopped")

    def _lose(self, place: Place[Actor], kind: LossKind, reason: str, *, is_gone: bool = False) -> TrialLost:
        """Free the place of a trial; a worker that has ended is replaced."""
        assert place.ticket is not None
        lost = TrialLost(place.ticket, kind, reason)
        if is_gone:
            note_end(place.ticket.workdir, reason if kind == "stopped" else f"lost: {reason}")
            self._kill(place.worker)
            self._places.set_machines(self._cluster.look(is_due=True))  # its machine may be gone too
            self._places.renew(place)
        else:
            place.ticket = None
            place.worker.free()
        return lost
