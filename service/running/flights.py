"""The trials that a dispatcher runs: the progress of each, and the ends that are not recorded yet."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ablate.trials.log import describe_timeout, note_end
from ablate.trials.messages import cut
from ablate.trials.trial import EpochMetrics, Outcome
from ablate.workers.pool import START_S
from service.dispatch.interface import Report, Ticket, TrialLost, TrialMessage
from service.dispatch.trial_worker import without_folders
from service.store.queue.claims import Claim, Sign
from service.store.sql import now


@dataclass(slots=True)
class Flight:
    """A trial under way.

    Attributes:
        last_message_s: monotonic time of its last message, or of its start.
        due_s: monotonic time at which it has taken longer than its `timeout_s`.
        sign: its progress and the curve so far; None before the first message.
        is_news: whether the sign is not written yet.
        is_silent: whether it is being ended because it sent no message for too long.
        is_late: whether it is being ended because it took longer than its `timeout_s`.
    """

    ticket: Ticket
    claim: Claim
    last_message_s: float
    due_s: float
    sign: Sign | None = None
    is_news: bool = False
    is_silent: bool = False
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended."""

    flight: Flight
    report: Report
    at: datetime

    @property
    def curve(self) -> list[EpochMetrics]:
        """Every point of the curve that was received."""
        return self.flight.sign.curve if self.flight.sign else []


class Flights:
    """See the module's text.

    Attributes:
        ends: attempts that ended; the scheduler removes those that it has recorded.
    """

    def __init__(self) -> None:
        self.ends: list[End] = []
        self._by_name: dict[tuple[str, int], Flight] = {}

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, ticket: Ticket, claim: Claim) -> None:
        """Add a trial that is about to be submitted to the dispatcher."""
        now_s = time.monotonic()
        self._by_name[ticket.name] = Flight(ticket, claim, now_s, now_s + START_S + (claim.timeout_s or math.inf))

    def receive(self, report: Report) -> None:
        """Process a report of the dispatcher; reports of trials that are not under way are ignored."""
        flight = self._by_name.get(report.ticket.name)
        if flight is None:
            return
        flight.last_message_s = time.monotonic()
        if flight.sign is None and flight.claim.timeout_s is not None:
            flight.due_s = flight.last_message_s + flight.claim.timeout_s
        if isinstance(report, TrialLost) or isinstance(report.message, Outcome):
            del self._by_name[report.ticket.name]
            self.ends.append(End(flight, _with_its_cause(flight, report), now()))
            return
        message, curve = report.message, flight.sign.curve if flight.sign else []
        if isinstance(message, EpochMetrics):
            curve.append(message)  # in place: a copy for each of 100,000 points would take minutes
        flight.sign = Sign(*flight.ticket.name, message.step, message.steps, dict(message.metrics), curve)
        flight.is_news = True

    def drop(self, name: tuple[str, int]) -> None:
        """Forget a trial whose end is recorded otherwise."""
        self._by_name.pop(name, None)

    def find_overdue(self, silence_s: float) -> list[Flight]:
        """Trials that sent no message for so many seconds, or take longer than they may; each is returned once."""
        now_s = time.monotonic()
        overdue = []
        for flight in self:
            if not (flight.is_silent or flight.is_late):
                flight.is_silent = flight.last_message_s < now_s - silence_s
                flight.is_late = not flight.is_silent and flight.due_s < now_s
                overdue += [flight] if flight.is_silent or flight.is_late else []
        return overdue

    def lose_all(self, reason: str) -> None:
        """The dispatcher broke or was closed: each trial that it had is retried, without cost to its budgets."""
        for flight in self:
            self.receive(TrialLost(flight.ticket, "stopped", reason))

    def forget(self, ends: Iterable[End], news: Iterable[Flight]) -> None:
        """These ends and signs are written."""
        written = {id(end) for end in ends}
        self.ends = [end for end in self.ends if id(end) not in written]
        for flight in news:
            flight.is_news = False

    def news(self) -> list[Flight]:
        """Flights whose sign is not written yet."""
        return [flight for flight in self if flight.is_news]

    @property
    def has_begun(self) -> bool:
        """Whether a trial's first message is not written yet, which readers wait for."""
        return any(flight.sign is not None and flight.sign.step == 0 for flight in self.news())


def _with_its_cause(flight: Flight, report: Report) -> Report:
    """A trial that we ended because it was silent was lost, and one that took too long has failed: not stopped."""
    if isinstance(report, TrialMessage) or not (flight.is_silent or flight.is_late):
        return report
    if flight.is_late:
        reason = without_folders(describe_timeout(flight.claim.timeout_s or 0, flight.ticket.workdir))
        note_end(flight.ticket.workdir, f"failed: {reason}")
        return TrialMessage(report.ticket, Outcome(status="failed", reason=cut(reason)))
    return replace(report, kind="worker", reason="it sent no message for too long, so it was ended")
