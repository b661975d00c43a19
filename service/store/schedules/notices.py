"""Notices to operators: one for each event, stored in the event's transaction, and retried until it is delivered."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, select, update

from service.store.schedules import firings as stored_firings
from service.store.schedules.tables import deliveries, notices
from service.store.sql import insert

NoticeKind = Literal["drift", "jump", "lost", "unknown", "holes", "missed", "stuck", "finished", "disk"]
CHANNELS = ("url", "command")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice that is not delivered yet.

    Attributes:
        uid: id of the notice, by which a receiver recognises a repetition.
        tries: number of tries so far.
        next_try_at: time of the next try.
    """

    notice_id: int
    channel: str
    tries: int
    next_try_at: datetime
    uid: str
    kind: str
    created_at: datetime
    document: dict[str, Any]


def queue_notice(connection: Connection, kind: NoticeKind, about: str, document: dict[str, Any], at: datetime) -> bool:
    """Store a notice. Returns whether it is new: `about` identifies it, and each is sent once."""
    values = {"uid": secrets.token_hex(16), "kind": kind, "about": about, "document": document, "created_at": at}
    statement = insert(connection, notices).values(values).on_conflict_do_nothing(index_elements=["about"])
    notice_id = connection.execute(statement.returning(notices.c.id)).scalar()
    if notice_id is None:
        return False
    ways = [{"notice_id": notice_id, "channel": name, "tries": 0, "next_try_at": at} for name in CHANNELS]
    connection.execute(deliveries.insert(), ways)
    return True


def is_announced(connection: Connection, about: str) -> bool:
    """Whether there is a notice about it."""
    return connection.execute(select(notices.c.id).where(notices.c.about == about)).first() is not None


def announce_firing(connection: Connection, schedule: str, firing_id: int, at: datetime) -> None:
    """Store a notice about a firing that did not happen, or that has holes."""
    firing = stored_firings.get_firing(connection, firing_id)
    document = {
        "schedule": schedule, "instant": firing.instant.isoformat(), "state": firing.state, "reason": firing.reason,
        "stands_for": firing.stands_for, "study_id": firing.study_id,
        "sentence": f"schedule {schedule}, firing of {firing.instant:%Y-%m-%d %H:%M} UTC: {firing.state}"
        + (f": {firing.reason}" if firing.reason else ""),
    }  # fmt: skip
    kind: NoticeKind = "holes" if firing.state in ("holes", "cancelled") else "missed"
    queue_notice(connection, kind, f"firing:{firing_id}:{firing.state}", document, at)


def list_due(connection: Connection, channel: str, at: datetime, limit: int) -> list[Delivery]:
    """Deliveries by this channel that are due, oldest notice first."""
    statement = (
        select(deliveries, notices.c.uid, notices.c.kind, notices.c.created_at, notices.c.document)
        .join(notices, notices.c.id == deliveries.c.notice_id)
        .where(deliveries.c.channel == channel, deliveries.c.next_try_at <= at)
        .order_by(deliveries.c.notice_id)
        .limit(limit)
    )
    fields = Delivery.__dataclass_fields__
    return [Delivery(**{name: row._mapping[name] for name in fields}) for row in connection.execute(statement)]


def take_delivery(connection: Connection, delivery: Delivery, until: datetime) -> bool:
    """Reserve a delivery until a time. Returns False where another process was faster."""
    seen = deliveries.c.next_try_at == delivery.next_try_at
    statement = update(deliveries).where(*_of(delivery), seen).values(next_try_at=until, tries=delivery.tries + 1)
    return connection.execute(statement).rowcount > 0


def postpone_delivery(connection: Connection, delivery: Delivery, error: str, until: datetime) -> None:
    """Record a failed try, and the time of the next one."""
    connection.execute(update(deliveries).where(*_of(delivery)).values(next_try_at=until, error=error))


def end_delivery(connection: Connection, delivery: Delivery) -> None:
    """Remove a delivery that arrived, or that is given up."""
    connection.execute(delete(deliveries).where(*_of(delivery)))


def queue_again(connection: Connection, notice_id: int, channel: str, at: datetime) -> None:
    """Deliver a notice that was given up by this channel after all."""
    if connection.execute(select(notices.c.id).where(notices.c.id == notice_id)).first() is not None:
        values = {"notice_id": notice_id, "channel": channel, "tries": 0, "next_try_at": at}
        statement = insert(connection, deliveries).values(values).on_conflict_do_nothing()
        connection.execute(statement)


def drop_deliveries(connection: Connection, channels: Collection[str]) -> None:
    """Remove deliveries by channels that are not configured: they would be stale once they are."""
    connection.execute(delete(deliveries).where(deliveries.c.channel.in_(channels)))


def has_deliveries(connection: Connection) -> bool:
    """Whether any delivery is pending."""
    return connection.execute(select(deliveries.c.notice_id).limit(1)).first() is not None


def has_old(connection: Connection, before: datetime) -> bool:
    """Whether there is a notice from before a time without pending deliveries."""
    return connection.execute(select(notices.c.id).where(*_old(before)).limit(1)).first() is not None


def forget(connection: Connection, before: datetime) -> int:
    """Remove the notices from before a time without pending deliveries. Returns their number."""
    return connection.execute(delete(notices).where(*_old(before))).rowcount


def _old(before: datetime) -> tuple[Any, Any]:
    return notices.c.created_at < before, notices.c.id.not_in(select(deliveries.c.notice_id))


def _of(delivery: Delivery) -> tuple[Any, Any]:
    return deliveries.c.notice_id == delivery.notice_id, deliveries.c.channel == delivery.channel
