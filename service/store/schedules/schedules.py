"""Schedules as they are stored: added, changed, taken when they are due. One query per function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from ablate.errors import nearest, quote
from ablate.remote.choices import Missed, Mode, Overlap
from service.errors import NotFoundError
from service.store.schedules.tables import alarms, firings, schedules
from service.store.sql import insert


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule's row; what a user gives is described in `ablate.remote.documents.schedules.ScheduleSpec`.

    Attributes:
        seq: number in the order of creation.
        last_at: the newest instant that was handled; None before the first.
        next_at: the next instant to handle; `due_at` is the same with its jitter.
        next_seed: the first seed that no firing has used.
        reference: numbers that verify compares with, see `service.schedules.launch.Reference`; None: not chosen yet.
        renews: whether the next reference has to be trained again, although results are stored.
        watched_from: start of the reference window; earlier firings are not part of it.
    """

    seq: int
    name: str
    cron: str
    tz: str
    mode: Mode
    study: dict[str, Any]
    scale: str | None
    seeds: int | None
    priority: int | None
    missed: Missed
    grace_s: int
    overlap: Overlap
    jitter_s: int
    tolerance: float
    reference_firings: int
    false_alarm_every: int
    paused: bool
    created_at: datetime
    changed_at: datetime
    last_at: datetime | None
    next_at: datetime
    due_at: datetime
    next_seed: int
    reference: dict[str, Any] | None
    renews: bool
    watched_from: datetime


def add_schedule(connection: Connection, values: dict[str, Any]) -> bool:
    """Store a new schedule. Returns whether its name was free."""
    statement = insert(connection, schedules).values(values).on_conflict_do_nothing(index_elements=["name"])
    return bool(connection.execute(statement.returning(schedules.c.seq)).scalar())


def get_schedule(connection: Connection, name: str, *, locked: bool = False) -> Schedule:
    """The schedule of that name; `locked` keeps other transactions from changing it until this one ends.

    Raises:
        NotFoundError: there is none.
    """
    statement = select(schedules).where(schedules.c.name == name)
    row = connection.execute(statement.with_for_update() if locked else statement).first()
    if row is None:
        names = list(connection.execute(select(schedules.c.name)).scalars())
        raise NotFoundError(
            f"no schedule has the name {quote(name)}{nearest(name, names)}",
            rest="GET /api/v1/schedules lists them",
            command="`ablate schedule list` lists them",
        )
    return Schedule(**row._mapping)


def find_by_seq(connection: Connection, seq: int, *, locked: bool = False) -> Schedule | None:
    """The schedule of that number; None if it was removed. `locked` as above."""
    statement = select(schedules).where(schedules.c.seq == seq)
    row = connection.execute(statement.with_for_update() if locked else statement).first()
    return Schedule(**row._mapping) if row else None


def list_schedules(connection: Connection, *, limit: int | None = None, before: int | None = None) -> list[Schedule]:
    """Newest first, those with a smaller `seq` than `before`."""
    statement = select(schedules).order_by(schedules.c.seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(schedules.c.seq < before)
    return [Schedule(**row._mapping) for row in connection.execute(statement)]


def list_due(connection: Connection, at: datetime) -> list[Schedule]:
    """Schedules that are due, soonest first."""
    due = ~schedules.c.paused & (schedules.c.due_at <= at)
    return [
        Schedule(**row._mapping)
        for row in connection.execute(select(schedules).where(due).order_by(schedules.c.due_at))
    ]


def list_ahead(connection: Connection, limit: datetime) -> list[Schedule]:
    """Schedules that fired at an instant after a limit: the clock was ahead then."""
    ahead = ~schedules.c.paused & (schedules.c.last_at > limit)
    return [Schedule(**row._mapping) for row in connection.execute(select(schedules).where(ahead))]


def take(connection: Connection, schedule: Schedule, **values: Any) -> bool:
    """Advance a schedule from its next instant. Returns whether it was still there: each instant is taken once."""
    standing = schedules.c.seq == schedule.seq, schedules.c.next_at == schedule.next_at, ~schedules.c.paused
    return connection.execute(update(schedules).where(*standing).values(**values)).rowcount > 0


def change_schedule(connection: Connection, seq: int, values: dict[str, Any]) -> None:
    """Set these columns of a schedule."""
    connection.execute(update(schedules).where(schedules.c.seq == seq).values(**values))


def remove_schedule(connection: Connection, seq: int) -> None:
    """Remove a schedule with its firings and alarms. The studies that it fired stay."""
    for table in (alarms, firings):
        connection.execute(delete(table).where(table.c.schedule_seq == seq))
    connection.execute(delete(schedules).where(schedules.c.seq == seq))
