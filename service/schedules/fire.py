"""The tick of schedules: due times become firings, firings become studies, ended studies become results.

The current time is an argument. Each step is one transaction that checks the state it starts from, so that
several schedulers may tick at the same time, and the next tick continues after one that died between two steps.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from ablate.errors import StudyError
from ablate.remote.choices import FiringState
from service.context import Context
from service.faults.work import Work
from service.schedules.instants import due_time, find_latest, instants, next_instant
from service.schedules.launch import launch_safely
from service.schedules.settle import settle_safely
from service.store.schedules import firings, notices, schedules
from service.store.schedules.schedules import Schedule
from service.store.session import Connection

log = logging.getLogger(__name__)

MAX_AT_ONCE = 100
"""Largest number of missed times for which policy `all` fires."""
STEP_BACK = timedelta(days=1)
"""A clock that is set back further was wrong before; firings in its future no longer delay a schedule."""


def tick(context: Context, at: datetime) -> None:
    """Do everything that is due at a time.

    Raises:
        UnavailableError: the database cannot be read or written; the next tick continues.
    """
    with context.store.read() as connection:
        ahead = schedules.list_ahead(connection, at + STEP_BACK)
        ended = firings.list_ended(connection)
    _for_each(ahead, _set_back, context, at)
    for firing in ended:
        settle_safely(context, firing, at)
    with context.store.read() as connection:
        due = schedules.list_due(connection, at)
    _for_each(due, _fire, context, at)
    with context.store.read() as connection:
        waiting = firings.list_waiting(connection)
    for firing in waiting:
        launch_safely(context, firing, at)


def _for_each(
    found: Sequence[Schedule], do: Callable[[Context, Schedule, datetime], None], context: Context, at: datetime
) -> None:
    """Do it for each schedule; one with a time zone that this machine does not know waits and delays no other.

    A schedule that raises an internal error three times is set aside until it is changed, or retried.
    """
    for schedule in found:
        changed = schedule.changed_at.isoformat()
        work = Work("schedule", f"{schedule.seq}:{changed}", f"schedule {schedule.name}")
        if context.faults.is_set_aside(work):
            continue
        with context.faults.boundary(work, give_up=partial(_report_fault, context, schedule, at)):
            try:
                do(context, schedule, at)
            except StudyError as error:
                _report_stuck(context, schedule, str(error), at)


def _report_fault(context: Context, schedule: Schedule, at: datetime, reason: str) -> None:
    _report_stuck(context, schedule, f"it {reason}", at)


def _report_stuck(context: Context, schedule: Schedule, error: str, at: datetime) -> None:
    """Report that a schedule cannot fire: once, and again if it was changed and still cannot."""
    about = f"schedule:{schedule.seq}:{schedule.changed_at.isoformat()}"
    with context.store.read() as connection:
        if notices.is_announced(connection, about):
            return
    text = f"schedule {schedule.name} cannot fire: {error}"
    with context.store.write() as connection:
        is_news = notices.queue_notice(connection, "stuck", about, {"schedule": schedule.name, "sentence": text}, at)
    if is_news:
        log.error("%s", text)


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision for a due time, which may cover several."""

    instant: datetime
    state: FiringState
    stands_for: int = 1
    reason: str | None = None


def _fire(context: Context, schedule: Schedule, at: datetime) -> None:
    """Turn due times into firings; nothing happens if another scheduler was faster."""
    due = find_due(schedule, at)
    due_at = due_time(schedule.name, due.upcoming, schedule.jitter_s)
    with context.store.write() as connection:
        if not schedules.take(connection, schedule, last_at=due.newest[-1], next_at=due.upcoming, due_at=due_at):
            return
        is_busy = firings.find_open(connection, schedule.seq) is not None
        for decision in decide_firing(schedule, due, at, is_busy=is_busy):
            _add(connection, schedule, decision, at)


def _add(connection: Connection, schedule: Schedule, decision: Decision, at: datetime) -> None:
    ended_at = None if decision.state == "queued" else at
    values = {
        "state": decision.state,
        "stands_for": decision.stands_for,
        "reason": decision.reason,
        "ended_at": ended_at,
    }
    firing_id = firings.add_firing(connection, schedule.seq, decision.instant, **values)
    if firing_id is not None and decision.reason:
        notices.announce_firing(connection, schedule.name, firing_id, at)


@dataclass(frozen=True, slots=True)
class DueInstants:
    """Due times: the oldest, the newest `MAX_AT_ONCE` in order, their number, and the first one after them."""

    oldest: datetime
    newest: list[datetime]
    count: int
    upcoming: datetime


def find_due(schedule: Schedule, at: datetime) -> DueInstants:
    """The times of a schedule that are due: its next one, which must be due, and those after it."""
    cron, tz, first = schedule.cron, schedule.tz, schedule.next_at
    surely = max(first, at - timedelta(seconds=schedule.jitter_s))
    behind, count = find_latest(cron, tz, first, surely, MAX_AT_ONCE)
    newest = deque([first, *behind], maxlen=MAX_AT_ONCE)
    for number, instant in enumerate(instants(cron, tz, surely), count + 1):
        if due_time(schedule.name, instant, schedule.jitter_s) > at:
            return DueInstants(first, list(newest), number, instant)
        newest.append(instant)
    raise AssertionError("a cron expression has no last time")


def decide_firing(schedule: Schedule, due: DueInstants, at: datetime, *, is_busy: bool) -> Iterator[Decision]:
    """Decisions for the due times, by the schedule's policies. Pure.

    Args:
        schedule: the schedule with its policies.
        due: at least one due time.
        at: the current time.
        is_busy: whether an earlier firing still waits or runs.
    """
    wanted, count = due.newest, due.count
    if schedule.missed == "skip":
        since = at - timedelta(seconds=schedule.grace_s)
        wanted = [one for one in wanted if due_time(schedule.name, one, schedule.jitter_s) >= since]
        late = f"passed more than {schedule.grace_s} s before the scheduler ran"
        given_up = (one for one in due.newest if one not in wanted)
        first = due.oldest if due.oldest not in wanted else next(given_up, due.oldest)  # jitter changes their order
        yield from _missed(first, count - len(wanted), late)
        count = len(wanted)
    if not wanted:
        return
    if is_busy and schedule.overlap == "skip":
        yield Decision(wanted[-1], "skipped", count, "the previous firing still waits or runs")
    elif schedule.missed == "all":
        yield from _missed(due.oldest, count - len(wanted), f"passed before the newest {MAX_AT_ONCE}, which fire late")
        yield from (Decision(instant, "queued") for instant in wanted)
    else:
        text = f"it covers {count} scheduled times that passed while no scheduler ran" if count > 1 else None
        yield Decision(wanted[-1], "queued", count, text)


def _missed(first: datetime, count: int, text: str) -> Iterator[Decision]:
    """One row for all missed times, at the first of them."""
    if count:
        yield Decision(first, "missed", count, f"{count} scheduled {'time' if count == 1 else 'times'} {text}")


def _set_back(context: Context, schedule: Schedule, at: datetime) -> None:
    """Continue a schedule from now. A time that has fired does not fire again, because its row exists."""
    upcoming = next_instant(schedule.cron, schedule.tz, at)
    due_at = due_time(schedule.name, upcoming, schedule.jitter_s)
    with context.store.write() as connection:
        schedules.take(connection, schedule, last_at=at, next_at=upcoming, due_at=due_at)
