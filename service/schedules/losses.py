"""Rows that lost seeds at a firing, in words. A row without a number is unknown by name, and needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ablate.errors import quote
from ablate.remote.documents.firings import DriftView
from service.store.schedules import alarms, notices
from service.store.schedules.firings import MEASURED, Firing
from service.store.session import Connection


def unknown_text(firing: Firing) -> str | None:
    """The rows without a number in words; None if all have one, or if the firing was cancelled."""
    return _unknown(_find_unknown(firing))


def add_losses(drift: DriftView, firing: Firing) -> DriftView:
    """The result of a firing with its lost seeds: with a row without a number it is never steady."""
    unknown, ended = unknown_text(firing), _ended_text(firing)
    sentence = "; ".join(text for text in (unknown, drift.sentence, ended) if text)
    state = "unknown" if unknown and drift.state != "alarm" else drift.state
    return DriftView(state=state, sentence=sentence)


def announce_unknown(connection: Connection, schedule: str, firing: Firing, at: datetime) -> None:
    """Queue a notice about the rows without a number; an open alarm of a row has announced it already."""
    known = {alarm.row for alarm in alarms.list_open(connection, [firing.schedule_seq])}
    rows = [row for row in _find_unknown(firing) if row["row"] not in known]
    if text := _unknown(rows):
        document = {
            "schedule": schedule, "instant": firing.instant.isoformat(), "study_id": firing.study_id,
            "rows": [row["row"] for row in rows],
            "sentence": f"schedule {schedule}, firing of {firing.instant:%Y-%m-%d %H:%M} UTC: {text}",
        }  # fmt: skip
        notices.queue_notice(connection, "unknown", f"unknown:{firing.id}", document, at)


def _find_unknown(firing: Firing) -> list[dict[str, Any]]:
    return [row for row in firing.rows if not row["n"]] if firing.state in MEASURED else []


def _unknown(rows: Sequence[dict[str, Any]]) -> str | None:
    texts = [f"row {quote(row['row'])} is unknown, since {_all(row['lost'])} diverged or failed" for row in rows]
    return "; ".join(texts) or None


def _all(seeds: int) -> str:
    return "its seed" if seeds == 1 else f"all {seeds} seeds"


def _ended_text(firing: Firing) -> str | None:
    """The rows whose mean lacks seeds, in words."""
    rows = [row for row in firing.rows if row["n"] and row["lost"]] if firing.state in MEASURED else []
    counts = [f"{quote(row['row'])} ({row['n']} of {row['n'] + row['lost']})" for row in rows]
    return f"mean over the seeds that ended: {', '.join(counts)}" if counts else None
