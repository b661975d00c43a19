"""Answers of the probe, by architecture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from service.store.sql import chunks, insert
from service.store.tables import costs


def find_costs(connection: Connection, architectures: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Stored answers: `{"cost": {...}}`, or `{"error": "..."}` for a network that cannot be built."""
    found: dict[str, dict[str, Any]] = {}
    for part in chunks(architectures):
        rows = connection.execute(select(costs).where(costs.c.architecture.in_(part)))
        found |= {row.architecture: row.answer for row in rows}
    return found


def keep_costs(connection: Connection, answers: dict[str, dict[str, Any]]) -> None:
    """Store answers; an existing answer is kept."""
    if answers:
        values = [{"architecture": name, "answer": answer} for name, answer in answers.items()]
        connection.execute(insert(connection, costs).on_conflict_do_nothing(), values)
