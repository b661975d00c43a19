"""What a tick does for schedules: instants that are due become firings, firings become studies, studies give numbers.

The clock is handed in. Each step is a transaction of its own that names what it leaves, so that any number of
schedulers may tick at once, and one that dies between two steps leaves the next for whoever ticks again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from service.context import Context
from service.instants import due_time, instants, next_instant
from service.launching import launch
from service.schedule_shapes import FiringState
from service.settling import settle
from service.store import firings, notices, schedules
from service.store.schedules import Schedule
from service.store.session import Connection

MOST_AT_ONCE = 100
"""Of the instants that policy `all` makes up for."""
STEP_BACK = timedelta(days=1)
"""A clock that is set back farther was wrong before: what fired in its future no longer holds a schedule up."""


def tick(context: Context, at: datetime) -> None:
    """Do what is due at a moment.

    Raises:
        UnavailableError: the database cannot be read or written; the next tick goes on.
    """
    with context.store.read() as connection:
        ahead = schedules.list_ahead(connection, at + STEP_BACK)
        ended = firings.list_ended(connection)
    for schedule in ahead:
        _set_back(context, schedule, at)
    for firing in ended:
        settle(context, firing, at)
    with context.store.read() as connection:
        due = schedules.list_due(connection, at)
    for schedule in due:
        _fire(context, schedule, at)
    with context.store.read() as connection:
        waiting = firings.list_waiting(connection)
    for firing in waiting:
        launch(context, firing, at)


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of an instant, or of several that it stands for."""

    instant: datetime
    state: FiringState
    stands_for: int = 1
    reason: str | None = None


def _fire(context: Context, schedule: Schedule, at: datetime) -> None:
    """Turn the instants that are due into firings; nothing happens where another scheduler was faster."""
    due, count, upcoming = find_due(schedule, at)
    with context.store.write() as connection:
        times = {"last_at": due[-1], "next_at": upcoming}
        due_at = due_time(schedule.name, upcoming, schedule.jitter_s)
        if not schedules.take(connection, schedule, due_at=due_at, **times):
            return
        is_busy = firings.find_open(connection, schedule.seq) is not None
        for answer in decide(schedule, due, count, at, is_busy=is_busy):
            _add(connection, schedule, answer, at)


def _add(connection: Connection, schedule: Schedule, answer: Answer, at: datetime) -> None:
    values = {"state": answer.state, "stands_for": answer.stands_for, "reason": answer.reason}
    firing_id = firings.add_firing(connection, schedule.seq, answer.instant, **values)
    if firing_id is not None and answer.state in ("missed", "skipped"):
        notices.announce_firing(connection, schedule.name, firing_id, at)


def find_due(schedule: Schedule, at: datetime) -> tuple[list[datetime], int, datetime]:
    """Instants that are due at a moment (the newest `MOST_AT_ONCE`), how many there are, and the one behind them."""
    due: deque[datetime] = deque(maxlen=MOST_AT_ONCE)
    count = 0
    for instant in chain([schedule.next_at], instants(schedule.cron, schedule.tz, schedule.next_at)):
        if due_time(schedule.name, instant, schedule.jitter_s) > at:
            return list(due), count, instant
        due.append(instant)
        count += 1
    raise AssertionError("a cron text comes for ever")


def decide(schedule: Schedule, due: list[datetime], count: int, at: datetime, *, is_busy: bool) -> Iterator[Answer]:
    """What becomes of the instants that are due, by the schedule's policies. Pure.

    Args:
        schedule: whose policies.
        due: the newest of the instants, oldest first; at least one.
        count: how many instants are due.
        at: the moment.
        is_busy: whether an earlier firing still waits or runs.
    """
    if schedule.missed == "skip":
        grace = timedelta(seconds=schedule.grace_s)
        timely = [instant for instant in due if at - due_time(schedule.name, instant, schedule.jitter_s) <= grace]
        if late := count - len(timely):
            text = f"{_count(late)} passed more than {schedule.grace_s} s before anything looked"
            yield Answer(due[-1 - len(timely)], "missed", late, text)
        due, count = timely, len(timely)
    if not due:
        return
    if is_busy and schedule.overlap == "skip":
        yield Answer(due[-1], "skipped", count, "the firing before it still waits or runs")
    elif schedule.missed == "all":
        if lost := count - len(due):
            yield Answer(due[0] - timedelta(microseconds=1), "missed", lost, f"{_count(lost)} were too many to make up")
        yield from (Answer(instant, "queued") for instant in due)
    else:
        yield Answer(due[-1], "queued", count)


def _count(number: int) -> str:
    return "1 instant" if number == 1 else f"{number} instants"


def _set_back(context: Context, schedule: Schedule, at: datetime) -> None:
    """Let a schedule go on from now. What fired at an instant does not fire there again: its row is there."""
    upcoming = next_instant(schedule.cron, schedule.tz, at)
    due_at = due_time(schedule.name, upcoming, schedule.jitter_s)
    with context.store.write() as connection:
        schedules.take(connection, schedule, last_at=at, next_at=upcoming, due_at=due_at)
