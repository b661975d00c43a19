"""Studies at a glance: cells by state, pace, MLflow run. A page of studies takes a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Select, case, func, select, union_all

from ablate.remote.documents.studies import Progress
from service.documents.states import LIVE, TRIAL_STATES
from service.store.sql import cell_state
from service.store.studies import Stored
from service.store.tables import memberships, mirrored, trials

SAMPLE = 32
"""Number of finished trials whose durations an estimate uses."""


@dataclass(slots=True)
class Overview:
    """The values of a study's view that are not in its row.

    Attributes:
        durations_s: wall seconds of some of its finished trials; empty for a study that is not live.
        waiting: number of its queued trials; unlike in `progress`, two cells of one trial count once.
        fractions: progress of each running trial, 0 to 1.
        run: (run id, experiment id) in MLflow.
    """

    progress: Progress
    durations_s: list[float] = field(default_factory=list)
    waiting: int = 0
    fractions: list[float] = field(default_factory=list)
    run: tuple[str, str] | None = None


def read_overviews(connection: Connection, stored: Sequence[Stored]) -> dict[int, Overview]:
    """The overview of each of these studies, by `seq`."""
    seqs = [one.seq for one in stored]
    found = {seq: Overview(progress) for seq, progress in _count_cells(connection, seqs).items()}
    for seq, run_id, experiment_id in connection.execute(
        select(mirrored.c.study_seq, mirrored.c.run_id, mirrored.c.experiment_id).where(
            mirrored.c.study_seq.in_(seqs), mirrored.c.trial_key == ""
        )
    ):
        found[seq].run = run_id, experiment_id
    for seq, waiting in _count_waiting(connection, seqs):
        found[seq].waiting = waiting
    for seq, fraction in _running(connection):
        if seq in found:
            found[seq].fractions.append(fraction)
    for seq, duration_s in _durations(connection, [one.seq for one in stored if one.state in LIVE]):
        found[seq].durations_s.append(duration_s)
    return found


def read_overview(connection: Connection, stored: Stored) -> Overview:
    """The overview of one study."""
    return read_overviews(connection, [stored])[stored.seq]


def _count_cells(connection: Connection, study_seqs: Sequence[int]) -> dict[int, Progress]:
    """Cells by state of each of these studies."""
    counts: dict[int, dict[str, int]] = {
        seq: dict.fromkeys((*TRIAL_STATES, "trials", "shared", "distinct"), 0) for seq in study_seqs
    }
    joined = memberships.join(trials, trials.c.key == memberships.c.trial_key)
    mine = memberships.c.study_seq.in_(study_seqs)
    number, shared = func.count(), func.sum(case((memberships.c.shared, 1), else_=0))
    by_state = select(memberships.c.study_seq, cell_state, number, shared).select_from(joined).where(mine)
    for seq, state, cells, of_others in connection.execute(by_state.group_by(memberships.c.study_seq, cell_state)):
        counts[seq][state] += cells
        counts[seq]["trials"] += cells
        counts[seq]["shared"] += of_others
    different = select(memberships.c.study_seq, func.count(memberships.c.trial_key.distinct())).where(mine)
    for seq, distinct in connection.execute(different.group_by(memberships.c.study_seq)):
        counts[seq]["distinct"] = distinct
    return {seq: Progress(**found) for seq, found in counts.items()}


def _count_waiting(connection: Connection, study_seqs: Sequence[int]) -> list[tuple[int, int]]:
    """(study, its distinct queued trials)."""
    rows = connection.execute(
        select(memberships.c.study_seq, func.count(trials.c.key.distinct()))
        .join(trials, trials.c.key == memberships.c.trial_key)
        .where(memberships.c.study_seq.in_(study_seqs), cell_state == "queued")
        .group_by(memberships.c.study_seq)
    )
    return [(seq, count) for seq, count in rows]


def _running(connection: Connection) -> list[tuple[int, float]]:
    """(study, progress) of every running trial; they are few, and have their own index."""
    running = select(trials.c.key, trials.c.step, trials.c.steps).where(trials.c.state == "running").cte("under_way")
    rows = connection.execute(
        select(memberships.c.study_seq, running.c.key, running.c.step, running.c.steps)
        .join(running, running.c.key == memberships.c.trial_key)
        .where(memberships.c.settled.is_(None))
        .distinct()
    )
    return [(row.study_seq, row.step / row.steps if row.steps else 0.0) for row in rows]


def _durations(connection: Connection, study_seqs: Sequence[int]) -> list[tuple[int, float]]:
    """(study, wall seconds) of the first trials in each study's order that have a result; one statement for all."""
    if not study_seqs:
        return []
    rows = connection.execute(union_all(*map(_first_results, study_seqs)))
    return [
        (row.study_seq, (row.ended_at - row.started_at).total_seconds())
        for row in rows
        if row.started_at and row.ended_at
    ]


def _first_results(study_seq: int) -> Select[Any]:
    first = (
        select(memberships.c.study_seq, trials.c.started_at, trials.c.ended_at)
        .join(memberships, memberships.c.trial_key == trials.c.key)
        .where(memberships.c.study_seq == study_seq, trials.c.state.in_(("succeeded", "diverged")))
        .order_by(memberships.c.position)
        .limit(SAMPLE)
        .subquery()
    )
    return select(first)
