"""The rows of studies as they were registered: by pair of recipes, by recipe, by study. See `ablate.study.tries`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, or_, select, update

from ablate.local.tries import TrialState
from ablate.study.tries import RegisteredRow
from service.documents.states import LIVE
from service.store.sql import chunks
from service.store.tables import attempts, memberships, needs, studies, trials
from service.store.tables import registered_rows as rows


def add_rows(connection: Connection, study_seq: int, registered: Sequence[RegisteredRow]) -> None:
    """Store registrations of a study after those that there are."""
    values = [
        {
            "study_seq": study_seq, "pair": row.pair, "recipe": row.recipe, "exact": row.exact, "number": row.number,
            "has_decisions": row.has_decisions, "document": row.model_dump(),
        }
        for row in registered
    ]  # fmt: skip
    for part in chunks(values):
        connection.execute(rows.insert(), part)


def list_tries(connection: Connection, pairs: Collection[str]) -> list[RegisteredRow]:
    """The registrations of these pairs by studies that show a decision on them, oldest first."""
    wanted = (_FIELDS.where(rows.c.pair.in_(part), rows.c.number.is_not(None)) for part in chunks(sorted(pairs)))
    return _in_order(connection, wanted)


def list_families(connection: Connection, pairs: Collection[str]) -> list[RegisteredRow]:
    """The registrations of the studies that try one of these pairs, oldest first."""
    tried = rows.c.number.is_not(None)
    own = (select(rows.c.study_seq).where(rows.c.pair.in_(part), tried) for part in chunks(sorted(pairs)))
    return _in_order(connection, (_FIELDS.where(rows.c.study_seq.in_(part)) for part in own))


def list_other_names(connection: Connection, exact: Mapping[str, str]) -> list[RegisteredRow]:
    """The registrations of these recipes as other studies wrote them, oldest first; of pilots and firings too.

    Args:
        connection: of a transaction.
        exact: recipe -> the same as it is written; see `RegisteredRow`.
    """
    wanted = (
        _FIELDS.where(rows.c.recipe.in_(part), rows.c.exact.not_in([exact[recipe] for recipe in part]))
        for part in chunks(sorted(exact))
    )
    return _in_order(connection, wanted)


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A registered row with the number of its study in the database."""

    study_seq: int
    registered: RegisteredRow


def list_ended(connection: Connection) -> list[StoredRow]:
    """All registrations by studies that have ended and show decisions, oldest first, with those of their baselines."""
    statement = (
        select(rows.c.study_seq, rows.c.number, rows.c.document)
        .join(studies, studies.c.seq == rows.c.study_seq)
        .where(rows.c.has_decisions, studies.c.state.not_in(LIVE))
        .order_by(rows.c.seq)
    )
    return [
        StoredRow(row.study_seq, RegisteredRow.model_validate(row.document | {"number": row.number}))
        for row in connection.execute(statement)
    ]


def list_keys(connection: Connection, study_seqs: Collection[int]) -> dict[tuple[int, str], dict[int, str]]:
    """(study, row) -> seed -> key of the trial."""
    found: dict[tuple[int, str], dict[int, str]] = {}
    cells = select(memberships.c.study_seq, memberships.c.row, memberships.c.seed, memberships.c.trial_key)
    for part in chunks(sorted(study_seqs)):
        for cell in connection.execute(cells.where(memberships.c.study_seq.in_(part))):
            found.setdefault((cell.study_seq, cell.row), {})[cell.seed] = cell.trial_key
    return found


def list_until_first(connection: Connection, recipes: Collection[str]) -> list[RegisteredRow]:
    """For each of these recipes, the first registration by a study that shows decisions and those before it.

    The registrations of that study are complete.
    """
    others = rows.alias()
    of_recipe = select(func.min(others.c.seq)).where(others.c.recipe == rows.c.recipe, others.c.has_decisions)
    first = of_recipe.scalar_subquery()
    wanted = []
    for part in chunks(sorted(set(recipes))):
        these = rows.c.recipe.in_(part)
        study = select(rows.c.study_seq).where(these, rows.c.seq == first)
        wanted += [_FIELDS.where(these, rows.c.seq <= first), _FIELDS.where(rows.c.study_seq.in_(study))]
    return _in_order(connection, wanted)


def list_of_recipes(connection: Connection, recipes: Collection[str]) -> list[RegisteredRow]:
    """The registrations of these recipes by studies that show decisions, oldest first."""
    wanted = (_FIELDS.where(rows.c.recipe.in_(part), rows.c.has_decisions) for part in chunks(sorted(set(recipes))))
    return _in_order(connection, wanted)


def list_own(connection: Connection, study_seq: int) -> list[RegisteredRow]:
    """The registrations of a study, oldest first."""
    return _in_order(connection, [_FIELDS.where(rows.c.study_seq == study_seq)])


IS_BEGUN = or_(
    exists().where(attempts.c.trial_key == trials.c.key),
    exists().where(
        needs.c.trial_key == trials.c.key,
        attempts.c.trial_key == needs.c.needed_key,
        attempts.c.claimed_at >= trials.c.created_at,
    ),
)
"""Whether somebody may have seen something of a trial: of itself, or of the weights that were trained for it."""

_FIELDS = select(rows.c.seq, rows.c.number, rows.c.document)


def _in_order(connection: Connection, statements: Iterable[Select[Any]]) -> list[RegisteredRow]:
    found = [row for statement in statements for row in connection.execute(statement)]
    return [
        RegisteredRow.model_validate(row.document | {"number": row.number})
        for row in sorted(found, key=lambda row: int(row.seq))
    ]


def withdraw(connection: Connection, study_seq: int) -> list[RegisteredRow]:
    """Take back the tries of a study of which no tested row was begun, since nobody can have seen anything of them.

    A row counts as begun with the trials from whose weights it starts. Their results are not those of the pair, but who
    looks at them and cancels until they are promising picks seeds: if the row's results follow them with a correlation
    of 0.4, twice as many equal rows are called better. Weights that were there before are no look at this study.
    If not even a baseline was begun, it is as if the study had not been registered. Returns the withdrawn tries.
    """
    own = list_own(connection, study_seq)
    begun = (
        select(trials.c.key)
        .join(memberships, memberships.c.trial_key == trials.c.key)
        .where(memberships.c.study_seq == study_seq, IS_BEGUN)
        .limit(1)
    )
    tested = chunks([row.row for row in own if row.is_tested])
    if any(connection.execute(begun.where(memberships.c.row.in_(part))).first() for part in tested):
        return []
    mine = rows.c.study_seq == study_seq
    is_unseen = connection.execute(begun).first() is None
    connection.execute(delete(rows).where(mine) if is_unseen else update(rows).where(mine).values(number=None))
    return [row.model_copy(update={"number": None}) for row in own]


def count_since(connection: Connection, study_seq: int) -> int:
    """How many other studies have tried a pair of a study since it was registered last."""
    mine = rows.c.study_seq == study_seq
    own = select(rows.c.pair).where(mine, rows.c.number.is_not(None))
    last = select(func.max(rows.c.seq)).where(mine).scalar_subquery()
    since = select(func.count(rows.c.study_seq.distinct())).where(
        rows.c.pair.in_(own), rows.c.number.is_not(None), rows.c.seq > last, rows.c.study_seq != study_seq
    )
    return int(connection.execute(since).scalar_one())


def find_states(connection: Connection, keys: Collection[str]) -> dict[str, TrialState]:
    """The states of those of these trials that there are."""
    found: dict[str, TrialState] = {}
    for part in chunks(sorted(keys)):
        fields = select(trials.c.key, trials.c.outcome, trials.c.ended_at, IS_BEGUN.label("is_begun"))
        for row in connection.execute(fields.where(trials.c.key.in_(part))):
            at = row.ended_at.isoformat(timespec="microseconds") if row.ended_at and row.outcome else None
            found[row.key] = TrialState(key=row.key, at=at, is_begun=bool(row.is_begun), outcome=row.outcome or None)
    return found
