"""Counts over the whole database, for health and metrics."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from service.documents.states import STUDY_STATES, TRIAL_STATES
from service.store.tables import studies, trials


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
