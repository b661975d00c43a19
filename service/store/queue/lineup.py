"""The queue as users see it: what is running, and in which order the next trials will be claimed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from service.store.tables import memberships, studies, trials


@dataclass(frozen=True, slots=True)
class Load:
    """What running trials occupy."""

    trials: int
    cpus: int
    gpus: float


@dataclass(frozen=True, slots=True)
class Wish:
    """A study that needs a queued trial; `rank` is the trial's place in the queue, from 0."""

    rank: int
    study_id: str
    study_name: str


def count_load(connection: Connection) -> Load:
    """What is running; running trials have their own index."""
    sums = func.count(), func.coalesce(func.sum(trials.c.cpus), 0), func.coalesce(func.sum(trials.c.gpus), 0.0)
    row = connection.execute(select(*sums).where(trials.c.state == "running")).one()
    return Load(row[0], row[1], row[2])


def count_queued(connection: Connection) -> int:
    """Trials that wait for a place, those of paused studies not counted."""
    statement = select(func.count()).where(trials.c.state == "queued", trials.c.priority.is_not(None))
    return int(connection.execute(statement).scalar_one())


def list_wishes(connection: Connection, limit: int) -> list[Wish]:
    """The studies that need the first `limit` trials of the queue, in the order in which they will be claimed."""
    order = trials.c.priority.desc(), trials.c.seq
    first = (
        select(trials.c.key, trials.c.priority, trials.c.seq)
        .where(trials.c.state == "queued", trials.c.priority.is_not(None))
        .order_by(*order)
        .limit(limit)
        .cte("next_trials")
    )
    rows = connection.execute(
        select(first.c.key, studies.c.id, studies.c.name)
        .join(memberships, memberships.c.trial_key == first.c.key)
        .join(studies, studies.c.seq == memberships.c.study_seq)
        .where(memberships.c.settled.is_(None), studies.c.state.in_(("queued", "running")))
        .order_by(first.c.priority.desc(), first.c.seq, studies.c.seq)
    )
    ranks: dict[str, int] = {}
    return [Wish(ranks.setdefault(row.key, len(ranks)), row.id, row.name) for row in rows]
