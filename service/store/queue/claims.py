"""The queue: every arrow of `service.store.queue.states` as one guarded UPDATE.

A statement names the state that it leaves and, where an attempt ends, the fence of the claim; the number of changed
rows tells whether it happened. Callers use one write transaction for everything that belongs together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, bindparam, func, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from ablate.study.resources import Resources
from ablate.trials.trial import EpochMetrics, Trial
from service.documents.states import LIVE
from service.store.queue import limits, needs
from service.store.queue.outbox import announce, find_live
from service.store.queue.states import Ack, Finish, Requeue, Spent
from service.store.sql import chunks, trial_of
from service.store.tables import attempts, memberships, studies, trials


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed trial, the fence of the claim, the budgets that earlier attempts have spent, and the study's limits."""

    trial: Trial
    fence: int
    resources: Resources
    spent: Spent
    timeout_s: float | None = None
    max_retries: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claimed trial whose row is not read yet: this version of ablate may not understand it."""

    key: str
    fence: int
    row: Any
    needs: Mapping[str, str]

    @property
    def name(self) -> tuple[str, int]:
        """(key, fence)."""
        return self.key, self.fence

    def read(self) -> Claim:
        """The claim. Raises whatever a damaged row, or one of another version, makes of it."""
        row = self.row
        resources, spent = Resources(cpus=row.cpus, gpus=row.gpus), Spent(row.losses, row.ooms, row.failures)
        return Claim(trial_of(row, self.needs), self.fence, resources, spent, row.timeout_s, row.max_retries)


@dataclass(slots=True)
class Sign:
    """Progress of a running trial, to be written together with others.

    Attributes:
        step, steps: optimiser steps done and in all.
        live: metrics for display only.
        curve: every point so far.
    """

    key: str
    fence: int
    step: int
    steps: int
    live: dict[str, float]
    curve: list[EpochMetrics] = field(default_factory=list)


MAX_LIVE_POINTS = 1000
"""Points of the curve of a running trial; its end stores all of them."""

_IN_LINE = trials.c.state == "queued", trials.c.priority.is_not(None), trials.c.open_needs == 0
_ORDER = trials.c.priority.desc(), trials.c.seq
"""The queue's index and its order."""

# Statements of every tick are built once: building one costs more than its execution by SQLite.
_PEEK = select(trials.c.cpus, trials.c.gpus).where(*_IN_LINE).order_by(*_ORDER).limit(1)


def _claiming(*conditions: ColumnElement[bool]) -> ReturningUpdate[Any]:
    chosen = (
        select(trials.c.seq)
        .where(*_IN_LINE, trials.c.cpus == bindparam("of_cpus"), trials.c.gpus == bindparam("of_gpus"), *conditions)
        .order_by(*_ORDER)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        .cte("chosen")  # named, so that PostgreSQL evaluates it once: a subquery with a lock may be run for each row
    )
    return (
        update(trials)
        .where(trials.c.seq.in_(select(chosen.c.seq)), trials.c.state == "queued")
        .values(state="running", fence=trials.c.fence + 1, started_at=bindparam("at"), step=None, steps=None, live=None)
        .returning(trials)
    )


_CLAIM, _CLAIM_OF_OTHERS = _claiming(), _claiming(limits.WANTED_BY_OTHERS)
_PEEK_AT_OTHERS = _PEEK.where(limits.WANTED_BY_OTHERS)


def find_head_demand(connection: Connection) -> Resources | None:
    """The resources of the next trial in the queue that may start; None if none waits."""
    full = [seq for seq, room in limits.find_room(connection).items() if room <= 0]
    row = (connection.execute(_PEEK_AT_OTHERS, {"full": full}) if full else connection.execute(_PEEK)).first()
    return Resources(cpus=row.cpus, gpus=row.gpus) if row else None


def claim(connection: Connection, resources: Resources, limit: int, at: datetime) -> list[Claimed]:
    """Claim the next trials with this demand, in the order of the queue; each starts an attempt.

    Of studies that may run few trials at once they are claimed in small numbers, so that none gets too many.
    """
    room = limits.find_room(connection).items()
    full, left = [seq for seq, more in room if more <= 0], [more for _, more in room if more > 0]
    statement, but = (_CLAIM_OF_OTHERS, {"full": full}) if full else (_CLAIM, {})
    demand = {"of_cpus": resources.cpus, "of_gpus": resources.gpus, "most": min([limit, *left]), "at": at}
    rows = sorted(connection.execute(statement, demand | but), key=lambda row: (-row.priority, row.seq))
    if rows:
        keys = [row.key for row in rows]
        connection.execute(
            attempts.insert(),
            [{"trial_key": row.key, "number": row.fence, "state": "running", "claimed_at": at} for row in rows],
        )
        _start_studies(connection, keys, at)
        announce(connection, keys)
    return _claimed(connection, rows)


def _claimed(connection: Connection, rows: Sequence[Any]) -> list[Claimed]:
    needed = needs.find_needs(connection, [row.key for row in rows])
    return [Claimed(row.key, row.fence, row, needed.get(row.key, {})) for row in rows]


_WANTING = (
    select(memberships.c.study_seq)
    .where(memberships.c.trial_key.in_(bindparam("keys", expanding=True)), memberships.c.settled.is_(None))
    .distinct()
)
_START = (
    update(studies)
    .where(studies.c.seq.in_(bindparam("seqs", expanding=True)), studies.c.state == "queued")
    .values(state="running", started_at=func.coalesce(studies.c.started_at, bindparam("at")))
)


def list_wanting(connection: Connection, keys: Sequence[str]) -> list[int]:
    """Live studies with a cell that one of these trials fills."""
    found: set[int] = set()
    for part in chunks(keys):
        found |= set(connection.execute(_WANTING, {"keys": part}).scalars())
    return sorted(find_live(connection, found, LIVE))


def _start_studies(connection: Connection, keys: Sequence[str], at: datetime) -> None:
    for part in chunks(list_wanting(connection, keys)):
        connection.execute(_START, {"seqs": part, "at": at})
        limits.begin(connection, part, at)


_CURRENT = trials.c.key == bindparam("of"), trials.c.fence == bindparam("claim"), trials.c.state == "running"
"""The claim is the current one; a late report of an older claim finds no row."""


def _setting(*names: str) -> dict[str, Any]:
    """These columns of a trial, each to a value given as `new_NAME`."""
    return {name: bindparam(f"new_{name}", type_=trials.c[name].type) for name in names}


_SIGN = update(trials).where(*_CURRENT).values(_setting("step", "steps", "live", "curve"))
_FINISH = (
    update(trials)
    .where(*_CURRENT)
    .values(_setting("state", "reason", "outcome", "curve", "provenance", "step", "steps", "ended_at") | {"live": None})
)
_REQUEUE = (
    update(trials)
    .where(*_CURRENT)
    .values(
        _setting("reason")
        | {"state": "queued", "started_at": None, "ended_at": None, "live": None}
        | {name: trials.c[name] + bindparam(f"more_{name}", type_=Integer) for name in ("losses", "ooms", "failures")}
    )
)
_ATTEMPT = attempts.c.trial_key == bindparam("of"), attempts.c.number == bindparam("claim")
_FIRST_WORD = update(attempts).where(*_ATTEMPT, attempts.c.started_at.is_(None)).values(started_at=bindparam("at"))
_END_ATTEMPT = (
    update(attempts)
    .where(*_ATTEMPT)
    .values(state=bindparam("new_state"), reason=bindparam("new_reason"), ended_at=bindparam("at"))
)


def record_signs(connection: Connection, signs: Sequence[Sign], at: datetime) -> None:
    """Write the progress of running trials; a late sign of an older claim changes nothing."""
    if not signs:
        return
    connection.execute(
        _SIGN,
        [
            {
                "of": sign.key, "claim": sign.fence, "new_step": sign.step, "new_steps": sign.steps,
                "new_live": sign.live, "new_curve": _as_json(_thinned(sign.curve)),
            }
            for sign in signs
        ],
    )  # fmt: skip
    connection.execute(_FIRST_WORD, [{"of": sign.key, "claim": sign.fence, "at": at} for sign in signs])


def _thinned(curve: Sequence[EpochMetrics]) -> Sequence[EpochMetrics]:
    """A curve while the trial runs, which is written every second: few points, and the last one."""
    step = -(-len(curve) // MAX_LIVE_POINTS) if curve else 1
    return curve[(len(curve) - 1) % step :: step] if curve else curve


def _as_json(curve: Iterable[EpochMetrics]) -> list[dict[str, Any]]:
    return [point.model_dump(mode="json") for point in curve]


def end_attempt(
    connection: Connection,
    key: str,
    fence: int,
    ack: Ack,
    at: datetime,
    *,
    curve: Sequence[EpochMetrics] = (),
    provenance: Mapping[str, Any] | None = None,
) -> list[str]:
    """Record how an attempt ended, and end the trials that waited for it in vain; see `needs.settle_needs`.

    Returns:
        Keys of the trials that changed: this one, then those that ended with it. None if the attempt was not the
        current one.
    """
    claim = {"of": key, "claim": fence}
    if isinstance(ack, Finish):
        changed = connection.execute(_FINISH, claim | _finished(ack, curve, provenance) | {"new_ended_at": at}).rowcount
    else:
        changed = connection.execute(_REQUEUE, claim | _requeued(ack)).rowcount
    if changed == 0:
        return []
    ended = ack.state if isinstance(ack, Finish) else ack.attempt
    connection.execute(_END_ATTEMPT, claim | {"new_state": ended, "new_reason": ack.reason, "at": at})
    if isinstance(ack, Requeue):
        return [key]
    return [key, *needs.settle_needs(connection, needs.list_needing(connection, [key]), at)]


def _finished(ack: Finish, curve: Sequence[EpochMetrics], provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "new_state": ack.state,
        "new_reason": ack.reason,
        "new_outcome": ack.outcome.model_dump(mode="json"),
        "new_curve": _as_json(curve),
        "new_provenance": dict(provenance or {}),
        "new_step": curve[-1].step if curve else None,
        "new_steps": curve[-1].steps if curve else None,
    }


def _requeued(ack: Requeue) -> dict[str, Any]:
    return {
        "new_reason": ack.reason,
        "more_losses": int(ack.budget == "losses"),
        "more_ooms": int(ack.budget == "ooms"),
        "more_failures": int(ack.budget == "failures"),
    }


def list_running(connection: Connection) -> list[tuple[str, int]]:
    """(key, fence) of every trial that the database has as running."""
    rows = connection.execute(select(trials.c.key, trials.c.fence).where(trials.c.state == "running"))
    return [(row.key, row.fence) for row in rows]


def find_claimed(connection: Connection) -> list[tuple[Claimed, bool]]:
    """The current claims of all running trials, and whether each attempt has sent a message."""
    rows = connection.execute(
        select(trials, attempts.c.started_at.is_not(None).label("has_begun"))
        .join(attempts, (attempts.c.trial_key == trials.c.key) & (attempts.c.number == trials.c.fence))
        .where(trials.c.state == "running")
    ).all()
    return [(claimed, bool(row.has_begun)) for claimed, row in zip(_claimed(connection, rows), rows, strict=True)]
