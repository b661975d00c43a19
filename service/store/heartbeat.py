"""The scheduler's own row: its dispatcher, its machines, and when it was last alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from service.dispatch.machines import Machine
from service.store.sql import insert
from service.store.tables import scheduler


@dataclass(frozen=True, slots=True)
class Beat:
    """The scheduler's last beat."""

    dispatcher: str
    machines: list[Machine]
    beat_at: datetime


def record_beat(connection: Connection, dispatcher: str, machines: Sequence[Machine], at: datetime) -> None:
    """Record that the scheduler is alive."""
    values = {"dispatcher": dispatcher, "machines": [asdict(machine) for machine in machines], "beat_at": at}
    statement = insert(connection, scheduler).values(id=1, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def find_beat(connection: Connection) -> Beat | None:
    """The last beat of this or an earlier scheduler."""
    row = connection.execute(select(scheduler)).first()
    return Beat(row.dispatcher, [Machine(**machine) for machine in row.machines], row.beat_at) if row else None


def find_machines(connection: Connection) -> list[Machine]:
    """The machines of the last scheduler; empty before the first one started."""
    beat = find_beat(connection)
    return beat.machines if beat else []
