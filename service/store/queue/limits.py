"""Limits of studies: how many of their trials run at once, and for how long trials start; see `LimitsSpec`.

A study at its limit of trials is *full*: only trials that another live study wants too are claimed of it. The time of a
study counts from `studies.budget_from`, when the first of its trials began since it was submitted, resumed or reopened.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, select, update

from service.store.tables import memberships, studies, trials

_OPEN = studies.c.state.in_(("queued", "running"))
_LIMITED = select(studies.c.seq, studies.c.parallel).where(_OPEN, studies.c.parallel.is_not(None))
_RUNNING = (
    select(memberships.c.study_seq, func.count(trials.c.key.distinct()))
    .join(trials, trials.c.key == memberships.c.trial_key)
    .where(
        memberships.c.study_seq.in_(bindparam("seqs", expanding=True)),
        memberships.c.settled.is_(None),
        trials.c.state == "running",
    )
    .group_by(memberships.c.study_seq)
)
WANTED_BY_OTHERS = (
    select(memberships.c.study_seq)
    .join(studies, studies.c.seq == memberships.c.study_seq)
    .where(
        memberships.c.trial_key == trials.c.key,
        memberships.c.settled.is_(None),
        _OPEN,
        studies.c.seq.not_in(bindparam("full", expanding=True)),
    )
    .correlate(trials)
    .exists()
)
"""Condition on a queued trial: a study that is not full wants it."""
_BEGIN = (
    update(studies)
    .where(
        studies.c.seq.in_(bindparam("seqs", expanding=True)),
        studies.c.state == "running",
        studies.c.hours.is_not(None),
        studies.c.budget_from.is_(None),
    )
    .values(budget_from=bindparam("at"))
)
_TIMED = select(studies.c.seq, studies.c.hours, studies.c.budget_from).where(
    _OPEN,
    studies.c.hours.is_not(None),
    studies.c.budget_from.is_not(None),
    select(memberships.c.study_seq)
    .join(trials, trials.c.key == memberships.c.trial_key)
    .where(memberships.c.study_seq == studies.c.seq, memberships.c.settled.is_(None), trials.c.state == "queued")
    .exists(),
)


def find_room(connection: Connection) -> dict[int, int]:
    """How many more trials of each open study with such a limit may start."""
    parallel = {row.seq: row.parallel for row in connection.execute(_LIMITED)}
    if not parallel:
        return {}
    running = {row[0]: row[1] for row in connection.execute(_RUNNING, {"seqs": list(parallel)})}
    return {seq: limit - running.get(seq, 0) for seq, limit in parallel.items()}


def begin(connection: Connection, study_seqs: Sequence[int], at: datetime) -> None:
    """A trial of these studies begins: from now on their time counts, unless it does already."""
    connection.execute(_BEGIN, {"seqs": list(study_seqs), "at": at})


def list_over(connection: Connection, at: datetime) -> list[tuple[int, float]]:
    """(study, its hours) of the open studies whose time is over and which have trials that wait."""
    rows = connection.execute(_TIMED).all()
    return [(row.seq, row.hours) for row in rows if at - row.budget_from >= timedelta(hours=row.hours)]
