"""The scheduler's own row: its dispatcher, its machines, and when it was last alive. Counts for health and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from service.dispatch.machines import Machine
from service.documents.states import STUDY_STATES, TRIAL_STATES
from service.store.sql import insert
from service.store.tables import scheduler, studies, trials


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


def count_states(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """Studies by state, and trials by state."""
    return (
        dict.fromkeys(STUDY_STATES, 0) | _counted(connection, studies.c.state),
        dict.fromkeys(TRIAL_STATES, 0) | _counted(connection, trials.c.state),
    )


def _counted(connection: Connection, column: object) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).group_by(column))  # type: ignore[call-overload]
    return {row[0]: row[1] for row in rows}


def server_version(connection: Connection) -> str:
    """Version of the database's engine."""
    query = "SHOW server_version" if connection.dialect.name == "postgresql" else "SELECT sqlite_version()"
    return str(connection.execute(text(query)).scalar_one())
