"""Schedules under a clock that a test moves, over trials that do what it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ablate.remote.documents.firings import FiringView
from ablate.remote.documents.schedules import Acknowledgement, ScheduleChange, ScheduleSpec, ScheduleView
from service.dispatch.interface import Ticket
from service.running.scheduler import Scheduler
from service.schedules import fire, lifecycle
from service.schedules.instants import due_time, next_instant
from service.store.schedules import notices
from service.store.schedules import schedules as stored

MORNING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def succeed(_: Ticket) -> str:
    """The status of a trial that succeeds."""
    return "succeeded"


class Nights:
    """Schedules under a clock that the test moves."""

    def __init__(self, desk: Any, study: dict[str, Any]) -> None:
        self.desk, self.study, self.at = desk, study, MORNING
        desk.scheduler = Scheduler(desk.context, lambda: desk.dispatcher, clock=lambda: self.at)
        desk.scheduler.start()

    def add(self, name: str = "nightly", **fields: Any) -> ScheduleView:
        spec = {"name": name, "cron": "0 2 * * *", "study": self.study} | fields
        return lifecycle.add_schedule(self.desk.context, ScheduleSpec(**spec), self.at)[0]

    def add_frequent(self, cron: str, **fields: Any) -> None:
        """A schedule that fires more often than a new one may, as an earlier version stored it."""
        added = self.add(**fields)
        upcoming = next_instant(cron, added.tz, self.at)
        values = {"cron": cron, "next_at": upcoming, "due_at": due_time(added.name, upcoming, added.jitter_s)}
        with self.desk.context.store.write() as connection:
            stored.change_schedule(connection, stored.get_schedule(connection, added.name).seq, values)

    def tick(self, at: datetime | None = None) -> None:
        self.at = at or self.at
        fire.tick(self.desk.context, self.at)

    def night(
        self, day: int, name: str = "nightly", ends: Callable[[Ticket], str] = succeed, **metrics: float
    ) -> FiringView:
        """The instant of that day comes, and what it fires is trained to its end."""
        self.tick(MORNING.replace(hour=2, minute=0) + day * DAY)
        self.train(ends, **metrics)
        return self.history(name)[0]

    def train(self, ends: Callable[[Ticket], str] = succeed, **metrics: float) -> None:
        """Everything that is queued or runs ends so, with these metrics where it succeeds."""
        for _ in range(50):
            self.desk.tick()
            running = list(self.desk.dispatcher.running.values())
            for ticket in running:
                self.desk.dispatcher.end(ticket, ends(ticket), **metrics)
            if not running and not self.desk.dispatcher.reports:
                break
        self.tick()

    def history(self, name: str = "nightly") -> list[FiringView]:
        return lifecycle.list_history(self.desk.context, name, limit=200, cursor=None).items

    def states(self) -> list[str]:
        return [one.state for one in reversed(self.history())]

    def schedule(self, name: str = "nightly") -> ScheduleView:
        return lifecycle.get_schedule(self.desk.context, name, self.at)

    def change(self, **fields: Any) -> ScheduleView:
        return lifecycle.change_schedule(self.desk.context, "nightly", ScheduleChange(**fields), self.at)

    def acknowledge(self, reason: str, **fields: Any) -> ScheduleView:
        said = Acknowledgement(reason=reason, **fields)
        return lifecycle.acknowledge(self.desk.context, "nightly", said, self.at)

    def told(self) -> list[str]:
        """Kinds of the notices to operators, in order."""
        with self.desk.context.store.read() as connection:
            return [one.kind for one in notices.list_due(connection, "url", self.at + 400 * DAY, 1000)]
