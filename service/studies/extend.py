"""Extension of a study by seeds and rows; existing cells stay, and nothing is trained twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ablate.errors import Problem, StudyError, quote
from ablate.remote.documents.studies import ChangedStudy, Extension
from ablate.statistics.words import counted
from ablate.study.document import RowSpec
from ablate.study.plan import Plan
from ablate.study.preregistration import Preregistration, changes, register
from ablate.study.seeds import seeds_of
from service.context import Context, refuse_without_space
from service.errors import ConflictError
from service.store import studies
from service.store.queue import demand
from service.store.sql import now
from service.store.studies import Stored
from service.studies.lifecycle import changed, refuse_cancelled, reopen
from service.studies.prepare import plan_stored, prepare
from service.studies.submit import list_costs, list_findings, queue_cells
from service.studies.tries import register_rows


def extend(context: Context, study_id: str, extension: Extension) -> ChangedStudy:
    """Add seeds or rows to a study; existing cells stay.

    Raises:
        StudyError: the extended document is invalid.
        ConflictError: the study is cancelled, or was extended by another call at the same time.
    """
    refuse_without_space(context)
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
    refuse_cancelled(stored, "be extended")
    plan = plan_stored(context, stored)
    document = _extended(stored, plan, extension)
    if document == stored.document:
        return changed(context, stored.id, nothing=_nothing_to_add(plan, extension))
    cells = _store_extension(context, stored, document)
    return changed(context, stored.id, f"extended: {counted(cells, 'trial')} added")


def _nothing_to_add(plan: Plan, extension: Extension) -> str:
    asked, has = extension.seeds, len(seeds_of(plan.seeds, plan.study.folds))
    if isinstance(asked, int) and asked < has:
        return f"the study already has {has} seeds, more than {asked}; results are never removed"
    return f"the study already has {counted(has, 'seed')}, these among them"


def _extended(stored: Stored, plan: Plan, extension: Extension) -> dict[str, Any]:
    asked = extension.seeds
    wanted = range(asked) if isinstance(asked, int) else asked or ()
    own = seeds_of(plan.seeds, plan.study.folds)
    seeds = list(dict.fromkeys([*own, *wanted]))
    for index, row in enumerate(extension.rows):
        _refuse_label(row, index, plan)
    rows = [row.model_dump(exclude_none=True) for row in extension.rows]
    document = dict(stored.document)
    if len(seeds) > len(own):
        document["seeds"] = seeds
    if rows:
        document["rows"] = [*document.get("rows", []), *rows]
        document["table"] = _kept_baseline(document, plan)
    return document


def _refuse_label(row: RowSpec, index: int, plan: Plan) -> None:
    """Refuse a label that is taken, or that would give an existing row another name: its cells are stored under it."""
    text = ""
    for one in (one for one in plan.rows if one.label == row.label):
        if row.group is None or one.group == row.group:
            text = f"the study already has a row {quote(one.name)}; give the new row another label"
        elif not one.is_shared:
            where = f"row {quote(one.name)} in group {quote(one.group or '')}"
            text = f"the study has a {where}, and its results are stored under the label alone; give another label"
    if text:
        raise StudyError([Problem(f"/rows/{index}/label", "duplicate", text)])


def _kept_baseline(document: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The `[table]` section with a named baseline: new rows come first, and the first row would become the baseline."""
    table = dict(document.get("table", {}))
    baselines = {row.group: row.label for row in plan.rows if row.is_baseline}
    if "baseline" not in table and list(baselines) == [None]:
        table["baseline"] = baselines[None]
    elif "baseline" not in table and None not in baselines:
        table["baseline"] = baselines
    return table


@contextmanager
def _pointers_of_the_request(rows_before: int) -> Iterator[None]:
    """An added row has its index in the request, not its index after the existing rows."""
    try:
        yield
    except StudyError as error:
        raise error.changed(lambda one: replace(one, pointer=_counted(one.pointer, rows_before))) from error


def _counted(pointer: str, rows_before: int) -> str:
    parts = pointer.split("/")
    if len(parts) > 2 and parts[1] == "rows" and parts[2].isdecimal() and int(parts[2]) >= rows_before:
        parts[2] = str(int(parts[2]) - rows_before)
    return "/".join(parts)


def _store_extension(context: Context, stored: Stored, document: dict[str, Any]) -> int:
    """Store an extended study. Returns the number of new cells."""
    with _pointers_of_the_request(len(stored.document.get("rows", []))):
        prepared = prepare(context, document, scale=stored.scale, repetition=stored.repetition)
    with context.store.write() as connection:
        present = studies.get_study(connection, stored.id)
        refuse_cancelled(present, "be extended")
        if present.document != stored.document:
            raise ConflictError("another call extended the study at the same time; check the study and try again")
        there = {(cell.row, cell.seed): cell.key for cell in studies.list_cell_keys(connection, stored.seq)}
        _refuse_other_keys(there, prepared.plan)
        new_cells = [cell for cell in prepared.cells if (cell.row, cell.seed) not in there]
        keys = {cell.key for cell in new_cells}
        trials = [trial for key, trial in prepared.plan.trials.items() if key in keys]
        values = {
            "document": document, "registrations": _registered(present, prepared.plan), "result": None,
            "warnings": list_findings(prepared.warnings), "costs": list_costs(prepared),
        }  # fmt: skip
        studies.update_plan(connection, stored.seq, values)
        queue_cells(connection, stored.seq, new_cells, trials, prepared.plan)
        register_rows(
            connection, context.settings.home, prepared.plan, (stored.seq, stored.id), now(),
            is_firing=stored.schedule is not None,
        )  # fmt: skip
        reopen(connection, present)
        demand.refresh_demand(connection, stored.seq)
    return len(new_cells)


def _refuse_other_keys(there: Mapping[tuple[str, int], str], plan: Plan) -> None:
    """Its cells must be those of its submission; else the new cells would be compared with other trials."""
    moved = [place for place, key in plan.memberships.items() if there.get(place, key) != key]
    if moved:
        row, seed = moved[0]
        raise ConflictError(
            f"the study cannot be extended: row {quote(row)}, seed {seed} is now another trial ({len(moved)} such "
            "cells), because a registered folder or the version of ablate has changed since it was submitted; submit "
            "the study again"
        )


def _registered(stored: Stored, plan: Plan) -> list[dict[str, Any]]:
    """The study's preregistrations, with a new one where the plan differs from the last."""
    last, new = Preregistration.model_validate(stored.registrations[-1]), register(plan, now())
    return [*stored.registrations, new.model_dump()] if changes(last, new) else stored.registrations
