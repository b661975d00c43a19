"""What a tick writes: how attempts ended, the progress of those that run, new claims, and the scheduler's beat.

All of it is one transaction. If that raises an internal error, the same is done in a transaction for each trial, so
that only the one that raises it is affected.
"""

from __future__ import annotations

from functools import partial

from ablate.study.resources import Resources
from service.context import Context
from service.dispatch.interface import Dispatcher
from service.dispatch.machines import count_places
from service.faults.pauses import Pauses
from service.faults.steps import Steps
from service.faults.work import Work
from service.running.due import TickWork
from service.running.ends import fail_trial, record_end
from service.running.flights import End, Flight, Flights
from service.running.keeper import Keeper
from service.store import heartbeat
from service.store.queue import claims, outbox
from service.store.queue.claims import Claimed
from service.store.session import Connection
from service.store.sql import now
from service.studies.tries import record_results

MAX_CLAIMS = 64
PROGRESS, BEAT, CLAIM = "recording progress", "recording the scheduler's beat", "claiming trials"
"""Steps that are done alone where one transaction for all of them raised an internal error."""


def work_of(name: tuple[str, int]) -> Work:
    """The work on one attempt at a trial."""
    key, fence = name
    return Work("trial", f"{key}:{fence}", f"attempt {fence} of trial {key[:12]}")


class Ledger:
    """See the module's text. One thread uses it.

    Attributes:
        to_conclude: studies that may be done.
        to_fail: attempts to end as failed, with the reason, because something about them raises an internal error.
        pauses: no trial is claimed while `claim` waits there.

    Args:
        context: of this process.
        keeper: of the dispatcher.
        flights: the trials under way.
        steps: of the scheduler.
    """

    def __init__(self, context: Context, keeper: Keeper, flights: Flights, steps: Steps) -> None:
        self._context, self._keeper, self._flights, self._steps = context, keeper, flights, steps
        self.to_conclude: set[int] = set()
        self.to_fail: dict[tuple[str, int], str] = {}
        self.pauses = Pauses()
        self._claimed: list[Claimed] = []

    def open_ends(self) -> list[End]:
        """Ends that are not recorded yet, and do not wait after an internal error."""
        ends, faults = self._flights.ends, self._context.faults
        return [end for end in ends if not faults.is_set_aside(work_of(end.flight.ticket.name))] if ends else []

    def write(self, due: TickWork) -> list[Claimed]:
        """Write what is due. Returns the trials that were claimed."""
        self._fail()
        if self._steps.run("acknowledging and claiming trials", self._write_together, due):
            self._steps.forget(PROGRESS, BEAT, CLAIM)
        else:
            self._write_in_parts(due)
        claimed, self._claimed = self._claimed, []
        return claimed

    def knows(self, name: tuple[str, int]) -> bool:
        """Whether an attempt that the database has as running is to be started, or its end to be recorded."""
        waiting = {one.name for one in self._claimed} | {end.flight.ticket.name for end in self._flights.ends}
        return name in self.to_fail or name in waiting

    def _fail(self) -> None:
        for name, reason in list(self.to_fail.items()):
            if self._steps.run("failing trials", fail_trial, self._context, name, reason) is not None:
                del self.to_fail[name]

    def _write_together(self, due: TickWork) -> bool:
        ends, news = self.open_ends(), self._flights.news() if due.progress else []
        may_claim = due.queue and self._has_waiting() and self._may_claim()
        claimed: list[Claimed] = []
        if not (ends or news or due.beat or may_claim):
            return True
        with self._context.store.write() as connection:
            wanting = self._record(connection, ends, news)
            if may_claim or (due.queue and ends and self._may_claim()):
                claimed = self._claim(connection)
            if due.beat:
                self._beat(connection)
        self._claimed += claimed  # before anything else: they are claimed now
        self.to_conclude |= wanting
        self._flights.forget(ends, news)
        return True

    def _record(self, connection: Connection, ends: list[End], news: list[Flight]) -> set[int]:
        """Record ends and progress. Returns the studies that may be done."""
        keys = [key for end in ends for key in record_end(connection, end)]
        outbox.announce(connection, keys)
        record_results(connection, self._context.settings.home, keys)
        claims.record_signs(connection, [flight.sign for flight in news if flight.sign], now())
        return set(claims.list_wanting(connection, keys))

    def _write_in_parts(self, due: TickWork) -> None:
        for end in self.open_ends():
            with self._context.faults.boundary(work_of(end.flight.ticket.name), give_up=partial(self._give_up, end)):
                self.record_alone([end], [])
        for flight in self._flights.news() if due.progress else []:
            flight.is_news = False  # the next sign replaces one that cannot be recorded
            self._steps.run(PROGRESS, self.record_alone, [], [flight])
        if due.beat:
            self._steps.run(BEAT, self.beat_alone)
        if due.queue and self._may_claim():
            self._steps.run(CLAIM, self._claim_alone)

    def record_alone(self, ends: list[End], news: list[Flight]) -> None:
        """Record these ends and signs in one transaction."""
        with self._context.store.write() as connection:
            self.to_conclude |= self._record(connection, ends, news)
        self._flights.forget(ends, news)

    def _give_up(self, end: End, reason: str) -> None:
        self._flights.forget([end], [])
        self.to_fail[end.flight.ticket.name] = f"its end {reason}"

    def beat_alone(self) -> None:
        """Record that the scheduler is alive, and its machines."""
        with self._context.store.write() as connection:
            self._beat(connection)

    def _beat(self, connection: Connection) -> None:
        dispatcher = self._keeper.dispatcher
        if dispatcher is not None:
            heartbeat.record_beat(connection, dispatcher.kind, dispatcher.machines(), now())

    def _has_waiting(self) -> bool:
        with self._context.store.read() as connection:
            return claims.find_head_demand(connection) is not None

    def _may_claim(self) -> bool:
        """Whether trials may start: there is a dispatcher, and the disk can be written."""
        return self._keeper.dispatcher is not None and not self.pauses.is_waiting("claim") and self.is_disk_well()

    def is_disk_well(self) -> bool:
        """Whether the state directory can be written; the log has the begin and the end of an absence."""
        fault = self._context.disk.find_fault()
        if fault is None:
            self._context.outages.end("the disk")
        else:
            self._context.outages.begin("the disk", fault)
        return fault is None

    def _claim_alone(self) -> None:
        with self._context.store.write() as connection:
            claimed = self._claim(connection)
        self._claimed += claimed

    def _claim(self, connection: Connection) -> list[Claimed]:
        """Claim as many trials as fit of the demand at the head of the queue; while that waits, all others wait too."""
        demand, dispatcher = claims.find_head_demand(connection), self._keeper.dispatcher
        if demand is None or dispatcher is None:
            return []
        room = dispatcher.room(demand)
        if room <= 0 and not _fits(dispatcher, demand):
            room = 1  # no machine can ever run it: the dispatcher reports that, and it fails with that reason
        return claims.claim(connection, demand, min(room, MAX_CLAIMS), now()) if room > 0 else []


def _fits(dispatcher: Dispatcher, demand: Resources) -> bool:
    return any(count_places(machine, demand) for machine in dispatcher.machines())
