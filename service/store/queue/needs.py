"""Needs of trials: which trial waits for which, and how it ends when the other one ends.

The rows contain the whole state. Code that changes the state of a trial calls `settle_needs` for the trials that need
it, in the same transaction, and code that queues a trial calls it for that trial: so counts are recomputed, never
decremented.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from ablate.trials.needs import inherit
from ablate.trials.trial import Trial
from service.store.sql import chunks, insert
from service.store.tables import needs, trials

ENDED = ("failed", "diverged")
"""States of a trial in which those that need it end too. No study needs a cancelled one, so none needs them either."""

_parents = trials.alias("parents")
_OPEN = (
    select(func.count())
    .select_from(needs.join(_parents, _parents.c.key == needs.c.needed_key))
    .where(needs.c.trial_key == trials.c.key, _parents.c.state != "succeeded")
    .scalar_subquery()
)
_COUNT = (
    update(trials)
    .where(trials.c.key.in_(bindparam("keys", expanding=True)), trials.c.state == "queued")
    .values(open_needs=_OPEN)
)
_HOPELESS = (
    select(needs.c.trial_key, needs.c.name, needs.c.needed_key, _parents.c.state, _parents.c.reason)
    .join(_parents, _parents.c.key == needs.c.needed_key)
    .join(trials, trials.c.key == needs.c.trial_key)
    .where(
        needs.c.trial_key.in_(bindparam("keys", expanding=True)),
        trials.c.state == "queued",
        _parents.c.state.in_(ENDED),
    )
    .order_by(needs.c.trial_key, needs.c.name.desc())
)
_END = (
    update(trials)
    .where(trials.c.key == bindparam("of"), trials.c.state == "queued")
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        outcome=bindparam("new_outcome", type_=trials.c.outcome.type),
        ended_at=bindparam("at", type_=trials.c.ended_at.type),
    )
)


def add_needs(connection: Connection, wanted: Sequence[Trial]) -> None:
    """Store the needs of these trials; the needed trials are stored already, or among them."""
    values = [
        {"trial_key": trial.key, "name": name, "needed_key": key}
        for trial in wanted
        for name, key in trial.needs.items()
    ]
    for part in chunks(values):
        connection.execute(insert(connection, needs).on_conflict_do_nothing(), part)


def find_needs(connection: Connection, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Needs of each of these trials, name -> key; without trials that need nothing."""
    found: dict[str, dict[str, str]] = {}
    for part in chunks(keys):
        for row in connection.execute(select(needs).where(needs.c.trial_key.in_(part)).order_by(needs.c.name)):
            found.setdefault(row.trial_key, {})[row.name] = row.needed_key
    return found


def list_needing(connection: Connection, keys: Sequence[str]) -> list[str]:
    """The trials that need one of these."""
    found: set[str] = set()
    for part in chunks(keys):
        found |= set(connection.execute(select(needs.c.trial_key).where(needs.c.needed_key.in_(part))).scalars())
    return sorted(found)


def settle_needs(connection: Connection, keys: Sequence[str], at: datetime) -> list[str]:
    """Count the open needs of the queued ones among these trials, and end those whose need has failed or diverged.

    The needed trials are locked first: a transaction that ends one of them at this moment has either committed before,
    and is seen here, or commits after, and sees what is written here.

    Returns:
        Keys of the trials that ended.
    """
    ended: list[str] = []
    for part in chunks(sorted(find_needs(connection, keys))):
        needed = select(needs.c.needed_key).where(needs.c.trial_key.in_(part))
        locked = select(trials.c.key).where(trials.c.key.in_(needed)).order_by(trials.c.key)
        connection.execute(locked.with_for_update(read=True)).all()
        connection.execute(_COUNT, {"keys": part})
        for key, values in _endings(connection, part).items():
            if connection.execute(_END, values | {"of": key, "at": at}).rowcount:
                ended.append(key)
    return ended


def _endings(connection: Connection, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The end of each of these trials whose need ended without weights."""
    endings = {}
    for row in connection.execute(_HOPELESS, {"keys": keys}):
        outcome = inherit(row.name, row.needed_key, row.state, row.reason)
        if outcome.status == "failed":
            outcome = outcome.model_copy(update={"reason": f"{outcome.reason}; retry queues both"})
        endings[row.trial_key] = {
            "new_state": outcome.status, "new_reason": outcome.reason, "new_outcome": outcome.model_dump(mode="json"),
        }  # fmt: skip
    return endings
