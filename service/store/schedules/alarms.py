"""Alarms of schedules as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from ablate.remote.documents.firings import AlarmView
from service.store.schedules.tables import alarms, firings, schedules
from service.store.sql import document_of, insert
from service.store.tables import studies


def add_alarm(connection: Connection, values: dict[str, Any]) -> int | None:
    """Store an alarm. Returns its id; None if the firing has an alarm for that row already."""
    statement = insert(connection, alarms).values(values).on_conflict_do_nothing(index_elements=["firing_id", "row"])
    return connection.execute(statement.returning(alarms.c.id)).scalar()


def acknowledge_alarms(connection: Connection, schedule_seq: int, reason: str, at: datetime) -> int:
    """Close every open alarm of a schedule. Returns their number."""
    open_ = update(alarms).where(alarms.c.schedule_seq == schedule_seq, alarms.c.acknowledged_at.is_(None))
    return connection.execute(open_.values(acknowledged_at=at, ack_reason=reason)).rowcount


def list_open(connection: Connection, schedule_seqs: Sequence[int] | None = None) -> list[AlarmView]:
    """Alarms that are not acknowledged, newest first: of these schedules, or of all."""
    return list_alarms(connection, schedule_seqs, is_open=True)


def list_alarms(
    connection: Connection, schedule_seqs: Sequence[int] | None, *, is_open: bool | None
) -> list[AlarmView]:
    """Alarms, newest first: of these schedules, or of all; open ones, acknowledged ones, or both."""
    statement = (
        select(alarms, schedules.c.name.label("schedule"), firings.c.instant, studies.c.id.label("study_id"))
        .join(schedules, schedules.c.seq == alarms.c.schedule_seq)
        .join(firings, firings.c.id == alarms.c.firing_id)
        .outerjoin(studies, studies.c.seq == firings.c.study_seq)
        .order_by(alarms.c.id.desc())
    )
    if is_open is not None:
        statement = statement.where(alarms.c.acknowledged_at.is_(None) == is_open)
    if schedule_seqs is not None:
        statement = statement.where(alarms.c.schedule_seq.in_(schedule_seqs))
    return [document_of(AlarmView, row) for row in connection.execute(statement)]
