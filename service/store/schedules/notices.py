"""What operators are told of: each thing once, in the transaction that makes it so, and delivered until it arrives."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, select, update

from service.store.schedules import firings as stored_firings
from service.store.schedules.rows import deliveries, notices
from service.store.sql import insert

NoticeKind = Literal["drift", "holes", "missed", "stuck", "finished", "disk"]
CHANNELS = ("url", "command")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way.

    Attributes:
        uid: of the notice: who gets it twice can tell.
        tries: how often it was tried.
        next_try_at: when it is tried again.
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
    """Tell of something. Returns whether it is new: `about` names it, and it is told of once."""
    values = {"uid": secrets.token_hex(16), "kind": kind, "about": about, "document": document, "created_at": at}
    statement = insert(connection, notices).values(values).on_conflict_do_nothing(index_elements=["about"])
    notice_id = connection.execute(statement.returning(notices.c.id)).scalar()
    if notice_id is None:
        return False
    ways = [{"notice_id": notice_id, "channel": name, "tries": 0, "next_try_at": at} for name in CHANNELS]
    connection.execute(deliveries.insert(), ways)
    return True


def is_announced(connection: Connection, about: str) -> bool:
    """Whether it was told of."""
    return connection.execute(select(notices.c.id).where(notices.c.about == about)).first() is not None


def announce_firing(connection: Connection, schedule: str, firing_id: int, at: datetime) -> None:
    """Tell of a firing that did not happen, or has holes."""
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
    """Deliveries by this way whose time has come, oldest notice first."""
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
    """Keep others from a delivery until a moment. Returns whether nobody was faster."""
    seen = deliveries.c.next_try_at == delivery.next_try_at
    statement = update(deliveries).where(*_of(delivery), seen).values(next_try_at=until, tries=delivery.tries + 1)
    return connection.execute(statement).rowcount > 0


def postpone_delivery(connection: Connection, delivery: Delivery, error: str, until: datetime) -> None:
    """It did not arrive: it is tried again at a moment."""
    connection.execute(update(deliveries).where(*_of(delivery)).values(next_try_at=until, error=error))


def end_delivery(connection: Connection, delivery: Delivery) -> None:
    """It arrived, or is given up."""
    connection.execute(delete(deliveries).where(*_of(delivery)))


def drop_deliveries(connection: Connection, channels: Collection[str]) -> None:
    """Forget what waits for ways that nobody has set up: it would be stale once somebody does."""
    connection.execute(delete(deliveries).where(deliveries.c.channel.in_(channels)))


def has_deliveries(connection: Connection) -> bool:
    """Whether anything is on its way."""
    return connection.execute(select(deliveries.c.notice_id).limit(1)).first() is not None


def has_old(connection: Connection, before: datetime) -> bool:
    """Whether there is a notice from before a moment that is on its way no more."""
    return connection.execute(select(notices.c.id).where(*_old(before)).limit(1)).first() is not None


def forget(connection: Connection, before: datetime) -> int:
    """Remove the notices from before a moment that are on their way no more. Returns how many there were."""
    return connection.execute(delete(notices).where(*_old(before))).rowcount


def _old(before: datetime) -> tuple[Any, Any]:
    return notices.c.created_at < before, notices.c.id.not_in(select(deliveries.c.notice_id))


def _of(delivery: Delivery) -> tuple[Any, Any]:
    return deliveries.c.notice_id == delivery.notice_id, deliveries.c.channel == delivery.channel
