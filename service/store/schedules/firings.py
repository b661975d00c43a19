"""Firings as they are stored. Every move is one guarded UPDATE that names the states it leaves.

    (none) --due--> queued --launch--> running --its study ends--> done, holes, cancelled
                      |
                      +--cannot be submitted--> refused
    (none) --the one before runs--> skipped        (none) --too late--> missed

A study that is retried and ends again settles its firing once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, func, select, union_all, update

from ablate.remote.choices import Cause, FiringState, Kind
from service.documents.states import LIVE
from service.errors import NotFoundError
from service.store.schedules.tables import HAPPENED, firings, schedules
from service.store.sql import insert
from service.store.tables import memberships, studies

OPEN: tuple[FiringState, ...] = ("queued", "running")
SETTLED: tuple[FiringState, ...] = ("done", "holes", "cancelled")
MEASURED: tuple[FiringState, ...] = ("done", "holes")
"""States in which a seed without a number was lost: it diverged or failed."""


@dataclass(frozen=True, slots=True)
class Firing:
    """A firing's row, with the id of its study; see `ablate.remote.documents.firings.FiringView`.

    Attributes:
        reference: numbers that a firing of mode verify is compared with.
        provenance: provenance of its trials, if they agree.
    """

    id: int
    schedule_seq: int
    instant: datetime
    cause: Cause
    kind: Kind | None
    state: FiringState
    reason: str | None
    stands_for: int
    study_seq: int | None
    study_id: str | None
    repeat: int | None
    seeds: list[int]
    reference: dict[str, Any] | None
    metric: str | None
    rows: list[dict[str, Any]]
    comparisons: list[dict[str, Any]]
    drift: dict[str, Any] | None
    provenance: dict[str, Any] | None
    fired_at: datetime | None
    ended_at: datetime | None


_FIRINGS = select(firings, studies.c.id.label("study_id")).outerjoin(studies, studies.c.seq == firings.c.study_seq)
_NAMED = _FIRINGS.add_columns(schedules.c.name).join(schedules, schedules.c.seq == firings.c.schedule_seq)

_NEWEST = select(
    select(firings.c.id)
    .where(firings.c.schedule_seq == schedules.c.seq, HAPPENED)
    .order_by(firings.c.id.desc())
    .limit(1)
    .correlate(schedules)
    .scalar_subquery()
).select_from(schedules)
"""The newest firing of each schedule that was not skipped."""


def add_firing(connection: Connection, schedule_seq: int, instant: datetime, **values: Any) -> int | None:
    """Store a firing. Returns its id; None if that instant of the schedule has a firing already."""
    empty = {"cause": "cron", "stands_for": 1, "seeds": [], "rows": [], "comparisons": []}
    statement = insert(connection, firings).values(schedule_seq=schedule_seq, instant=instant, **empty | values)
    statement = statement.on_conflict_do_nothing(index_elements=["schedule_seq", "instant"])
    return connection.execute(statement.returning(firings.c.id)).scalar()


def move_firing(
    connection: Connection, firing_id: int, leaving: Sequence[FiringState], to: FiringState, **values: Any
) -> bool:
    """Move a firing from one of some states to another. Returns whether it was in one of them."""
    guarded = update(firings).where(firings.c.id == firing_id, firings.c.state.in_(leaving))
    return connection.execute(guarded.values(state=to, **values)).rowcount > 0


def get_firing(connection: Connection, firing_id: int) -> Firing:
    """The firing of that id.

    Raises:
        NotFoundError: its schedule was removed, and it with that.
    """
    row = connection.execute(_FIRINGS.where(firings.c.id == firing_id)).first()
    if row is None:
        raise NotFoundError("no such firing; its schedule was removed")
    return _firing(row)


def find_open(connection: Connection, schedule_seq: int) -> Firing | None:
    """The oldest firing of a schedule that waits or runs."""
    mine = _FIRINGS.where(firings.c.schedule_seq == schedule_seq, firings.c.state.in_(OPEN))
    row = connection.execute(mine.order_by(firings.c.instant).limit(1)).first()
    return _firing(row) if row else None


def list_waiting(connection: Connection) -> list[Firing]:
    """The firings that can be launched: the oldest waiting one of each schedule where none runs."""
    heads = (
        select(func.min(firings.c.id))
        .where(firings.c.state.in_(OPEN))
        .group_by(firings.c.schedule_seq)
        .having(func.sum(case((firings.c.state == "running", 1), else_=0)) == 0)
    )
    return [_firing(row) for row in connection.execute(_FIRINGS.where(firings.c.id.in_(heads)).order_by(firings.c.id))]


def list_ended(connection: Connection) -> list[Firing]:
    """Firings that are not settled, or that were settled before their study was retried, and whose study is over."""
    stale = firings.c.ended_at.is_(None) | (firings.c.ended_at != studies.c.ended_at)
    over = ~studies.c.state.in_(LIVE) & studies.c.ended_at.is_not(None)
    mine = firings.c.state.in_(("running", "holes", "cancelled"))  # a firing that is done has nothing to retry
    return [_firing(row) for row in connection.execute(_FIRINGS.where(mine, over, stale).order_by(firings.c.id))]


def list_firings(connection: Connection, schedule_seq: int, *, limit: int, before: int | None = None) -> list[Firing]:
    """Newest first, those with a smaller id than `before`."""
    statement = _FIRINGS.where(firings.c.schedule_seq == schedule_seq).order_by(firings.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(firings.c.id < before)
    return [_firing(row) for row in connection.execute(statement)]


def list_measured(connection: Connection, schedule_seq: int, since: datetime) -> list[Firing]:
    """Firings since an instant whose study ran to its end, with lost seeds or without, oldest first."""
    mine = firings.c.schedule_seq == schedule_seq, firings.c.state.in_(MEASURED), firings.c.instant >= since
    return [_firing(row) for row in connection.execute(_FIRINGS.where(*mine).order_by(firings.c.instant))]


def find_last(connection: Connection, schedule_seqs: Sequence[int]) -> dict[int, Firing]:
    """The newest firing that was not skipped, of each of these schedules that has one."""
    found = _NEWEST.where(schedules.c.seq.in_(schedule_seqs))
    rows = connection.execute(_FIRINGS.where(firings.c.id.in_(found)))
    return {row.schedule_seq: _firing(row) for row in rows}


def list_troubled(connection: Connection, since: datetime) -> list[tuple[str, Firing]]:
    """(schedule, firing) since a time of firings that did not happen, or stand for others; newest first.

    A missed instant is noticed later, maybe long after it.
    """
    ended = select(firings.c.id).where(firings.c.ended_at >= since)
    open_ = select(firings.c.id).where(firings.c.ended_at.is_(None), firings.c.instant >= since)
    of_interest = firings.c.state.in_(("skipped", "missed", "refused")) | (firings.c.stands_for > 1)
    statement = _NAMED.where(firings.c.id.in_(union_all(ended, open_)), of_interest)
    statement = statement.order_by(firings.c.id.desc()).limit(200)
    return [(row.name, _firing(row)) for row in connection.execute(statement)]


def list_doubtful(connection: Connection, since: datetime) -> list[tuple[str, Firing]]:
    """(schedule, firing) that ended since a time, or are the last of their schedule, and are not steady; newest first.

    Rows without a number are among these.
    """
    is_doubtful = firings.c.drift["state"].as_string().in_(("unknown", "alarm"))
    is_recent = firings.c.id.in_(union_all(select(firings.c.id).where(firings.c.ended_at >= since), _NEWEST))
    statement = _NAMED.where(is_recent, is_doubtful).order_by(firings.c.id.desc()).limit(200)
    return [(row.name, _firing(row)) for row in connection.execute(statement)]


def highest_repeat(connection: Connection) -> int:
    """The highest repetition number of all firings."""
    return int(connection.execute(select(func.max(studies.c.repeat))).scalar() or 0)


def count_shared(connection: Connection, study_seq: int) -> int:
    """How many of a study's trials it did not queue itself."""
    mine = memberships.c.study_seq == study_seq
    every = select(func.count(memberships.c.trial_key.distinct())).where(mine)
    own = every.where(~memberships.c.shared)
    return int(connection.execute(every).scalar_one() - connection.execute(own).scalar_one())


def _firing(row: Row[Any]) -> Firing:
    return Firing(**{name: row._mapping[name] for name in Firing.__dataclass_fields__})
