"""The demand of studies on the queue: trials are added, change their priority, and end when no study needs them.

Every move is one guarded UPDATE, as in `queue`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from ablate.study.resources import ResourcesSpec
from ablate.trials.trial import Trial
from service.store.queue.needs import add_needs
from service.store.sql import chunks, insert
from service.store.tables import attempts, memberships, studies, trials

NEW_BUDGETS: Mapping[str, Any] = {
    "losses": 0, "ooms": 0, "failures": 0,
    "reason": None, "step": None, "steps": None, "live": None, "curve": None, "outcome": None,
    "provenance": None, "started_at": None, "ended_at": None,
}  # fmt: skip


def add_trials(
    connection: Connection, wanted: Sequence[Trial], resources: ResourcesSpec, priority: int, at: datetime
) -> set[str]:
    """Queue those trials that are neither known nor under way. Returns their keys; the others are shared.

    New trials enter in the given order, each after those that it needs. Failed and cancelled ones are queued again at
    their old place, with new budgets. A trial that several studies want has the widest of their limits. The caller
    calls `needs.settle_needs` for the queued trials.
    """
    values = [
        {
            "key": trial.key, "task": trial.task, "seed": trial.seed, "replicate": trial.replicate,
            "repeat": trial.repeat, "recipe": trial.recipe, "cpus": resources.cpus, "gpus": resources.gpus,
            "timeout_s": resources.timeout_s, "max_retries": resources.max_retries,
            "state": "queued", "priority": priority, "open_needs": len(trial.needs), "fence": 0, "losses": 0, "ooms": 0,
            "created_at": at,
        }
        for trial in wanted
    ]  # fmt: skip
    queued: set[str] = set()
    for part in chunks(values):
        statement = insert(connection, trials).on_conflict_do_nothing(index_elements=["key"]).returning(trials.c.key)
        queued |= set(connection.execute(statement, part).scalars())
    add_needs(connection, wanted)
    rest = [trial.key for trial in wanted if trial.key not in queued]
    _widen(connection, rest, resources)
    return queued | requeue_holes(connection, rest)


def _widen(connection: Connection, keys: Sequence[str], resources: ResourcesSpec) -> None:
    """Give trials that others want too the wider limits, and those that ended without a result the new ones."""
    asked, retries = resources.timeout_s, resources.max_retries
    for part in chunks(keys):
        mine = update(trials).where(trials.c.key.in_(part))
        holes, open_ = trials.c.state.in_(("failed", "cancelled")), trials.c.state.in_(("queued", "running"))
        connection.execute(mine.where(holes).values(timeout_s=asked, max_retries=retries))
        connection.execute(mine.where(open_, trials.c.max_retries < retries).values(max_retries=retries))
        narrower = trials.c.timeout_s.is_not(None) if asked is None else trials.c.timeout_s < asked
        connection.execute(mine.where(open_, narrower).values(timeout_s=asked))


def requeue_holes(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Queue failed and cancelled ones among these trials again, with new budgets. Returns their keys.

    The caller calls `needs.settle_needs` for them.
    """
    queued: set[str] = set()
    for part in chunks(keys):
        statement = (
            update(trials)
            .where(trials.c.key.in_(part), trials.c.state.in_(("failed", "cancelled")))
            .values(state="queued", **NEW_BUDGETS)
            .returning(trials.c.key)
        )
        queued |= set(connection.execute(statement).scalars())
    return queued


def refresh_demand(connection: Connection, study_seq: int) -> None:
    """Set the priority of a study's open trials to the highest among the studies that need them now.

    This includes running trials: one that loses its worker waits again, and must not be claimed for a paused study.
    """
    highest = (
        select(func.max(studies.c.priority))
        .join(memberships, memberships.c.study_seq == studies.c.seq)
        .where(
            memberships.c.trial_key == trials.c.key,
            memberships.c.settled.is_(None),
            studies.c.state.in_(("queued", "running")),
        )
        .scalar_subquery()
    )
    for part in chunks(_keys_of(connection, study_seq)):
        connection.execute(
            update(trials)
            .where(trials.c.key.in_(part), trials.c.state.in_(("queued", "running")))
            .values(priority=highest)
        )


def _keys_of(connection: Connection, study_seq: int) -> list[str]:
    """Keys of a study's trials, for statements: given a subquery, SQLite may go through every queued trial instead."""
    rows = connection.execute(select(memberships.c.trial_key).where(memberships.c.study_seq == study_seq))
    return list(dict.fromkeys(rows.scalars()))


def cancel_unwanted(connection: Connection, study_seq: int, at: datetime) -> list[str]:
    """Cancel those trials of a study that no live study needs. Returns the keys; running ones have to be stopped."""
    wanted = (
        select(memberships.c.trial_key)
        .join(studies, studies.c.seq == memberships.c.study_seq)
        .where(
            memberships.c.trial_key == trials.c.key,
            memberships.c.settled.is_(None),
            studies.c.state.in_(("queued", "running", "paused")),
        )
    )
    cancelled: list[str] = []
    for part in chunks(_keys_of(connection, study_seq)):
        open_ = trials.c.key.in_(part), trials.c.state.in_(("queued", "running"))
        statement = (
            update(trials)
            .where(*open_, ~wanted.exists())
            .values(state="cancelled", reason="no live study needs it", ended_at=at, live=None)
            .returning(trials.c.key)
        )
        keys = list(connection.execute(statement).scalars())
        connection.execute(
            update(attempts)
            .where(attempts.c.trial_key.in_(keys), attempts.c.state == "running")
            .values(state="cancelled", reason="cancelled", ended_at=at)
        )
        cancelled += keys
    return cancelled
