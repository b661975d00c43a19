"""Cells, trials and attempts as they are read: pages, one trial, records for tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from ablate.remote.choices import TrialState
from ablate.remote.documents.trials import AttemptView, CellOfStudy, CellView, TrialView
from ablate.trials.trial import EpochMetrics, Outcome, TrialRecord
from service.errors import NotFoundError
from service.store.queue.needs import find_needs
from service.store.sql import cell_state, chunks, document_of, trial_of
from service.store.tables import attempts, memberships, mirrored, studies, trials

NO_TRIAL = "no trial with that key; `ablate show ID`, or over REST the list of a study's trials, has the keys"


def list_cells(
    connection: Connection, study_seq: int, *, state: TrialState | None, limit: int, after: int
) -> list[tuple[int, CellView]]:
    """(position, cell) of a study's cells after a position."""
    statement = (
        select(
            memberships.c.position, memberships.c.row, memberships.c.group, memberships.c.seed,
            memberships.c.shared, cell_state.label("state"), trials.c.key, trials.c.reason, trials.c.open_needs,
            trials.c.step, trials.c.steps, trials.c.live, trials.c.outcome, trials.c.started_at, trials.c.ended_at,
            mirrored.c.run_id.label("mlflow_run_id"),
        )
        .join(trials, trials.c.key == memberships.c.trial_key)
        .outerjoin(
            mirrored,
            (mirrored.c.study_seq == memberships.c.study_seq) & (mirrored.c.trial_key == memberships.c.trial_key),
        )
        .where(memberships.c.study_seq == study_seq, memberships.c.position > after)
        .order_by(memberships.c.position)
        .limit(limit)
    )  # fmt: skip
    if state is not None:
        statement = statement.where(cell_state == state)
    rows = connection.execute(statement).all()
    tried = list_attempts(connection, [row.key for row in rows])
    needed = find_needs(connection, [row.key for row in rows if row.open_needs])
    return [(row.position, _cell_of(row, tried.get(row.key, []), needed.get(row.key, {}))) for row in rows]


def _cell_of(row: Any, tried: list[AttemptView], needed: Mapping[str, str]) -> CellView:
    reason = row.reason or (_waits_for(needed) if row.state == "queued" else None)
    return document_of(CellView, row, reason=reason, metrics=_metrics_of(row), attempts=tried)


def _waits_for(needed: Mapping[str, str]) -> str | None:
    """Reason why a trial waits for others that have not all succeeded; None if it needs no others."""
    names = " and ".join(f"its {name}, trial {key[:12]}" for name, key in needed.items())
    return f"waits for {names}" if names else None


def _metrics_of(row: Any) -> dict[str, float]:
    """Final metrics, or those of the last message while it runs."""
    return dict((row.outcome or {}).get("metrics") or row.live or {})


def list_attempts(connection: Connection, keys: Iterable[str]) -> dict[str, list[AttemptView]]:
    """The attempts at each of these trials, oldest first."""
    found: dict[str, list[AttemptView]] = {}
    for part in chunks(list(keys)):
        statement = select(attempts).where(attempts.c.trial_key.in_(part)).order_by(attempts.c.number)
        for row in connection.execute(statement):
            view = document_of(AttemptView, row, started_at=row.started_at or row.claimed_at)
            found.setdefault(row.trial_key, []).append(view)
    return found


def get_trial(connection: Connection, key: str) -> TrialView:
    """All stored information about a trial.

    Raises:
        NotFoundError: no trial has that key.
    """
    row = connection.execute(select(trials).where(trials.c.key == key)).first()
    if row is None:
        raise NotFoundError(NO_TRIAL)
    run = connection.execute(
        select(mirrored.c.run_id).where(mirrored.c.trial_key == key).order_by(mirrored.c.study_seq).limit(1)
    ).scalar()
    needed = find_needs(connection, [key]).get(key, {})
    is_waiting = row.state == "queued" and row.open_needs
    return document_of(
        TrialView,
        row,
        rows=_places(connection, key),
        reason=row.reason or (_waits_for(needed) if is_waiting else None),
        metrics=_metrics_of(row),
        attempts=list_attempts(connection, [key]).get(key, []),
        needs=needed,
        outcome=row.outcome and {name: value for name, value in row.outcome.items() if name != "items"},
        curve=row.curve or [],
        provenance=row.provenance or {},
        mlflow_run_id=run,
    )


def get_outcome(connection: Connection, key: str) -> Outcome | None:
    """The whole outcome of a trial; None if it has not ended.

    Raises:
        NotFoundError: no trial has that key.
    """
    row = connection.execute(select(trials.c.outcome).where(trials.c.key == key)).first()
    if row is None:
        raise NotFoundError(NO_TRIAL)
    return Outcome.model_validate(row.outcome) if row.outcome else None


def _places(connection: Connection, key: str) -> list[CellOfStudy]:
    rows = connection.execute(
        select(studies.c.id.label("study_id"), memberships.c.row, memberships.c.group, memberships.c.seed)
        .join(studies, studies.c.seq == memberships.c.study_seq)
        .where(memberships.c.trial_key == key)
        .order_by(memberships.c.study_seq, memberships.c.position)
    )
    return [document_of(CellOfStudy, row) for row in rows]


def find_keys(connection: Connection, prefix: str) -> list[str]:
    """At most two keys with that prefix, by the index of keys."""
    beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    statement = select(trials.c.key).where(trials.c.key >= prefix, trials.c.key < beyond).limit(2)
    return list(connection.execute(statement).scalars())


@dataclass(frozen=True, slots=True)
class Origin:
    """Cells of a row whose trials another study had trained, the first of them at `ended_at`."""

    row: str
    study_id: str
    study_name: str
    cells: int
    ended_at: datetime


def find_results(connection: Connection, keys: Sequence[str]) -> dict[str, TrialRecord]:
    """Records of those trials that have a result."""
    found: dict[str, TrialRecord] = {}
    for part in chunks(keys):
        results = trials.c.key.in_(part), trials.c.state.in_(("succeeded", "diverged"))
        found |= _records_of(connection, connection.execute(select(trials).where(*results)).all())
    return found


def list_records(connection: Connection, study_seq: int) -> dict[str, TrialRecord]:
    """The finished trials of a study as records, by key; with failed ones, without cancelled cells."""
    statement = (
        select(trials)
        .join(memberships, memberships.c.trial_key == trials.c.key)
        .where(
            memberships.c.study_seq == study_seq,
            cell_state.in_(("succeeded", "diverged", "failed")),
            trials.c.outcome.is_not(None),
        )
    )
    return _records_of(connection, [row for row in connection.execute(statement) if row.outcome])


def _records_of(connection: Connection, rows: Sequence[Any]) -> dict[str, TrialRecord]:
    needed = find_needs(connection, [row.key for row in rows])
    return {row.key: _record_of(row, needed.get(row.key, {})) for row in rows}


def _record_of(row: Any, needs: Mapping[str, str]) -> TrialRecord:
    return TrialRecord(
        trial=trial_of(row, needs),
        outcome=Outcome.model_validate(row.outcome),
        curve=[EpochMetrics.model_validate(point) for point in row.curve or []],
        provenance=row.provenance or {},
        finished_at=row.ended_at.isoformat(timespec="microseconds"),
    )


def list_origins(connection: Connection, study_seq: int) -> list[Origin]:
    """The studies that trained the results that a study shares, by row."""
    own, other = memberships.alias("own"), memberships.alias("other")
    rows = connection.execute(
        select(own.c.row, studies.c.id, studies.c.name, func.count(), func.min(trials.c.ended_at))
        .join(other, (other.c.trial_key == own.c.trial_key) & ~other.c.shared)
        .join(studies, studies.c.seq == other.c.study_seq)
        .join(trials, trials.c.key == own.c.trial_key)
        .where(own.c.study_seq == study_seq, own.c.shared, own.c.settled.is_(None))
        .where(other.c.study_seq != study_seq, trials.c.ended_at.is_not(None))
        .group_by(own.c.row, studies.c.seq)
        .order_by(func.min(own.c.position))
    )
    return [Origin(*row) for row in rows]


def list_live(connection: Connection, study_seq: int) -> list[dict[str, Any]]:
    """Progress of a study's running trials, as data of `trial` events."""
    rows = connection.execute(
        select(
            trials.c.key, memberships.c.row, memberships.c.group, memberships.c.seed, trials.c.step, trials.c.steps,
            trials.c.live.label("metrics"),
        )
        .join(memberships, memberships.c.trial_key == trials.c.key)
        .where(trials.c.state == "running", memberships.c.study_seq == study_seq, memberships.c.settled.is_(None))
    )  # fmt: skip
    return [{**row._mapping, "state": "running", "reason": None, "metrics": row.metrics or {}} for row in rows]
