"""Consequences of a change: events for clients that watch a study, entries for the mirror in MLflow.

Both are written in the transaction of the change itself. The outbox has at most one entry for each (study, trial). A
further change raises its version: the mirror, which always writes the current state, compares it to find out whether
the entry changed in the meantime.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from service.documents.states import LIVE
from service.store.sql import chunks, insert
from service.store.tables import events, memberships, mirrored, outbox, studies, trials


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An entry to mirror: a trial of a study, or with `trial_key` "" the study itself."""

    id: int
    study_seq: int
    trial_key: str
    version: int


_CELLS = (
    select(
        memberships.c.study_seq, memberships.c.row, memberships.c.group, memberships.c.seed,
        trials.c.key, trials.c.state, trials.c.reason, trials.c.step, trials.c.outcome,
    )
    .join(trials, trials.c.key == memberships.c.trial_key)
    .where(memberships.c.trial_key.in_(bindparam("keys", expanding=True)), memberships.c.settled.is_(None))
)  # fmt: skip
_STATES = select(studies.c.seq, studies.c.state).where(studies.c.seq.in_(bindparam("seqs", expanding=True)))


def announce(connection: Connection, keys: Sequence[str]) -> None:
    """Write events and entries for the live studies of these trials, which changed."""
    for part in chunks(keys):
        rows = connection.execute(_CELLS, {"keys": part}).all()
        live = find_live(connection, {row.study_seq for row in rows}, LIVE)
        news = [row for row in rows if row.study_seq in live]
        if news:
            connection.execute(
                events.insert(), [{"study_seq": row.study_seq, "kind": "trial", "data": _news(row)} for row in news]
            )
            enqueue(connection, [(row.study_seq, row.key) for row in news])


def find_live(connection: Connection, study_seqs: Iterable[int], states: Sequence[str]) -> set[int]:
    """Those of these studies that are in one of the states; by number, so that no other study is read."""
    found: set[int] = set()
    for part in chunks(sorted(study_seqs)):
        found |= {row.seq for row in connection.execute(_STATES, {"seqs": part}) if row.state in states}
    return found


def _news(row: Any) -> dict[str, Any]:
    return {
        "key": row.key, "row": row.row, "group": row.group, "seed": row.seed, "state": row.state,
        "reason": row.reason, "step": row.step, "metrics": (row.outcome or {}).get("metrics", {}),
    }  # fmt: skip


def add_event(connection: Connection, study_seq: int, kind: str, data: dict[str, Any]) -> None:
    """Add one event of a study."""
    connection.execute(events.insert().values(study_seq=study_seq, kind=kind, data=data))


def enqueue(connection: Connection, places: Sequence[tuple[int, str]]) -> None:
    """Queue these (study, trial) pairs for the mirror; "" for the trial means the study itself."""
    if not places:
        return
    statement = insert(connection, outbox).on_conflict_do_update(
        index_elements=["study_seq", "trial_key"], set_={"version": outbox.c.version + 1}
    )
    unique = dict.fromkeys(places)
    connection.execute(statement, [{"study_seq": seq, "trial_key": key, "version": 1} for seq, key in unique])


def enqueue_started(connection: Connection, study_seq: int) -> None:
    """Queue a study and all its trials that ever started for the mirror."""
    started = select(memberships.c.trial_key).join(trials, trials.c.key == memberships.c.trial_key)
    keys = connection.execute(started.where(memberships.c.study_seq == study_seq, trials.c.fence > 0)).scalars()
    enqueue(connection, [(study_seq, ""), *((study_seq, key) for key in keys)])


def list_entries(connection: Connection, limit: int) -> list[OutboxEntry]:
    """The oldest entries."""
    rows = connection.execute(select(outbox).order_by(outbox.c.id).limit(limit))
    return [OutboxEntry(row.id, row.study_seq, row.trial_key, row.version) for row in rows]


def count_entries(connection: Connection) -> int:
    """Number of entries that are not mirrored yet."""
    return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())


def clear(connection: Connection, done: Sequence[OutboxEntry]) -> None:
    """Remove mirrored entries; an entry that changed in the meantime stays."""
    for entry in done:
        connection.execute(delete(outbox).where(outbox.c.id == entry.id, outbox.c.version == entry.version))


def record_run(connection: Connection, study_seq: int, trial_key: str, run_id: str, experiment_id: str) -> None:
    """Store the MLflow run of a trial in a study, or with "" for the trial of the study itself."""
    run = {"run_id": run_id, "experiment_id": experiment_id}
    statement = insert(connection, mirrored).values(study_seq=study_seq, trial_key=trial_key, **run)
    connection.execute(statement.on_conflict_do_update(index_elements=["study_seq", "trial_key"], set_=run))


def find_run(connection: Connection, study_seq: int, trial_key: str = "") -> tuple[str, str] | None:
    """(run id, experiment id) of an entry in MLflow, where it is known."""
    row = connection.execute(
        select(mirrored.c.run_id, mirrored.c.experiment_id).where(
            mirrored.c.study_seq == study_seq, mirrored.c.trial_key == trial_key
        )
    ).first()
    return (row.run_id, row.experiment_id) if row else None
