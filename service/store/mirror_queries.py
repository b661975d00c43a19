"""Queries of the mirror: a study and its trials as MLflow should show them now."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from ablate.trials.trial import EpochMetrics
from service.documents.runs import TrialRun
from service.store.cells import list_attempts
from service.store.sql import cell_state
from service.store.tables import memberships, studies, trials


def find_trial_run(connection: Connection, study_seq: int, key: str) -> TrialRun | None:
    """A trial in a study, for its run in MLflow; None if it never started or is not in the study."""
    row = connection.execute(
        select(
            studies.c.id,
            studies.c.name,
            memberships.c.row,
            memberships.c.group,
            memberships.c.shared,
            cell_state.label("cell_state"),
            trials,
        )
        .join(memberships, memberships.c.study_seq == studies.c.seq)
        .join(trials, trials.c.key == memberships.c.trial_key)
        .where(studies.c.seq == study_seq, trials.c.key == key)
        .order_by(memberships.c.position)
        .limit(1)
    ).first()
    if row is None:
        return None
    attempts = list_attempts(connection, [key]).get(key, [])
    if not attempts:
        return None
    is_over = row.cell_state in ("succeeded", "diverged", "failed", "cancelled")
    return TrialRun(
        study_id=row.id,
        name=row.name,
        key=key,
        row=row.row,
        group=row.group,
        seed=row.seed,
        state=row.cell_state,
        reason=row.reason,
        started_at=row.started_at or attempts[0].started_at,
        ended_at=(row.ended_at or attempts[-1].ended_at or attempts[-1].started_at) if is_over else None,
        recipe=row.recipe,
        metrics=_final_metrics(row),
        curve=tuple(EpochMetrics.model_validate(point) for point in row.curve or []) if row.outcome else (),
        attempts=tuple(" ".join(filter(None, (str(one.number), one.state, one.reason))) for one in attempts),
        shared=row.shared,
        task=row.task,
    )


def _final_metrics(row: Any) -> dict[str, float]:
    outcome = row.outcome or {}
    train_s = {"train_s": outcome["train_s"]} if outcome.get("train_s") is not None else {}
    return {**outcome.get("metrics", {}), **train_s}


def find_state(connection: Connection, study_id: str, key: str) -> str | None:
    """State of a study, or with a key of that trial as the study sees it; None if there is none."""
    if not key:
        return connection.execute(select(studies.c.state).where(studies.c.id == study_id)).scalar()
    return connection.execute(
        select(cell_state)
        .select_from(memberships)
        .join(studies, studies.c.seq == memberships.c.study_seq)
        .join(trials, trials.c.key == memberships.c.trial_key)
        .where(studies.c.id == study_id, memberships.c.trial_key == key)
        .limit(1)
    ).scalar()
