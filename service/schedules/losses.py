"""Rows that lost seeds at a firing, in words. Two kinds of rows are unknown by name, and need a person:

* a row without a number, because all its seeds were lost at this firing,
* a row of new seeds that lost half or more of them in its reference window, or since. No test finds it if it lost them
  from the start.

Neither is an alarm. Each is announced once. An acknowledged row stays unknown and quiet: without a number until it has
one, and otherwise until the schedule has a new reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ablate.errors import quote
from ablate.remote.documents.firings import DriftView
from ablate.statistics.drift.losses import find_lossy_part
from service.schedules.alarms import Settlement
from service.store.schedules import alarms, firings, notices
from service.store.schedules.firings import MEASURED, Firing
from service.store.schedules.schedules import Schedule
from service.store.session import Connection


@dataclass(frozen=True, slots=True)
class Doubt:
    """An unknown row at a firing, in words.

    Attributes:
        is_known: whether a person has acknowledged it.
        is_announced: whether an earlier firing has announced it.
    """

    row: str
    text: str
    is_known: bool
    is_announced: bool


def add_losses(case: Settlement, drift: DriftView) -> DriftView:
    """The result of a firing with its lost seeds, never steady with an unknown row. Queues a notice about new ones."""
    doubts = list(_find_doubts(case)) if case.firing.state in MEASURED else []
    _announce(case, [one for one in doubts if not (one.is_known or one.is_announced)])
    texts = [f"{one.text} (acknowledged)" if one.is_known else one.text for one in doubts]
    sentence = "; ".join(text for text in (*texts, drift.sentence, _ended_text(case.firing)) if text)
    return DriftView(
        state="unknown" if doubts and drift.state != "alarm" else drift.state,
        sentence=sentence,
        unknown={one.row: one.text for one in doubts if not one.is_known},
    )


def unknown_text(firing: Firing) -> str | None:
    """The unknown rows that nobody has acknowledged, in words; None without any."""
    return "; ".join(_open_doubts(firing).values()) or None


def acknowledge_unknown(connection: Connection, schedule: Schedule, reason: str, at: datetime) -> bool:
    """Store, in the history of alarms, that the unknown rows are known. Returns whether any needed a person.

    Rows that are acknowledged already are stored again, since the reference may begin anew.
    """
    history = firings.list_measured(connection, schedule.seq, schedule.created_at)
    for firing in history[-1:]:
        texts = {row["row"]: _without_number(row) for row in firing.rows if not row["n"]}
        for row, text in (texts | _open_doubts(firing)).items():
            values = {
                "schedule_seq": schedule.seq, "firing_id": firing.id, "row": row, "direction": "lost", "size": None,
                "changed_instant": firing.instant, "good_instant": None, "good_study_id": None, "sentence": text,
                "differences": [], "raised_at": at, "acknowledged_at": at, "ack_reason": reason,
            }  # fmt: skip
            alarms.add_alarm(connection, values)
    found = [one for one in history if _open_doubts(one)]
    for firing in found:
        firings.move_firing(connection, firing.id, MEASURED, firing.state, drift=(firing.drift or {}) | {"unknown": {}})
    return bool(found)


def _open_doubts(firing: Firing) -> dict[str, str]:
    return dict((firing.drift or {}).get("unknown", {}))  # earlier versions stored none


def _find_doubts(case: Settlement) -> Iterator[Doubt]:
    connection, schedule, firing = case.connection, case.schedule, case.firing
    before = [
        one
        for one in firings.list_measured(connection, schedule.seq, schedule.created_at)
        if one.instant < firing.instant
    ]
    closed = {
        one.row: one.instant
        for one in reversed(alarms.list_alarms(connection, [schedule.seq], is_open=False))
        if one.acknowledged_at and one.acknowledged_at >= schedule.watched_from
    }
    watched = [one for one in before if one.kind == "fresh" and one.instant >= schedule.watched_from]
    alarmed = {one.row for one in alarms.list_open(connection, [schedule.seq])}
    for row in firing.rows:
        label = row["row"]
        if not row["n"]:
            known = label in closed and not any(
                _has_number(one, label) for one in before if one.instant >= closed[label]
            )
            is_announced = label in alarmed or any(label in _open_doubts(one) for one in before[-1:])
            yield Doubt(label, _without_number(row), known, is_announced)
        elif firing.kind == "fresh" and label not in alarmed:
            seen = [one for one in watched if one.instant == closed.get(label) and _has_number(one, label)]
            later = [one for one in watched if not seen or one.instant > seen[0].instant]
            if text := _lossy(label, [*later, firing], None if seen else schedule.reference_firings):
                yield Doubt(label, text, bool(seen), any(label in _open_doubts(one) for one in watched))


def _has_number(firing: Firing, label: str) -> bool:
    return any(row["row"] == label and row["n"] for row in firing.rows)


def _without_number(row: Mapping[str, Any]) -> str:
    seeds = "its seed" if row["lost"] == 1 else f"all {row['lost']} seeds"
    return f"row {quote(row['row'])} is unknown, since {seeds} diverged or failed"


def _lossy(label: str, history: Sequence[Firing], reference: int | None) -> str | None:
    """A row that lost half of its seeds in words; reference: None counts all firings, since an acknowledgement."""
    rows = [row for one in history for row in one.rows if row["row"] == label]
    found = find_lossy_part([(row["lost"], row["n"] + row["lost"]) for row in rows], reference or 0)
    if found is None:
        return None
    lost, seeds, is_reference = found
    when = "after the acknowledged firing" if reference is None else "after its reference window"
    where = f"in the {reference} firings of its reference window" if is_reference else when
    return f"row {quote(label)} is unknown, since {lost} of its {seeds} seeds {where} diverged or failed"


def _announce(case: Settlement, doubts: Sequence[Doubt]) -> None:
    if doubts:
        document = case.document([one.row for one in doubts], "; ".join(one.text for one in doubts))
        notices.queue_notice(case.connection, "unknown", f"unknown:{case.firing.id}", document, case.at)


def _ended_text(firing: Firing) -> str | None:
    """The rows whose mean lacks seeds, in words."""
    rows = [row for row in firing.rows if row["n"] and row["lost"]] if firing.state in MEASURED else []
    counts = [f"{quote(row['row'])} ({row['n']} of {row['n'] + row['lost']})" for row in rows]
    return f"mean over the seeds that ended: {', '.join(counts)}" if counts else None
