"""The scheduler: claims trials, submits them to the dispatcher, records how they end, and concludes finished studies.

`tick()` does all of it; `run()` repeats it until it is stopped. One thread owns a scheduler and its dispatcher. Reports
are kept until they are committed, so a database that is away for a while loses none. Only the database decides, and
every end of an attempt goes through `service.store.queue.states`. The transaction that changes a trial also writes what
MLflow has to show of it (`service.store.queue.outbox`); the mirror's thread reads that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from ablate.study.document import Resources
from service.context import FREE_BYTES, Context
from service.dispatch.interface import Dispatcher, DispatcherError, Ticket, TrialLost, TrialMessage
from service.dispatch.machines import count_places
from service.errors import UnavailableError
from service.running.due import IDLE_S, TickWork, Timers
from service.running.flights import End, Flights
from service.schedules import fire
from service.store import heartbeat, studies
from service.store.queue import claims, outbox
from service.store.queue.claims import Claim
from service.store.queue.states import decide_after_attempt
from service.store.session import Connection
from service.store.sql import now
from service.studies.conclude import conclude

log = logging.getLogger(__name__)

FREE_S, BUSY_S = 0.05, 0.25
"""Time until a new study is noticed while a place is free, and until a cancel is noticed while every place is taken."""
DRAIN_S = 5.0
MAX_CLAIMS = 64
RESTARTS = 3
"""How often in a row a broken dispatcher is replaced."""


class Scheduler:
    """See the module's text.

    Args:
        context: of this process.
        build_dispatcher: makes a dispatcher; called in the scheduler's thread, and again after one broke.
        on_ready: called in that thread after each start of a dispatcher.
        clock: the time by which schedules fire.
    """

    def __init__(
        self,
        context: Context,
        build_dispatcher: Callable[[], Dispatcher],
        on_ready: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.context = context
        self._build = build_dispatcher
        self._on_ready = on_ready
        self._clock = clock
        self._dispatcher: Dispatcher | None = None
        self._flights = Flights()
        self._to_conclude: set[int] = set()
        self._restarts = 0
        self._timers = Timers()

    def run(self, stop: threading.Event) -> None:
        """Start, tick until `stop` is set, and leave nothing running."""
        try:
            self.start()
            while not stop.is_set():
                self.tick()
        finally:
            self.close()

    def start(self) -> None:
        """Start the dispatcher, and queue the trials that an earlier scheduler left running."""
        recover(self.context)
        self._start_dispatcher()
        self.context.changed.set()

    @property
    def dispatcher(self) -> Dispatcher:
        """The current dispatcher."""
        assert self._dispatcher is not None, "the scheduler was not started"
        return self._dispatcher

    def _start_dispatcher(self) -> None:
        self._dispatcher = self._build()
        self._dispatcher.start()
        with self.context.store.write() as connection:
            self._beat(connection)
        self._on_ready()

    def _beat(self, connection: Connection) -> None:
        heartbeat.record_beat(connection, self.dispatcher.kind, self.dispatcher.machines(), now())

    def tick(self) -> None:
        """Do what is due once; returns after about a second at most."""
        try:
            self._receive_reports()
            self._enforce_deadlines()
            due = self._find_due()
            self._submit(self._acknowledge_and_claim(due))
            self._stop_cancelled(due)
            self._fire_schedules(due, any_ended=self._conclude(due))
        except DispatcherError as error:
            self._replace_dispatcher(error)
        except UnavailableError as error:
            log.error("the database cannot be written now; trying again: %s", error)
            self.context.changed.wait(IDLE_S)
            self.context.changed.set()

    def _receive_reports(self) -> None:
        """Wait for reports of the dispatcher, or for a change where nothing runs."""
        if not self._flights:
            self.context.changed.wait(0 if self._flights.ends or self._to_conclude else IDLE_S)
            return
        has_room = self.dispatcher.room(Resources()) > 0
        for report in self.dispatcher.poll(FREE_S if has_room else BUSY_S):
            self._flights.receive(report)

    def _enforce_deadlines(self) -> None:
        for flight in self._flights.find_overdue(self.context.settings.silence_s):
            self.dispatcher.stop(flight.ticket)

    def _find_due(self) -> TickWork:
        is_woken = self.context.changed.is_set()
        self.context.changed.clear()
        flights = self._flights
        return self._timers.find_due(
            time.monotonic(), is_woken=is_woken, has_ends=bool(flights.ends), has_begun=flights.has_begun
        )

    def _acknowledge_and_claim(self, due: TickWork) -> list[Claim]:
        """One transaction for ends, progress, beat and new claims; none if there is nothing to write."""
        ends, news = list(self._flights.ends), self._flights.news() if due.progress else []
        claimed: list[Claim] = []
        if not (ends or news or due.beat or (due.queue and self._has_waiting())):
            return claimed
        with self.context.store.write() as connection:
            keys = [key for end in ends for key in record_end(connection, end)]
            outbox.announce(connection, keys)
            claims.record_signs(connection, [flight.sign for flight in news if flight.sign], now())
            self._to_conclude |= set(claims.list_wanting(connection, keys))
            if due.queue:
                claimed = self._claim(connection)
            if due.beat:
                self._beat(connection)
        del self._flights.ends[: len(ends)]
        for flight in news:
            flight.is_news = False
        return claimed

    def _has_waiting(self) -> bool:
        with self.context.store.read() as connection:
            return claims.find_head_demand(connection) is not None

    def _claim(self, connection: Connection) -> list[Claim]:
        """Claim as many trials as fit of the demand at the head of the queue; while that waits, all others wait too."""
        demand = claims.find_head_demand(connection)
        if demand is None:
            return []
        if self.context.free_bytes() < FREE_BYTES:
            log.error("the disk is nearly full, so no new trial is started")
            return []
        room = self.dispatcher.room(demand)
        if room <= 0 and not any(count_places(machine, demand) for machine in self.dispatcher.machines()):
            room = 1  # no machine can ever run it: the dispatcher reports that, and it fails with that reason
        return claims.claim(connection, demand, min(room, MAX_CLAIMS), now()) if room > 0 else []

    def _submit(self, claimed: list[Claim]) -> None:
        tickets = []
        for claim in claimed:
            tickets.append(make_ticket(self.context, claim))
            self._flights.add(tickets[-1], claim)
        for ticket in tickets:  # all are in flight before the first is submitted: the dispatcher may break on it
            self.dispatcher.submit(ticket)
        if claimed:
            self._restarts = 0
            self.context.changed.set()  # another demand may be at the head now

    def _stop_cancelled(self, due: TickWork) -> None:
        """Stop trials that the database no longer has as running."""
        if not (due.queue and self._flights):
            return
        with self.context.store.read() as connection:
            running = set(claims.list_running(connection))
        for flight in self._flights:
            if flight.ticket.name not in running:
                self.dispatcher.stop(flight.ticket)

    def _conclude(self, due: TickWork) -> bool:
        """Conclude studies that may be done: those that this process changed, and now and then those of others.

        Returns whether any study was concluded.
        """
        if due.finished:
            with self.context.store.read() as connection:
                self._to_conclude |= set(studies.list_finished(connection))
        while self.context.touched:
            study_id = self.context.touched.popleft()
            with self.context.store.read() as connection:
                self._to_conclude.add(studies.get_study(connection, study_id).seq)
        any_ended = False
        for study_seq in sorted(self._to_conclude):
            any_ended |= conclude(self.context, study_seq)
            self._to_conclude.discard(study_seq)
        return any_ended

    def _fire_schedules(self, due: TickWork, *, any_ended: bool) -> None:
        if due.schedules or any_ended:  # a study that ended may be one that a schedule has fired
            fire.tick(self.context, self._clock())

    def _replace_dispatcher(self, error: DispatcherError) -> None:
        """Queue the trials that it ran and start another one, which may take several attempts."""
        self._flights.lose_all("the dispatcher broke while it ran")
        while self._restarts < RESTARTS:
            self._restarts += 1
            log.error("the dispatcher broke and is replaced (%d of %d): %s", self._restarts, RESTARTS, error)
            self.dispatcher.close()
            try:
                self._start_dispatcher()
            except DispatcherError as again:
                error = again
            else:
                return
        raise error

    def close(self) -> None:
        """End the running trials, queue them again without cost to their budgets, and close the dispatcher.

        Their checkpoints stay."""
        if self._dispatcher is None:
            return
        deadline = time.monotonic() + DRAIN_S
        try:
            for flight in self._flights:
                self._dispatcher.stop(flight.ticket)
            while self._flights and time.monotonic() < deadline:
                for report in self._dispatcher.poll(0.1):
                    self._flights.receive(report)
        except DispatcherError as error:
            log.error("the dispatcher broke while it was closed: %s", error)
        self._flights.lose_all("the service was stopped while it ran")
        self._dispatcher.close()
        with self.context.store.write() as connection:
            keys = [key for end in self._flights.ends for key in record_end(connection, end)]
            outbox.announce(connection, keys)
        self._flights.ends.clear()


def record_end(connection: Connection, end: End) -> list[str]:
    """Record how an attempt ended. Returns the keys of the trials that changed; a late answer changes none."""
    key, fence = end.flight.ticket.name
    ack = decide_after_attempt(end.flight.spent, end.report)
    provenance = end.report.provenance if isinstance(end.report, TrialMessage) else None
    return claims.end_attempt(connection, key, fence, ack, end.at, curve=end.curve, provenance=provenance)


def recover(context: Context) -> int:
    """Queue the trials that the database has as running, since none runs when a scheduler starts. Returns how many.

    A trial that sent a message costs nothing. One that was claimed and sent none may have killed the service, so it
    counts as lost.
    """
    with context.store.write() as connection:
        left = dict(claims.list_running(connection))
        changed: list[str] = []
        for claim, has_begun in claims.find_claims(connection, list(left)):
            ticket = make_ticket(context, claim)
            lost = TrialLost(ticket, "stopped" if has_begun else "worker", "the service ended while it ran")
            ack = decide_after_attempt(claim.spent, lost)
            changed += claims.end_attempt(connection, *ticket.name, ack, now())
        outbox.announce(connection, changed)
    return len(left)


def make_ticket(context: Context, claim: Claim) -> Ticket:
    """The dispatcher's ticket of a claim."""
    workdir, trial = context.settings.workdir, claim.trial
    needs = {name: workdir(key) for name, key in trial.needs.items()}
    return Ticket(trial, claim.fence, claim.resources, workdir(trial.key), needs)
