"""Faults as they are stored: work that ended with an internal error, and how often it was tried."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select

from service.store.sql import insert
from service.store.tables import faults, studies


@dataclass(frozen=True, slots=True)
class Fault:
    """Work that ended with an internal error.

    Attributes:
        number: by which people and the log refer to it, such as `E-7f3a`.
        kind, subject: the kind of the work, and what it works on; together they are unique.
        study_seq, study_id: the study that it concerns; None if it concerns none.
        work: the work in words, such as `the table of study table07`.
        error: type and message of the exception.
        tries: how often the work ended this way.
        is_stuck: whether it is set aside until a person retries it.
    """

    id: int
    number: str
    kind: str
    subject: str
    study_seq: int | None
    study_id: str | None
    work: str
    error: str
    tries: int
    is_stuck: bool
    first_at: datetime
    last_at: datetime


_FAULTS = select(faults, studies.c.id.label("study_id")).outerjoin(studies, studies.c.seq == faults.c.study_seq)
DIGITS = 4


def new_numbers() -> Iterator[str]:
    """Numbers for a fault: short ones first, longer ones where those are taken."""
    for digits in (DIGITS, DIGITS, DIGITS, 6, 8, 12):
        yield f"E-{secrets.token_hex(digits // 2)}"


def record_fault(connection: Connection, values: dict[str, Any]) -> None:
    """Store a fault, or the new number of tries of a known one."""
    statement = insert(connection, faults).values(values)
    kept = {name: value for name, value in values.items() if name not in ("number", "kind", "subject", "first_at")}
    connection.execute(statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=kept))


def is_taken(connection: Connection, number: str) -> bool:
    """Whether a fault has this number."""
    return connection.execute(select(faults.c.id).where(faults.c.number == number)).first() is not None


def list_faults(
    connection: Connection, *, stuck: bool | None = None, limit: int | None = None, before: int | None = None
) -> list[Fault]:
    """Newest first, those with a smaller id than `before`."""
    statement = _FAULTS.order_by(faults.c.id.desc()).limit(limit)
    if stuck is not None:
        statement = statement.where(faults.c.is_stuck == stuck)
    if before is not None:
        statement = statement.where(faults.c.id < before)
    return [Fault(**row._mapping) for row in connection.execute(statement)]


def find_fault(connection: Connection, number: str) -> Fault | None:
    """The fault of that number."""
    row = connection.execute(_FAULTS.where(faults.c.number == number)).first()
    return Fault(**row._mapping) if row else None


def remove_fault(connection: Connection, kind: str, subject: str) -> bool:
    """Forget a fault: its work was done, or is tried anew. Returns whether it was there."""
    mine = faults.c.kind == kind, faults.c.subject == subject
    return connection.execute(delete(faults).where(*mine)).rowcount > 0


def is_kept(connection: Connection, kind: str, subject: str) -> bool:
    """Whether there is a fault of this work."""
    mine = faults.c.kind == kind, faults.c.subject == subject
    return connection.execute(select(faults.c.id).where(*mine)).first() is not None


def count_stuck(connection: Connection) -> dict[str, int]:
    """Number of faults that wait for a person, by kind."""
    rows = connection.execute(select(faults.c.kind, func.count()).where(faults.c.is_stuck).group_by(faults.c.kind))
    return {row[0]: row[1] for row in rows}
