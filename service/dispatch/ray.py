"""The dispatcher on Ray: warm actors on this machine or on a cluster. The only importer of ray.

Ray gives processes and carries what they say; it decides nothing. We say on which machine an actor is, so that it never
waits for room, and Ray neither restarts nor retries. Each trial is one call of a generator method, whose messages come
as a stream. A local Ray that lost a part of itself is not mended: it is said to be broken, and thrown away.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from ablate.pool import WORKER_ENVIRONMENT, child_environment
from ablate.study import Resources
from ablate.trial import Outcome
from service.dispatch import leftovers
from service.dispatch.base import DispatcherError, Heard, Lost, Machine, Report, Ticket
from service.dispatch.places import MOST_REPORTS, Place, Places
from service.dispatch.ray_home import ALWAYS, RayHome
from service.dispatch.remote import Worker, without_folders, worker_variables
from service.dispatch.this_machine import OomKills, find_machine

RAY_LOGS = "session_latest/logs of Ray's folder"
OBJECT_STORE_BYTES = 80 << 20
"""Near Ray's least. Messages are small, and trials load their data themselves."""
CANCEL_S = 1.0
"""How long a stopped trial has to come to its next message; then its process is killed."""
LOOK_S = 1.0
"""How often Ray itself is looked at while `poll` waits."""
LIST_S = 5.0
"""How often the machines of a cluster are listed."""


@dataclass(slots=True, eq=False)
class Actor:
    """A worker on Ray.

    Attributes:
        handle: Ray's.
        hello: Ray's reference to its first answer; None once that was heard.
        process: of a worker on this machine that has said hello.
        stream: the messages of its trial; None without one.
        kill_at: monotonic time; None unless its trial is being stopped.
    """

    handle: Any
    hello: Any
    process: psutil.Process | None = None
    stream: Any = None
    kill_at: float | None = None

    @property
    def awaited(self) -> Any:
        """What to wait for. A cancelled stream is at its end at once, though the trial may run on: its call is not."""
        return self.stream if self.kill_at is None else self.stream.completed()


class RayDispatcher:
    """A `Dispatcher`; see there. One at a time in a process; a closed one is not started again.

    Args:
        home: state directory.
        address: of a cluster that runs already; None starts a Ray of our own on this machine.
        workers: CPUs (on GPUs: trials) used at once; None: as many as there are.
    """

    kind = "ray"

    def __init__(self, home: Path, address: str | None, workers: int | None) -> None:
        self._home, self._address, self._workers = home, address, workers
        self._places: Places[Actor] = Places(workers, start=self._start_actor, end=self._kill)
        self._reports: list[Report] = []
        self._ray: Any = None
        self._actor_class: Any = None
        self._own: RayHome | None = None  # where Ray is ours
        self._oom_kills = OomKills()
        self._listed_s = 0.0

    def start(self) -> None:
        """See `Dispatcher`.

        Raises:
            DispatcherError: Ray does not start, or the cluster is not reached.
        """
        if self._address is None:
            self._start_local()
        else:
            mode = os.environ.get("RAY_AUTH_MODE", "token")
            self._init({**ALWAYS, "RAY_AUTH_MODE": mode}, address=self._address)
        self._actor_class = self._ray.remote(Worker)
        self._list_machines()
        self._places.warm(Resources())

    def machines(self) -> Sequence[Machine]:
        """See `Dispatcher`.

        Raises:
            DispatcherError: Ray is broken; a service without work notices it here.
        """
        self._look()
        return list(self._places.machines.values())

    def room(self, resources: Resources) -> int:
        """See `Dispatcher`."""
        return self._places.room(resources)

    def submit(self, ticket: Ticket) -> None:
        """See `Dispatcher`.

        Raises:
            DispatcherError: Ray is broken.
        """
        self._look()
        refusal = self._places.refusal(ticket.resources)
        if refusal is not None:
            self._reports.append(Lost(ticket, "infeasible", refusal))
            return
        with self._broken_if_unreachable():
            place = self._places.occupy(ticket)
            if place.worker.process and not leftovers.is_alive(place.worker.process):
                place.worker = self._start_actor(place)
            call = place.worker.handle.carry_out.options(num_returns="streaming")
            place.worker.stream = call.remote(ticket.trial, ticket.fence, ticket.workdir)

    def stop(self, ticket: Ticket) -> None:
        """See `Dispatcher`."""
        place = self._places.find(ticket)
        if place is not None and place.worker.kill_at is None:
            place.worker.kill_at = time.monotonic() + CANCEL_S
            self._ray.cancel(place.worker.stream)

    def poll(self, timeout_s: float) -> list[Report]:
        """See `Dispatcher`."""
        deadline_s = time.monotonic() + timeout_s
        reports, self._reports = self._reports, []
        with self._broken_if_unreachable():
            while True:
                self._look()
                self._kill_the_overdue()
                is_patient = bool(self._places.busy()) and not reports
                reports += self._collect(self._patience_s(deadline_s) if is_patient else 0)
                if reports or not self._places.busy() or time.monotonic() >= deadline_s:
                    return reports

    def close(self) -> None:
        """See `Dispatcher`. Within seconds also where Ray is broken."""
        if self._ray is None:
            return
        if self._own is not None:
            self._own.note_processes()
            if self._own.find_broken():
                self._own.end_processes()  # else shutting down waits for answers that do not come
        self._ray.shutdown()
        if self._own is not None:
            self._own.end_processes()
            self._own.clear()
        self._ray = None

    def _start_local(self) -> None:
        machine = find_machine(self._workers)
        self._own = RayHome(self._home, has_gpus=machine.gpus > 0)
        self._init(
            self._own.variables,
            address="local",
            num_cpus=machine.cpus,
            num_gpus=int(machine.gpus),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(self._own.folder),
            _node_ip_address="127.0.0.1",
        )
        self._own.note_processes()

    def _init(self, variables: Mapping[str, str | None], **options: Any) -> None:
        with child_environment(variables):
            try:
                import ray

                self._ray = ray
                logging.getLogger("ray").setLevel(logging.ERROR)  # it warns that it leaves our signal handlers alone
                ray.init(log_to_driver=False, configure_logging=False, **options)
            except Exception as error:  # Ray's: whatever kept it from starting
                self.close()
                where = self._address or "a Ray of our own"
                reason = " ".join(str(error).split())[:500]
                raise DispatcherError(f"cannot use {where}: {type(error).__name__}: {reason}") from error

    def _list_machines(self) -> None:
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        found = {node["NodeID"]: node["Resources"] for node in nodes}
        self._places.machines = {
            name: Machine(cpus=int(offer.get("CPU", 0)), gpus=float(offer.get("GPU", 0)))
            for name, offer in found.items()
        }
        self._listed_s = time.monotonic()

    def _start_actor(self, place: Place[Actor]) -> Actor:
        """An actor that imports what trials need, in the background."""
        wanted = WORKER_ENVIRONMENT | worker_variables(place.resources, None)
        given = self._own.given if self._own else {}
        missing = {name: value for name, value in wanted.items() if given.get(name) != value}
        strategies = self._ray.util.scheduling_strategies
        handle = self._actor_class.options(
            num_cpus=place.resources.cpus,
            num_gpus=place.resources.gpus,
            max_restarts=0,
            max_task_retries=0,
            enable_task_events=False,
            scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(place.machine, soft=False),
            runtime_env={"env_vars": missing} if missing else None,  # costs a fresh process: half a second
        ).remote()
        return Actor(handle, handle.hello.remote())

    def _kill(self, actor: Actor) -> None:
        """End a worker and, on this machine, what its trial started; waits for it there."""
        whole = leftovers.family(actor.process) if actor.process else []
        self._ray.kill(actor.handle)
        leftovers.end(whole)

    def _kill_the_overdue(self) -> None:
        for place in self._places.busy():
            if place.worker.kill_at is not None and time.monotonic() >= place.worker.kill_at:
                place.worker.kill_at = math.inf
                self._kill(place.worker)

    def _patience_s(self, deadline_s: float) -> float:
        """How long to wait for a message before something else is due."""
        due = [place.worker.kill_at for place in self._places.busy() if place.worker.kill_at is not None]
        return max(min(deadline_s, *due, time.monotonic() + LOOK_S) - time.monotonic(), 0)

    def _collect(self, timeout_s: float) -> list[Report]:
        """Everything that is ready; waits for the first of it."""
        reports: list[Report] = []
        while len(reports) < MOST_REPORTS:
            awaited = self._awaited()
            count = 1 if timeout_s else len(awaited)
            ready = self._ray.wait(list(awaited), num_returns=count, timeout=timeout_s)[0] if awaited else []
            if not ready:
                break
            heard = [self._hear(awaited[reference], reference) for reference in ready]
            reports += [report for report in heard if report is not None]
            timeout_s = 0
        return reports

    def _awaited(self) -> dict[Any, Place[Actor]]:
        places = self._places.all()
        trials = {place.worker.awaited: place for place in places if place.ticket}
        return trials | {place.worker.hello: place for place in places if place.worker.hello is not None}

    def _hear(self, place: Place[Actor], reference: Any) -> Report | None:
        actor = place.worker
        if reference == actor.hello:
            self._greet(place)
        elif place.ticket is None or reference != actor.awaited:
            return None  # of a worker that was replaced a moment ago
        elif actor.kill_at is not None:
            return self._hear_end(place)
        else:
            return self._hear_message(place)
        return None

    def _greet(self, place: Place[Actor]) -> None:
        """A worker is warm, or died on the way; then its trial, if it has one, says so."""
        hello, place.worker.hello = place.worker.hello, None
        try:
            pid = self._ray.get(hello)
        except self._ray.exceptions.RayError:
            if place.ticket is None:
                self._places.drop(place)
            return
        if self._own is not None:
            with suppress(psutil.NoSuchProcess):
                place.worker.process = psutil.Process(pid)
            self._own.note_processes()

    def _hear_message(self, place: Place[Actor]) -> Report:
        assert place.ticket is not None
        errors = self._ray.exceptions
        try:
            message, provenance = self._ray.get(next(place.worker.stream))
        except StopIteration:
            return self._lose(place, "worker", "its worker said nothing of how it ended")
        except errors.RayTaskError as error:  # outside of the task: the disk is full, the folder is not ours
            return self._lose(place, "worker", without_folders(f"{type(error.cause).__name__}: {error.cause}"))
        except errors.OutOfMemoryError:
            return self._lose(place, "oom", "Ray ended its worker, as the machine ran out of memory", is_gone=True)
        except errors.RayError:
            if self._own and self._oom_kills.have_grown():
                return self._lose(place, "oom", "its worker was killed for want of memory", is_gone=True)
            return self._lose(place, "worker", "its worker process died", is_gone=True)
        report = Heard(place.ticket, message, provenance)
        if isinstance(message, Outcome):
            place.ticket = place.worker.stream = None
        return report

    def _hear_end(self, place: Place[Actor]) -> Report:
        """The last of a trial that was to be stopped."""
        errors = self._ray.exceptions
        try:
            self._ray.get(place.worker.stream.completed())
        except (errors.TaskCancelledError, errors.RayTaskError):
            is_gone = False
        except errors.RayError:
            is_gone = True
        else:
            is_gone = False
        return self._lose(place, "stopped", "it was stopped", is_gone=is_gone)

    def _lose(
        self, place: Place[Actor], kind: Literal["worker", "oom", "stopped"], reason: str, *, is_gone: bool = False
    ) -> Lost:
        """Take a trial off its place; a worker that is gone is replaced."""
        assert place.ticket is not None
        lost = Lost(place.ticket, kind, reason)
        if is_gone:
            self._kill(place.worker)
            if not self._own:
                self._list_machines()  # the whole machine may be gone
            self._places.renew(place)
        else:
            place.ticket = place.worker.stream = place.worker.kill_at = None
        return lost

    def _look(self) -> None:
        """Look after Ray itself."""
        broken = self._own.find_broken() if self._own else None
        if broken is not None:
            raise DispatcherError(f"Ray's {broken} has ended, and with it what Ray ran; its logs are in {RAY_LOGS}")
        if not self._own and time.monotonic() - self._listed_s > LIST_S:
            with self._broken_if_unreachable():
                self._list_machines()

    @contextmanager
    def _broken_if_unreachable(self) -> Iterator[None]:
        errors = self._ray.exceptions
        try:
            yield
        except (errors.RaySystemError, errors.RpcError, errors.GetTimeoutError, ConnectionError) as error:
            raise DispatcherError(f"Ray is not reached: {type(error).__name__}") from error
