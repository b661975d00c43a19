"""The running side: claims trials, hands them to the dispatcher, records how they end, has finished studies concluded.

`tick()` is everything; `run()` calls it until it is told to stop. One thread owns a scheduler and its dispatcher. What
was heard is kept until it is committed, so a database that is away for a while loses nothing. Only what the database
says decides, and every end of an attempt goes through `service.store.queue.states`. Schedules fire in its tick
(`service.schedules.fire`).
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from datetime import datetime

from ablate.study.document import Resources
from service.context import FREE_BYTES, Context
from service.dispatch.base import Dispatcher, DispatcherError, Heard, Ticket, TrialLost
from service.dispatch.machines import count_places
from service.errors import UnavailableError
from service.running.flights import End, Flight, Flights
from service.schedules import fire
from service.store import board, studies
from service.store.queue import claims as queue
from service.store.queue import outbox
from service.store.queue.claims import Claim
from service.store.queue.states import decide
from service.store.session import Connection
from service.store.sql import now
from service.studies.conclude import conclude

log = logging.getLogger(__name__)

IDLE_S = 1.0
"""How often the queue is looked at unasked, and signs of life are written. What this process changes wakes it."""
FREE_S, BUSY_S = 0.05, 0.25
"""While trials run: how late a new study is noticed with a place free, and a cancel with every place taken."""
BEAT_S = 5.0
FIRE_S = 2.0
"""How often schedules are looked at."""
DRAIN_S = 5.0
MAX_CLAIMS = 64
RESTARTS = 3
"""How often in a row a broken dispatcher is replaced."""


class Scheduler:
    """See the module's text.

    Args:
        context: of this process.
        build_dispatcher: makes a dispatcher; called in the scheduler's thread, again where one breaks.
        on_ready: called in that thread each time that a dispatcher has started.
        clock: by which schedules fire.
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
        self._last_s: dict[str, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Start, tick until told to stop, and leave nothing running."""
        try:
            self.start()
            while not stop.is_set():
                self.tick()
        finally:
            self.close()

    def start(self) -> None:
        """Start the dispatcher, and queue what an earlier scheduler left running."""
        recover(self.context)
        self._start_dispatcher()
        self.context.changed.set()

    @property
    def dispatcher(self) -> Dispatcher:
        """The present one."""
        assert self._dispatcher is not None, "the scheduler was not started"
        return self._dispatcher

    def _start_dispatcher(self) -> None:
        self._dispatcher = self._build()
        self._dispatcher.start()
        with self.context.store.write() as connection:
            self._beat(connection)
        self._on_ready()

    def _beat(self, connection: Connection) -> None:
        board.record_beat(connection, self.dispatcher.kind, self.dispatcher.machines(), now())

    def tick(self) -> None:
        """Hear, record, claim, conclude, fire schedules; returns after about a second at most."""
        try:
            self._hear()
            asked = self.context.changed.is_set()
            self.context.changed.clear()
            look = asked or bool(self._flights.ends) or self._is_due("look", IDLE_S)
            self._submit(self._write(look))
            if look:
                self._end_the_unwanted()
            if self._conclude() or self._is_due("schedules", FIRE_S):
                fire.tick(self.context, self._clock())
        except DispatcherError as error:
            self._replace_dispatcher(error)
        except UnavailableError as error:
            log.error("nothing can be recorded now; trying again: %s", error)
            self.context.changed.wait(IDLE_S)
            self.context.changed.set()

    def _is_due(self, what: str, every_s: float) -> bool:
        """Whether so much time has passed since this was last true."""
        if time.monotonic() - self._last_s.get(what, -every_s) < every_s:
            return False
        self._last_s[what] = time.monotonic()
        return True

    def _hear(self) -> None:
        if not self._flights:
            self.context.changed.wait(0 if self._flights.ends or self._to_conclude else IDLE_S)
            return
        has_room = self.dispatcher.room(Resources()) > 0
        for report in self.dispatcher.poll(FREE_S if has_room else BUSY_S):
            self._flights.hear(report)
        for flight in self._flights:
            if not flight.is_silent and time.monotonic() - flight.heard_s > self.context.settings.silence_s:
                flight.is_silent = True
                self.dispatcher.stop(flight.ticket)

    def _write(self, look: bool) -> list[Claim]:
        """One transaction for what is due, none where nothing is. Returns what it claimed."""
        ends, news = list(self._flights.ends), self._flights.news()
        if not (ends or _has_begun(news) or self._is_due("signs", IDLE_S)):
            news = []
        beat = self._is_due("beat", BEAT_S)
        claims: list[Claim] = []
        if not (ends or news or beat or (look and self._has_waiting())):
            return claims
        with self.context.store.write() as connection:
            keys = [key for end in ends for key in record_end(connection, end)]
            outbox.announce(connection, keys)
            queue.record_signs(connection, [flight.sign for flight in news if flight.sign], now())
            self._to_conclude |= set(queue.list_wanting(connection, keys))
            if look:
                claims = self._claim(connection)
            if beat:
                self._beat(connection)
        del self._flights.ends[: len(ends)]
        for flight in news:
            flight.is_news = False
        return claims

    def _has_waiting(self) -> bool:
        with self.context.store.read() as connection:
            return queue.peek(connection) is not None

    def _claim(self, connection: Connection) -> list[Claim]:
        """As many as fit of the demand at the head of the queue; one that waits for room holds up what is behind."""
        demand = queue.peek(connection)
        if demand is None:
            return []
        if shutil.disk_usage(self.context.settings.home).free < FREE_BYTES:
            log.error("the disk is nearly full, so nothing new is started")
            return []
        room = self.dispatcher.room(demand)
        if room <= 0 and not any(count_places(machine, demand) for machine in self.dispatcher.machines()):
            room = 1  # no machine will ever hold it: the dispatcher says so, and it fails with that reason
        return queue.claim(connection, demand, min(room, MAX_CLAIMS), now()) if room > 0 else []

    def _submit(self, claims: list[Claim]) -> None:
        tickets = []
        for claim in claims:
            tickets.append(make_ticket(self.context, claim))
            self._flights.add(tickets[-1], claim)
        for ticket in tickets:  # all are known before the first is handed over: the dispatcher may break on it
            self.dispatcher.submit(ticket)
        if claims:
            self._restarts = 0
            self.context.changed.set()  # another demand may be at the head now

    def _end_the_unwanted(self) -> None:
        """Stop what the database does not hold for running any more: it was cancelled."""
        if not self._flights:
            return
        with self.context.store.read() as connection:
            wanted = set(queue.list_running(connection))
        for flight in self._flights:
            if flight.ticket.name not in wanted:
                self.dispatcher.stop(flight.ticket)

    def _conclude(self) -> bool:
        """Conclude what may be done: what this process touched, and now and then whatever another process did.

        Returns whether any study was concluded.
        """
        if self._is_due("conclude", BEAT_S):
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

    def _replace_dispatcher(self, error: DispatcherError) -> None:
        """Queue what it ran and start another, which may take several attempts."""
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
        """End what runs, queue it again at no cost to it, and close the dispatcher. Its checkpoints stay."""
        if self._dispatcher is None:
            return
        deadline = time.monotonic() + DRAIN_S
        try:
            for flight in self._flights:
                self._dispatcher.stop(flight.ticket)
            while self._flights and time.monotonic() < deadline:
                for report in self._dispatcher.poll(0.1):
                    self._flights.hear(report)
        except DispatcherError as error:
            log.error("the dispatcher broke while it was closed: %s", error)
        self._flights.lose_all("the service was stopped while it ran")
        self._dispatcher.close()
        with self.context.store.write() as connection:
            keys = [key for end in self._flights.ends for key in record_end(connection, end)]
            outbox.announce(connection, keys)
        self._flights.ends.clear()


def _has_begun(news: list[Flight]) -> bool:
    """Whether one of these is a trial's first word, which readers wait for."""
    return any(flight.sign is not None and flight.sign.step == 0 for flight in news)


def record_end(connection: Connection, end: End) -> list[str]:
    """Record how an attempt ended. Returns the keys of the trials that changed; a late answer changes none."""
    key, fence = end.flight.ticket.name
    ack = decide(end.flight.spent, end.report)
    provenance = end.report.provenance if isinstance(end.report, Heard) else None
    return queue.acknowledge(connection, key, fence, ack, end.at, curve=end.curve, provenance=provenance)


def recover(context: Context) -> int:
    """Queue what the database holds for running, since nothing runs when a scheduler starts. Returns how many.

    A trial that was heard of is not blamed; one that was claimed and never heard of may be what killed the service, so
    it counts as lost.
    """
    with context.store.write() as connection:
        left = dict(queue.list_running(connection))
        changed: list[str] = []
        for claim, was_heard in queue.find_claims(connection, list(left)):
            ticket = make_ticket(context, claim)
            lost = TrialLost(ticket, "stopped" if was_heard else "worker", "the service ended while it ran")
            ack = decide(claim.spent, lost)
            changed += queue.acknowledge(connection, *ticket.name, ack, now())
        outbox.announce(connection, changed)
    return len(left)


def make_ticket(context: Context, claim: Claim) -> Ticket:
    """A claim as the dispatcher gets it."""
    workdir, trial = context.settings.workdir, claim.trial
    needs = {name: workdir(key) for name, key in trial.needs.items()}
    return Ticket(trial, claim.fence, claim.resources, workdir(trial.key), needs)
