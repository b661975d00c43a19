"""The scheduler: claims trials, submits them to the dispatcher, records how they end, and concludes finished studies.

`tick()` does all of it; `run()` repeats it until it is stopped. One thread owns a scheduler and its dispatcher. Reports
are kept until they are committed, so a database that is away for a while loses none. Only the database decides, and
every end of an attempt goes through `service.store.queue.states`. The transaction that changes a trial also writes what
MLflow has to show of it (`service.store.queue.outbox`); the mirror's thread reads that.

Nothing that happens in a tick ends it for the others. Each trial, study and schedule has its boundary
(`service.faults.boundary`), and each step of the tick has one too. While the database, the disk or the dispatcher is
away, the scheduler waits for it.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial

from ablate.study.resources import Resources
from ablate.trials.trial import Outcome
from service.context import Context
from service.dispatch.interface import Dispatcher, DispatcherError, Report, Ticket, TrialLost, TrialMessage
from service.errors import UnavailableError
from service.faults.steps import Steps
from service.running.due import BEAT_S, IDLE_S, TickWork, Timers
from service.running.ends import make_ticket, recover, requeue
from service.running.flights import Flight, Flights
from service.running.keeper import Keeper
from service.running.ledger import Ledger, work_of
from service.schedules import fire
from service.store import studies
from service.store.queue import claims
from service.store.queue.claims import Claimed
from service.store.sql import now
from service.studies import lifecycle
from service.studies.conclude import conclude_safely

FREE_S, BUSY_S = 0.05, 0.25
"""Time until a new study is noticed while a place is free, and until a cancel is noticed while every place is taken."""
DRAIN_S = 5.0
MAX_SURROUNDINGS = 5
"""How often a trial may end by its surroundings while the state directory can be written; then it fails."""


class Scheduler:
    """See the module's text.

    Args:
        context: of this process.
        build_dispatcher: makes a dispatcher; called in the scheduler's thread, and again after one broke.
        on_ready: called in that thread after each start of a dispatcher.
        clock: the time by which schedules fire.
        keep_lock: called every few seconds; raises UnavailableError if the lock of the one scheduler is lost.
    """

    def __init__(
        self,
        context: Context,
        build_dispatcher: Callable[[], Dispatcher],
        on_ready: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = now,
        keep_lock: Callable[[], None] = lambda: None,
    ) -> None:
        self.context = context
        self._keep_lock = keep_lock
        self._kept_s = -math.inf
        self._clock = clock
        self._on_ready = on_ready
        self._keeper = Keeper(context, build_dispatcher, self._is_ready)
        self._steps = Steps(context.faults)
        self._flights = Flights()
        self._ledger = Ledger(context, self._keeper, self._flights, self._steps)
        self._timers = Timers()
        self._is_recovered = False
        self._surroundings: Counter[str] = Counter()

    def run(self, stop: threading.Event) -> None:
        """Start, tick until `stop` is set, and leave nothing running."""
        try:
            self.start()
            while not stop.is_set():
                self.tick()
        finally:
            self.close()

    @property
    def dispatcher(self) -> Dispatcher | None:
        """The current dispatcher; None while none can be started."""
        return self._keeper.dispatcher

    def start(self) -> None:
        """Start the dispatcher, and queue the trials that an earlier scheduler left running."""
        self._guarded(self._start)
        self.context.changed.set()

    def tick(self) -> None:
        """Do what is due once; returns after about a second at most, except while a dispatcher starts."""
        self._guarded(self._tick)

    def _guarded(self, do: Callable[[], None]) -> None:
        """Do it, or wait for what is away."""
        context = self.context
        try:
            do()
        except DispatcherError as error:
            self._flights.lose_all("the dispatcher broke while it ran")
            self._keeper.lose(error)
        except UnavailableError as error:
            context.outages.begin(f"the {error.part}", str(error))
            context.changed.wait(IDLE_S)
            context.changed.set()
        else:
            context.outages.end("the database")

    def _start(self) -> None:
        run = self._steps.run
        if time.monotonic() - self._kept_s >= BEAT_S:
            self._keep_lock()
            self._kept_s = time.monotonic()
        if not self._is_recovered:
            run("reading the faults of an earlier service", self.context.faults.count_death)
            self._is_recovered = run("queueing trials of an earlier scheduler", recover, self.context) is not None
        if self._is_recovered:
            run("starting the dispatcher", self._keeper.ensure)

    def _is_ready(self) -> None:
        self._on_ready()
        self._ledger.beat_alone()

    def _tick(self) -> None:
        run = self._steps.run
        self._start()
        run("receiving reports", self._receive_reports)
        run("ending silent trials", self._enforce_deadlines)
        due = self._find_due()
        if due.beat:
            run("looking at the disk", self._ledger.is_disk_well)
        if due.queue:
            run("pausing studies at their limits", lifecycle.pause_over, self.context, self._clock())
        self._submit(self._ledger.write(due))
        if due.beat or (due.queue and self._flights):
            run("comparing the trials that run with the queue", self._compare)
        any_ended = run("concluding studies", self._conclude, due)
        if due.schedules or any_ended:  # a study that ended may be one that a schedule has fired
            run("firing schedules", fire.tick, self.context, self._clock())

    def _receive_reports(self) -> None:
        """Wait for reports of the dispatcher, or for a change where nothing runs."""
        dispatcher = self.dispatcher
        if dispatcher is None or not self._flights:
            self.context.changed.wait(0 if self._ledger.open_ends() or self._ledger.to_conclude else IDLE_S)
            return
        has_room = dispatcher.room(Resources()) > 0
        for report in dispatcher.poll(FREE_S if has_room else BUSY_S):
            with self.context.faults.boundary(
                work_of(report.ticket.name), tries=1, give_up=partial(self._fail_flight, report.ticket)
            ):
                self._flights.receive(self._judge(report))

    def _fail_flight(self, ticket: Ticket, reason: str) -> None:
        """A report of a trial cannot be processed, or it cannot be submitted: the trial fails."""
        self._flights.drop(ticket.name)
        self._ledger.to_fail[ticket.name] = f"it {reason}"
        if self.dispatcher is not None:
            self.dispatcher.stop(ticket)

    def _judge(self, report: Report) -> Report:
        """A report; a trial that ends by its surroundings again and again, while they are well, fails."""
        key = report.ticket.trial.key
        if not isinstance(report, TrialLost) or report.kind != "environment":
            if self._surroundings and isinstance(report, TrialMessage):
                self._surroundings.pop(key, None)
            return report
        if self.context.disk.find_fault(anew=True) is None:
            self._surroundings[key] += 1
            self._ledger.pauses.grow("claim")
            if self._surroundings[key] >= MAX_SURROUNDINGS:
                reason = f"{report.reason}; given up after {self._surroundings.pop(key)} attempts that ended this way"
                return TrialMessage(report.ticket, Outcome(status="failed", reason=reason))
        return report

    def _enforce_deadlines(self) -> None:
        for flight in self._flights.find_overdue(self.context.settings.silence_s):
            self._stop(flight)

    def _stop(self, flight: Flight) -> None:
        if self.dispatcher is not None:
            self.dispatcher.stop(flight.ticket)

    def _find_due(self) -> TickWork:
        is_woken = self.context.changed.is_set()
        self.context.changed.clear()
        flights = self._flights
        return self._timers.find_due(
            time.monotonic(), is_woken=is_woken, has_ends=bool(self._ledger.open_ends()), has_begun=flights.has_begun
        )

    def _submit(self, claimed: list[Claimed]) -> None:
        tickets = []
        for one in claimed:  # all are in flight before the first is submitted: the dispatcher may break on it
            with self.context.faults.boundary(
                work_of(one.name), tries=1, give_up=partial(self._cannot_start, one.name)
            ):
                claim = one.read()
                tickets.append(make_ticket(self.context, claim))
                self._flights.add(tickets[-1], claim)
        for ticket in tickets:
            with self.context.faults.boundary(
                work_of(ticket.name), tries=1, give_up=partial(self._fail_flight, ticket)
            ):
                self._submit_one(ticket)
        if claimed:
            self._keeper.is_well()
            self._ledger.pauses.end("claim")
            self.context.changed.set()  # another demand may be at the head now

    def _cannot_start(self, name: tuple[str, int], reason: str) -> None:
        self._ledger.to_fail[name] = f"its start {reason}"

    def _submit_one(self, ticket: Ticket) -> None:
        if self.dispatcher is None:
            raise DispatcherError("the dispatcher is closed")
        self.dispatcher.submit(ticket)

    def _compare(self) -> None:
        """Stop trials that the database no longer has as running, and queue those again that do not run.

        A claim whose COMMIT was not acknowledged may be in the database nevertheless.
        """
        with self.context.store.read() as connection:
            running = set(claims.list_running(connection))
        for flight in self._flights:
            if flight.ticket.name not in running:
                self._stop(flight)
        flying = {flight.ticket.name for flight in self._flights}
        lost = [name for name in running - flying if not self._ledger.knows(name)]
        if lost:
            requeue(self.context, lost)

    def _conclude(self, due: TickWork) -> bool:
        """Conclude studies that may be done: those that this process changed, and now and then those of others.

        Returns whether any study was concluded.
        """
        if due.finished:
            with self.context.store.read() as connection:
                self._ledger.to_conclude |= set(studies.list_finished(connection))
        while self.context.touched:
            self._touch(self.context.touched.popleft())
        any_ended = False
        for study_seq in sorted(self._ledger.to_conclude):
            any_ended |= conclude_safely(self.context, study_seq)
            self._ledger.to_conclude.discard(study_seq)
        return any_ended

    def _touch(self, study_id: str) -> None:
        with self.context.store.read() as connection:
            self._ledger.to_conclude.add(studies.get_study(connection, study_id).seq)

    def close(self) -> None:
        """End the running trials, queue them again without cost to their budgets, and close the dispatcher.

        Their checkpoints stay. What cannot be recorded now is queued again by the next start.
        """
        dispatcher = self.dispatcher
        try:
            if dispatcher is not None:
                self._steps.run("ending the running trials", self._drain, dispatcher)
        except (DispatcherError, UnavailableError) as error:
            self.context.outages.begin("the dispatcher", f"it broke while it was closed: {error}")
        self._flights.lose_all("the service was stopped while it ran")
        self._keeper.close()
        try:
            ends = list(self._flights.ends)
            self._steps.run("recording the trials that were stopped", self._ledger.record_alone, ends, [])
        except UnavailableError as error:
            self.context.outages.begin(f"the {error.part}", str(error))

    def _drain(self, dispatcher: Dispatcher) -> None:
        deadline = time.monotonic() + DRAIN_S
        for flight in self._flights:
            dispatcher.stop(flight.ticket)
        while self._flights and time.monotonic() < deadline:
            for report in dispatcher.poll(0.1):
                self._flights.receive(report)
