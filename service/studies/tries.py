"""Tries of a study's rows: registered in the transaction that stores the study, and looked up for its table.

The database has those of the service. A file in the state directory has those of `ablate run`, and another one
repeats ours for it; see `ablate.local.tries`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ablate.errors import MachineError, TrialError
from ablate.local import tries as local
from ablate.local.tries import HomeTries, Known, TrialState, first_results, known_of
from ablate.study.plan import Plan
from ablate.study.preregistration import Preregistration
from ablate.study.tries import digest_of, exact_of, numbered, rows_to_register
from service.context import Context
from service.errors import UnavailableError
from service.store import tries
from service.store.session import Connection
from service.store.studies import Stored, list_cell_keys


def first_design(home: Path, plan: Plan, at: datetime) -> Preregistration:
    """See `ablate.local.tries.first_design`.

    Raises:
        UnavailableError: the files of the state directory cannot be read.
    """
    with _files(home):
        return local.first_design(home, plan, at)


def register_rows(
    connection: Connection, home: Path, plan: Plan, study: tuple[int, str], at: datetime, *, is_firing: bool
) -> bool:
    """Register the rows of a study, with the numbers of their tries. Returns whether there was anything new.

    Args:
        connection: of the transaction that stores the study.
        home: state directory.
        plan: plan of the study.
        study: its number and its id.
        at: time.
        is_firing: whether a schedule fired it; it is no try then.

    Raises:
        UnavailableError: the state directory cannot be written.
    """
    seq, study_id = study
    new = rows_to_register(plan, study_id, at, is_firing=is_firing)
    with _files(home) as desk, desk.writing():
        stored = tries.list_tries(connection, {row.pair for row in new})
        own = [row for row in tries.list_own(connection, seq) if row.number is None]
        known = sorted([*stored, *own, *desk.rows(plan, "run")], key=lambda row: row.at)
        added = list(numbered(new, known))
        tries.add_rows(connection, seq, added)
        desk.append("service", added)
    return bool(added)


def record_results(connection: Connection, home: Path, keys: Collection[str]) -> None:
    """Record for `ablate run` how these trials ended, as soon as somebody may see it: before their studies end.

    Raises:
        UnavailableError: the state directory cannot be written.
    """
    if keys:
        with _files(home) as desk, desk.writing():
            desk.append("service", list(tries.find_states(connection, keys).values()))


def end_tries(connection: Connection, home: Path, stored: Stored) -> None:
    """Take back what nobody can have seen of a cancelled study, and record for `ablate run` how its trials stand.

    Raises:
        UnavailableError: the state directory cannot be written.
    """
    withdrawn = tries.withdraw(connection, stored.seq) if stored.state == "cancelled" else []
    with _files(home) as desk, desk.writing():
        desk.append("service", withdrawn)
    record_results(connection, home, {cell.key for cell in list_cell_keys(connection, stored.seq)})


def find_known(context: Context, stored: Stored, plan: Plan, rows: tuple[str, str] | None = None) -> Known:
    """What this home knows of a study's rows; `rows`: see `ablate.local.tries.known_of`."""
    recipes = {row.name: digest_of(row) for row in plan.rows}
    with _files(context.settings.home) as desk, context.store.read() as connection:
        own = tries.list_own(connection, stored.seq)
        found = [
            *own,
            *tries.list_families(connection, {row.pair for row in own}),
            *tries.list_until_first(connection, recipes.values()),
            *tries.list_of_recipes(connection, [recipes[name] for name in rows or ()]),
            *tries.list_other_names(connection, {digest_of(row): exact_of(row) for row in plan.rows}),
            *desk.rows(plan, "run"),
        ]
        unique = {(row.study, row.row, row.at): row for row in found}

        def states_of(keys: set[str]) -> dict[str, TrialState]:
            here, there = tries.find_states(connection, keys), desk.trials(keys, "run")
            return first_results((*there.values(), *here.values()))

        return known_of(plan, stored.id, sorted(unique.values(), key=lambda row: row.at), states_of, rows)


@contextmanager
def _files(home: Path) -> Iterator[HomeTries]:
    """The files of the home; an error does not name them, since it may be an answer to a request."""
    try:
        yield HomeTries(home)
    except MachineError as error:
        raise UnavailableError("the tries of this state directory cannot be written", part="disk") from error
    except TrialError as error:
        text = "the file with the tries of `ablate run` is damaged; `ablate run` names its line"
        raise UnavailableError(text, part="disk") from error
