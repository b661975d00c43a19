"""The queue: every arrow of `service.decide` as one guarded UPDATE.

A statement names the state that it leaves and, where an attempt ends, the fence of the claim; the number of rows that
it changed says whether it happened. Callers hold one write transaction around what belongs together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from ablate.study import Resources
from ablate.trial import EpochMetrics, Trial
from service.decide import Ack, Finish, Requeue, Spent
from service.store.outbox import announce, find_live
from service.store.rows import attempts, memberships, studies, trials
from service.store.sql import chunks, insert

NEW_BUDGETS: Mapping[str, Any] = {
    "losses": 0, "ooms": 0, "reason": None, "step": None, "steps": None, "live": None, "curve": None, "outcome": None,
    "provenance": None, "started_at": None, "ended_at": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed trial: what to run, under which fence, and what earlier attempts have spent."""

    trial: Trial
    fence: int
    resources: Resources
    spent: Spent


@dataclass(slots=True)
class Sign:
    """What was last heard of a running trial, to be written with others in one go.

    Attributes:
        step, steps: optimiser steps done and in all.
        live: metrics for eyes.
        curve: every point so far.
    """

    key: str
    fence: int
    step: int
    steps: int
    live: dict[str, float]
    curve: list[EpochMetrics] = field(default_factory=list)


def add_trials(
    connection: Connection, wanted: Sequence[Trial], resources: Resources, priority: int, at: datetime
) -> set[str]:
    """Queue those trials that are neither known nor under way. Returns their keys; the rest is shared.

    New ones enter in the given order; failed and cancelled ones are queued again where they stood, with new budgets.
    """
    values = [
        {
            "key": trial.key, "task": trial.task, "seed": trial.seed, "replicate": trial.replicate,
            "recipe": trial.recipe, "cpus": resources.cpus, "gpus": resources.gpus, "state": "queued",
            "priority": priority, "fence": 0, "losses": 0, "ooms": 0, "created_at": at,
        }
        for trial in wanted
    ]  # fmt: skip
    queued: set[str] = set()
    for part in chunks(values):
        statement = insert(connection, trials).on_conflict_do_nothing(index_elements=["key"]).returning(trials.c.key)
        queued |= set(connection.execute(statement, part).scalars())
    rest = [trial.key for trial in wanted if trial.key not in queued]
    return queued | requeue_holes(connection, rest)


def requeue_holes(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Queue failed and cancelled ones among these trials again, with new budgets. Returns their keys."""
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
    """Set the priority of a study's waiting trials to the highest among the studies that want them now."""
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
            update(trials).where(trials.c.key.in_(part), trials.c.state == "queued").values(priority=highest)
        )


def _keys_of(connection: Connection, study_seq: int) -> list[str]:
    """Keys of a study's trials, for statements: given a subquery, SQLite may go through every queued trial instead."""
    rows = connection.execute(select(memberships.c.trial_key).where(memberships.c.study_seq == study_seq))
    return list(dict.fromkeys(rows.scalars()))


def peek(connection: Connection) -> Resources | None:
    """The demand of the next trial in the queue."""
    first = _queue(select(trials.c.cpus, trials.c.gpus)).limit(1)
    row = connection.execute(first).first()
    return Resources(cpus=row.cpus, gpus=row.gpus) if row else None


def _queue(statement: Any) -> Any:
    """Through the queue's index, in its order."""
    waiting = trials.c.state == "queued", trials.c.priority.is_not(None)
    return statement.where(*waiting).order_by(trials.c.priority.desc(), trials.c.seq)


def claim(connection: Connection, resources: Resources, limit: int, at: datetime) -> list[Claim]:
    """Claim the next trials of this demand, in the order of the queue; each is an attempt from now on."""
    fits = trials.c.cpus == resources.cpus, trials.c.gpus == resources.gpus
    # Named, so that PostgreSQL evaluates it once: a plain subquery with a lock may be run again for each row.
    chosen = _queue(select(trials.c.seq).where(*fits)).limit(limit).with_for_update(skip_locked=True).cte("chosen")
    statement = (
        update(trials)
        .where(trials.c.seq.in_(select(chosen.c.seq)), trials.c.state == "queued")
        .values(state="running", fence=trials.c.fence + 1, started_at=at, step=None, steps=None, live=None)
        .returning(trials)
    )
    rows = sorted(connection.execute(statement), key=lambda row: (-row.priority, row.seq))
    if rows:
        keys = [row.key for row in rows]
        connection.execute(
            attempts.insert(),
            [{"trial_key": row.key, "number": row.fence, "state": "running", "claimed_at": at} for row in rows],
        )
        _start_studies(connection, keys, at)
        announce(connection, keys)
    return [_claim_of(row) for row in rows]


def _claim_of(row: Any) -> Claim:
    trial = Trial(key=row.key, task=row.task, recipe=row.recipe, seed=row.seed, replicate=row.replicate)
    resources = Resources(cpus=row.cpus, gpus=row.gpus)
    return Claim(trial, row.fence, resources, Spent(losses=row.losses, ooms=row.ooms))


def list_wanting(connection: Connection, keys: Sequence[str]) -> list[int]:
    """Studies, queued or running, with a cell that one of these trials fills."""
    found: set[int] = set()
    for part in chunks(keys):
        wanting = select(memberships.c.study_seq).where(
            memberships.c.trial_key.in_(part), memberships.c.settled.is_(None)
        )
        found |= set(connection.execute(wanting.distinct()).scalars())
    return sorted(find_live(connection, found, ("queued", "running")))


def _start_studies(connection: Connection, keys: Sequence[str], at: datetime) -> None:
    for part in chunks(list_wanting(connection, keys)):
        connection.execute(
            update(studies)
            .where(studies.c.seq.in_(part), studies.c.state == "queued")
            .values(state="running", started_at=func.coalesce(studies.c.started_at, at))
        )


def record_signs(connection: Connection, signs: Sequence[Sign], at: datetime) -> None:
    """Write what was heard of running trials; a late sign of an older claim changes nothing."""
    if not signs:
        return
    current = trials.c.key == bindparam("of"), trials.c.fence == bindparam("claim"), trials.c.state == "running"
    connection.execute(
        update(trials).where(*current),
        [
            {
                "of": sign.key, "claim": sign.fence, "step": sign.step, "steps": sign.steps, "live": sign.live,
                "curve": [point.model_dump(mode="json") for point in sign.curve],
            }
            for sign in signs
        ],
    )  # fmt: skip
    first = attempts.c.trial_key == bindparam("of"), attempts.c.number == bindparam("claim")
    connection.execute(
        update(attempts).where(*first, attempts.c.started_at.is_(None)).values(started_at=at),
        [{"of": sign.key, "claim": sign.fence} for sign in signs],
    )


def acknowledge(
    connection: Connection,
    key: str,
    fence: int,
    ack: Ack,
    at: datetime,
    *,
    curve: Iterable[EpochMetrics] = (),
    provenance: Mapping[str, Any] | None = None,
) -> bool:
    """Record how an attempt ended. Returns whether it was the current one; else nothing changes."""
    values = _finished(ack, curve, provenance) if isinstance(ack, Finish) else _requeued(ack)
    ended_at = at if isinstance(ack, Finish) else None
    current = trials.c.key == key, trials.c.fence == fence, trials.c.state == "running"
    changed = connection.execute(update(trials).where(*current).values(**values, ended_at=ended_at)).rowcount
    if changed == 0:
        return False
    ended = ack.state if isinstance(ack, Finish) else ack.attempt
    connection.execute(
        update(attempts)
        .where(attempts.c.trial_key == key, attempts.c.number == fence)
        .values(state=ended, reason=ack.reason, ended_at=at)
    )
    return True


def _finished(ack: Finish, curve: Iterable[EpochMetrics], provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    points = list(curve)
    last = {"step": points[-1].step, "steps": points[-1].steps} if points else {}
    return {
        **last,
        "state": ack.state,
        "reason": ack.reason,
        "outcome": ack.outcome.model_dump(mode="json"),
        "curve": [point.model_dump(mode="json") for point in points],
        "provenance": dict(provenance or {}),
        "live": None,
    }


def _requeued(ack: Requeue) -> dict[str, Any]:
    spent: dict[str, Any] = {ack.budget: trials.c[ack.budget] + 1} if ack.budget else {}
    return {"state": "queued", "reason": ack.reason, "started_at": None, "live": None, **spent}


def list_running(connection: Connection) -> list[tuple[str, int]]:
    """(key, fence) of every trial that the database holds for running."""
    rows = connection.execute(select(trials.c.key, trials.c.fence).where(trials.c.state == "running"))
    return [(row.key, row.fence) for row in rows]


def find_claims(connection: Connection, keys: Sequence[str]) -> list[tuple[Claim, bool]]:
    """The present claims of these running trials, and whether each attempt was ever heard of."""
    found = []
    for part in chunks(keys):
        rows = connection.execute(
            select(trials, attempts.c.started_at.is_not(None).label("was_heard"))
            .join(attempts, (attempts.c.trial_key == trials.c.key) & (attempts.c.number == trials.c.fence))
            .where(trials.c.key.in_(part), trials.c.state == "running")
        )
        found += [(_claim_of(row), bool(row.was_heard)) for row in rows]
    return found


def cancel_unwanted(connection: Connection, study_seq: int, at: datetime) -> list[str]:
    """End what no live study wants any more of a study's trials. Returns the keys; running ones are to be stopped."""
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
            .values(state="cancelled", reason="no live study wants it", ended_at=at, live=None)
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
