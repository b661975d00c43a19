"""The cells of a study for its page: the state of each, and the curves so far. The table has the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from ablate.remote.choices import TrialState
from service.store.sql import cell_state
from service.store.tables import memberships, trials


@dataclass(frozen=True, slots=True)
class Standing:
    """State of a cell. `step` of `steps` while it runs; `shared` where another study queued its trial."""

    row: str
    seed: int
    key: str
    state: TrialState
    reason: str | None
    step: int | None
    steps: int | None
    shared: bool


def list_standings(connection: Connection, study_seq: int) -> list[Standing]:
    """Every cell of a study, in order."""
    rows = connection.execute(
        select(
            memberships.c.row, memberships.c.seed, trials.c.key, cell_state.label("state"), trials.c.reason,
            trials.c.step, trials.c.steps, memberships.c.shared,
        )
        .join(trials, trials.c.key == memberships.c.trial_key)
        .where(memberships.c.study_seq == study_seq)
        .order_by(memberships.c.position)
    )  # fmt: skip
    return [Standing(**row._mapping) for row in rows]


def list_curves(connection: Connection, study_seq: int, limit: int) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """(row, seed, points) of the first `limit` cells that have a curve; for running trials, the curve so far."""
    rows = connection.execute(
        select(memberships.c.row, memberships.c.seed, trials.c.curve)
        .join(trials, trials.c.key == memberships.c.trial_key)
        .where(memberships.c.study_seq == study_seq, trials.c.state != "queued", trials.c.fence > 0)
        .order_by(memberships.c.position)
        .limit(limit)
    )
    return [(row.row, row.seed, row.curve) for row in rows if row.curve]
