"""The dispatcher without Ray: spawned processes of this machine, from `ablate.workers.pool`.

They end with the service, however it ends, and a trial is stopped by killing its process. It is for machines where
Ray is too much: a laptop, a test.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import cast

from ablate.study.resources import Resources
from ablate.trials.gpus import visible_gpus
from ablate.trials.log import note_end
from ablate.trials.machine import describe_os_error
from ablate.workers.pool import Ended, Job, Said, Worker, WorkerLost
from service.dispatch.interface import DispatcherError, Report, Ticket, TrialLost, is_last, open_report
from service.dispatch.machines import Machine
from service.dispatch.places import MAX_REPORTS, Place, Places
from service.dispatch.this_machine import OomKills, find_limit, find_machine
from service.dispatch.trial_worker import WARM, hidden_variables, run_ticket, without_folders, worker_variables

HERE = "this machine"


class InlineDispatcher:
    """A `Dispatcher`; see there.

    Args:
        workers: CPUs (on GPUs: trials) used at the same time; None: all of them.
    """

    kind = "inline"

    def __init__(self, workers: int | None) -> None:
        self._workers = workers
        self._places: Places[Worker] = Places(find_limit(workers), start=_start_worker, end=Worker.kill)
        self._reports: list[Report] = []
        self._oom_kills = OomKills()

    def start(self) -> None:
        """See `Dispatcher`."""
        self._places.set_machines({HERE: find_machine(self._workers)})
        try:
            self._places.warm(Resources())
        except OSError as error:
            self.close()
            raise DispatcherError(f"no worker can be started: {describe_os_error(error)}") from error

    def machines(self) -> Sequence[Machine]:
        """See `Dispatcher`."""
        return list(self._places.machines.values())

    def room(self, resources: Resources) -> int:
        """See `Dispatcher`."""
        return self._places.room(resources)

    def submit(self, ticket: Ticket) -> None:
        """See `Dispatcher`."""
        refusal = self._places.refusal(ticket.resources)
        if refusal is not None:
            self._reports.append(TrialLost(ticket, "infeasible", refusal))
            return
        place = None
        try:
            place = self._places.occupy(ticket)
            if not place.worker.is_alive:
                place.worker.kill()
                place.worker = _start_worker(place)
        except OSError as error:  # no descriptors, or no processes, are left
            if place is not None:
                self._places.drop(place)
            self._reports.append(TrialLost(ticket, "environment", describe_os_error(error)))
            return
        place.worker.give(Job(ticket.trial.key, run_ticket, (ticket.trial, ticket.fence, ticket.workdir, ticket.needs)))

    def stop(self, ticket: Ticket) -> None:
        """See `Dispatcher`."""
        place = self._places.find(ticket)
        if place is not None:
            place.worker.kill()
            note_end(ticket.workdir, "it was stopped")
            self._reports.append(place.last or TrialLost(ticket, "stopped", "it was stopped"))
            self._places.renew(place)

    def poll(self, timeout_s: float) -> list[Report]:
        """See `Dispatcher`."""
        reports, self._reports = self._reports, []
        while len(reports) < MAX_REPORTS:
            busy = {place.worker.pipe: place for place in self._places.busy()}
            ready = wait(list(busy), 0 if reports else timeout_s) if busy else []
            if not ready:
                break
            for pipe in ready:
                reports += self._receive(busy[cast(Connection, pipe)])
            timeout_s = 0  # parts of a message that do not end must not keep the caller waiting
        return reports

    def close(self) -> None:
        """See `Dispatcher`."""
        for place in self._places.all():
            self._places.drop(place)

    def _receive(self, place: Place[Worker]) -> Iterator[Report]:
        """What a worker has sent. The last report of a trial waits until its code has ended, so its place is free."""
        ticket = place.ticket
        assert ticket is not None
        for event in place.worker.receive():
            if isinstance(event, Said):
                report = open_report(ticket, place.check, event.item)
                if place.last is None and not is_last(report):
                    yield report
                    continue
                place.last = place.last or report
                if not isinstance(report, TrialLost) or report.kind == "environment":
                    continue
            elif place.last is None:
                place.last = self._lose(ticket, place.worker, event)
            yield self._end(place, place.last, is_over=isinstance(event, Ended))
            return

    def _lose(self, ticket: Ticket, worker: Worker, event: Ended | WorkerLost) -> TrialLost:
        if isinstance(event, Ended):
            return TrialLost(ticket, "worker", "its worker sent no outcome")
        is_oom = not worker.is_alive and worker.exit_status == -signal.SIGKILL and self._oom_kills.have_grown()
        note_end(ticket.workdir, f"lost: {event.reason}")
        return TrialLost(ticket, "oom" if is_oom else "worker", without_folders(event.reason))

    def _end(self, place: Place[Worker], last: Report, *, is_over: bool) -> Report:
        """Free the place of a trial. A worker in which the trial may not be over is replaced."""
        if is_over:
            place.ticket = None
        else:
            place.worker.kill()
            self._places.renew(place)
        return last


def _start_worker(place: Place[Worker]) -> Worker:
    gpus = ",".join(visible_gpus()[number] for number in place.gpus)
    return Worker({**hidden_variables(), **worker_variables(place.resources, gpus or None)}, WARM)
