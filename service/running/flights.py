"""The trials that a dispatcher has: what was heard of each, and how those ended that are not recorded yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ablate.trials.trial import EpochMetrics, Outcome
from service.dispatch.base import Heard, Report, Ticket, TrialLost
from service.store.queue.claims import Claim, Sign
from service.store.queue.states import Spent
from service.store.sql import now


@dataclass(slots=True)
class Flight:
    """A trial under way.

    Attributes:
        heard_s: monotonic time of its last word.
        sign: that word, and the curve so far; None before the first.
        is_news: whether the sign is still to be written.
        is_silent: whether it is being ended because it said nothing for too long.
    """

    ticket: Ticket
    spent: Spent
    heard_s: float
    sign: Sign | None = None
    is_news: bool = False
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended."""

    flight: Flight
    report: Report
    at: datetime

    @property
    def curve(self) -> list[EpochMetrics]:
        """Every point that was heard."""
        return self.flight.sign.curve if self.flight.sign else []


class Flights:
    """See the module's text.

    Attributes:
        ends: to be recorded; whoever has recorded them clears the list.
    """

    def __init__(self) -> None:
        self.ends: list[End] = []
        self._by_name: dict[tuple[str, int], Flight] = {}

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, ticket: Ticket, claim: Claim) -> None:
        """A trial was handed to the dispatcher."""
        self._by_name[ticket.name] = Flight(ticket, claim.spent, time.monotonic())

    def hear(self, report: Report) -> None:
        """Take in what the dispatcher says; a ticket that is not under way is not listened to."""
        flight = self._by_name.get(report.ticket.name)
        if flight is None:
            return
        flight.heard_s = time.monotonic()
        if isinstance(report, TrialLost) or isinstance(report.message, Outcome):
            del self._by_name[report.ticket.name]
            self.ends.append(End(flight, _with_its_cause(flight, report), now()))
            return
        message, curve = report.message, flight.sign.curve if flight.sign else []
        if isinstance(message, EpochMetrics):
            curve = [*curve, message]
        flight.sign = Sign(*flight.ticket.name, message.step, message.steps, dict(message.metrics), curve)
        flight.is_news = True

    def lose_all(self, reason: str) -> None:
        """The dispatcher broke: every trial that it had is to be tried again, through no fault of its own."""
        for flight in self:
            self.hear(TrialLost(flight.ticket, "stopped", reason))

    def news(self) -> list[Flight]:
        """Flights whose sign is still to be written."""
        return [flight for flight in self if flight.is_news]


def _with_its_cause(flight: Flight, report: Report) -> Report:
    """A trial that we ended for its silence was lost, not stopped."""
    if isinstance(report, Heard) or not flight.is_silent:
        return report
    return replace(report, kind="worker", reason="it said nothing for too long, so it was ended")
