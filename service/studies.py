"""Studies from outside: submitted, listed, cancelled, tried again, paused, extended. Every call is one transaction."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from ablate.errors import Problem, StudyError, quote
from ablate.plan import Plan
from ablate.preview import describe_plan
from ablate.registration import Registration, changes, register
from ablate.trial import Trial
from service.context import Context
from service.dispatch.base import count_parallel
from service.errors import ConflictError, KeyReusedError, UnavailableError
from service.planning import Prepared, find_known, plan_stored, prepare, resolve_document
from service.shapes import LIVE, Extension, Page, StudyState, StudyView, Submission
from service.store import demand, outbox, studies
from service.store.board import find_machines
from service.store.overview import read_overview, read_overviews
from service.store.session import Connection
from service.store.sql import new_id, now
from service.store.studies import CellKey, Stored
from service.views import view_study

FREE_BYTES = 256 << 20
"""Below so much free disk space nothing new is taken in, so that what runs can end."""


def submit(
    context: Context, submission: Submission, *, key: str | None = None, digest: str = "", owner: str = ""
) -> tuple[StudyView, bool]:
    """Store a study and queue what is not known of it.

    Args:
        context: see there.
        submission: the request.
        key: idempotency key; the same key and digest again give the same study.
        digest: of the request's body.
        owner: whose keys and studies they are; "" as long as there are no API keys.

    Returns:
        The study, and whether it is new.

    Raises:
        StudyError: with every problem of the document.
        KeyReusedError: the key came before, with another body.
        UnavailableError: the disk is nearly full, or the database cannot be written.
    """
    if key is not None and (known := _find_submitted(context, owner, key, digest)):
        return known, False
    refuse_without_space(context)
    document = resolve_document(submission)
    stored_id, is_new = None, False
    while stored_id is None:
        replicate = _next_replicate(context) if submission.fresh else 0
        prepared = prepare(context, document, scale=submission.scale, replicate=replicate)
        stored_id, is_new = _store(context, prepared, replicate, key, digest, owner)
    view = get_study(context, stored_id)
    context.wake(view.id)
    return view, is_new


def refuse_without_space(context: Context) -> None:
    """Raise UnavailableError where the disk of the state directory is nearly full."""
    free = shutil.disk_usage(context.settings.home).free
    if free < FREE_BYTES:
        text = f"only {free >> 20} MiB are free on the service's disk, and {FREE_BYTES >> 20} are kept for what runs"
        raise UnavailableError(f"{text}; free some space and submit again")


def _find_submitted(context: Context, owner: str, key: str, digest: str) -> StudyView | None:
    with context.store.read() as connection:
        found = studies.find_submission(connection, owner, key)
    if found is None:
        return None
    if found[0] != digest:
        raise KeyReusedError("this Idempotency-Key came before with another body; use a new key for a new study")
    return get_study(context, found[1])


def _next_replicate(context: Context) -> int:
    with context.store.read() as connection:
        return studies.highest_replicate(connection) + 1


def _store(
    context: Context, prepared: Prepared, replicate: int, key: str | None, digest: str, owner: str
) -> tuple[str | None, bool]:
    """Store a prepared study. Returns its id and whether it is new; no id where its replicate was taken meanwhile."""
    with context.store.write() as connection:
        if key is not None and (found := studies.find_submission(connection, owner, key)):
            if found[0] != digest:
                raise KeyReusedError("this Idempotency-Key came at the same time with another body")
            return found[1], False
        if replicate and studies.highest_replicate(connection) >= replicate:
            return None, False
        seq, study_id = add_prepared(connection, prepared, replicate=replicate, owner=owner)
        if key is not None:
            studies.record_submission(connection, owner, key, digest, seq)
    return study_id, True


def add_prepared(connection: Connection, prepared: Prepared, *, replicate: int = 0, owner: str = "") -> tuple[int, str]:
    """Store one prepared study in a transaction, and queue what is new of it. Returns its number and its id."""
    plan, at = prepared.plan, now()
    study_id = new_id()
    seq = studies.add_study(
        connection,
        {
            "id": study_id, "owner": owner or None, "name": plan.study.name, "title": plan.study.title,
            "scale": plan.scale, "state": "queued", "priority": plan.study.priority, "replicate": replicate,
            "document": prepared.document, "registrations": _first_registrations(connection, plan, at),
            "warnings": _findings(prepared.warnings),
            "costs": _costs(prepared), "created_at": at,
        },
    )  # fmt: skip
    _add(connection, seq, prepared.cells, list(plan.trials.values()), plan)
    return seq, study_id


def _add(
    connection: Connection, study_seq: int, new_cells: Sequence[CellKey], trials: Sequence[Trial], plan: Plan
) -> None:
    """Queue what is new of these trials, and give the study its cells."""
    queued = demand.add_trials(connection, trials, plan.study.resources, plan.study.priority, now())
    studies.add_cells(connection, study_seq, new_cells, queued)
    demand.refresh_demand(connection, study_seq)
    outbox.enqueue_started(connection, study_seq)


def _findings(problems: Sequence[Problem]) -> list[dict[str, str]]:
    return [{"pointer": one.pointer, "code": one.code, "message": one.message} for one in problems]


def _first_registrations(connection: Connection, plan: Plan, at: datetime) -> list[dict[str, Any]]:
    """Those of the oldest study that decides the same on the same trials, since that is when it was fixed."""
    new = register(plan, at)
    for history in studies.list_registrations(connection, next(iter(plan.trials))):
        if not changes(Registration.model_validate(history[-1]), new):
            return history
    return [new.model_dump()]


def _registered(stored: Stored, plan: Plan) -> list[dict[str, Any]]:
    """The study's registrations, with one more where the plan decides otherwise than the last."""
    last, new = Registration.model_validate(stored.registrations[-1]), register(plan, now())
    return [*stored.registrations, new.model_dump()] if changes(last, new) else stored.registrations


def _costs(prepared: Prepared) -> dict[str, dict[str, int]]:
    return {label: cost.model_dump() for label, cost in prepared.costs.items()}


def plan_only(context: Context, submission: Submission) -> dict[str, Any]:
    """What a submission would be: rows, costs, trials, what is known, how long it takes. Stores nothing.

    Raises:
        StudyError: with every problem of the document.
    """
    prepared = prepare(context, resolve_document(submission), scale=submission.scale, strict=False)
    plan = prepared.plan
    known = {} if submission.fresh else find_known(context, plan)
    with context.store.read() as connection:
        parallel = count_parallel(find_machines(connection), plan.study.resources)
    return describe_plan(plan, known, prepared.costs, {}, parallel)


def get_study(context: Context, study_id: str) -> StudyView:
    """One study.

    Raises:
        NotFoundError: there is none with that id.
    """
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        return view_study(stored, read_overview(connection, stored), find_machines(connection))


def list_studies(
    context: Context, *, state: StudyState | None, name: str | None, limit: int, cursor: str | None
) -> Page[StudyView]:
    """Studies, newest first.

    Raises:
        StudyError: the cursor is none of ours.
    """
    with context.store.read() as connection:
        found = studies.list_studies(connection, state=state, name=name, limit=limit + 1, before=read_cursor(cursor))
        page = found[:limit]
        overviews, machines = read_overviews(connection, page), find_machines(connection)
    items = [view_study(stored, overviews[stored.seq], machines) for stored in page]
    return Page(items=items, next=str(page[-1].seq) if len(found) > limit else None)


def read_cursor(cursor: str | None) -> int | None:
    """The number in a cursor.

    Raises:
        StudyError: it is none of ours.
    """
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        text = "no cursor of this list; take it from `next` of the page before"
        raise StudyError([Problem("/cursor", "invalid", text)])
    return int(cursor)


def cancel(context: Context, study_id: str) -> StudyView:
    """Withdraw what a study has not finished; a trial that another live study wants goes on."""
    with context.store.write() as connection:
        stored = studies.get_study(connection, study_id)
        if studies.move(connection, stored.seq, LIVE, "cancelled", reason="cancelled on request", ended_at=now()):
            withdrawn = studies.settle(connection, stored.seq, ("queued", "running"), "cancelled")
            studies.settle(connection, stored.seq, ("failed",), "failed")
            demand.cancel_unwanted(connection, stored.seq, now())
            demand.refresh_demand(connection, stored.seq)
            outbox.add_event(connection, stored.seq, "table", {"provisional": False})
            outbox.enqueue(connection, [(stored.seq, ""), *((stored.seq, key) for key in withdrawn)])
    context.wake(stored.id)
    return get_study(context, study_id)


def retry(context: Context, study_id: str) -> StudyView:
    """Queue a study's failed and cancelled trials again; nothing changes where there are none."""
    with context.store.write() as connection:
        stored = studies.get_study(connection, study_id)
        holes = studies.unsettle(connection, stored.seq)
        keys = [cell.key for cell in studies.list_cell_keys(connection, stored.seq)]
        queued = demand.requeue_holes(connection, list(dict.fromkeys(keys)))
        if holes or queued:
            _reopen(connection, stored)
        demand.refresh_demand(connection, stored.seq)
        outbox.announce(connection, sorted(queued))
    context.wake(stored.id)
    return get_study(context, study_id)


def _reopen(connection: Connection, stored: Stored) -> None:
    """A study that has ended lives again; the scheduler concludes it once nothing of it is open."""
    ended: tuple[StudyState, ...] = ("succeeded", "failed", "cancelled")
    if studies.move(connection, stored.seq, ended, "queued", reason=None, ended_at=None, result=None):
        outbox.enqueue(connection, [(stored.seq, "")])


def pause(context: Context, study_id: str) -> StudyView:
    """Claim no more trials that only paused studies want; what runs goes on."""
    return _switch(context, study_id, "pause", ("queued", "running"), "paused")


def resume(context: Context, study_id: str) -> StudyView:
    """Undo `pause`."""
    return _switch(context, study_id, "resume", ("paused",), "queued")


def _switch(context: Context, study_id: str, verb: str, leaving: tuple[StudyState, ...], to: StudyState) -> StudyView:
    with context.store.write() as connection:
        stored = studies.get_study(connection, study_id)
        _refuse_cancelled(stored, verb)
        if to == "queued" and studies.has_started(connection, stored.seq):
            to = "running"
        if studies.move(connection, stored.seq, leaving, to):
            demand.refresh_demand(connection, stored.seq)
            outbox.enqueue(connection, [(stored.seq, "")])
    context.wake(stored.id)
    return get_study(context, study_id)


def _refuse_cancelled(stored: Stored, verb: str) -> None:
    if stored.state == "cancelled":
        raise ConflictError(f"the study is cancelled, so it cannot {verb}; retry it, or submit it again")


def extend(context: Context, study_id: str, extension: Extension) -> StudyView:
    """Add seeds or rows to a study; what it has stays.

    Raises:
        StudyError: the extended document is wrong.
        ConflictError: the study is cancelled, or was extended by another call at the same time.
    """
    refuse_without_space(context)
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
    _refuse_cancelled(stored, "be extended")
    document = _extended(stored, plan_stored(context, stored), extension)
    if document != stored.document:
        _store_extension(context, stored, document)
        context.wake(stored.id)
    return get_study(context, study_id)


def _extended(stored: Stored, plan: Plan, extension: Extension) -> dict[str, Any]:
    asked = extension.seeds
    wanted = range(asked) if isinstance(asked, int) else asked or ()
    seeds = [*plan.seeds, *(seed for seed in wanted if seed not in plan.seeds)]
    labels = {row.label for row in plan.rows}
    for index, row in enumerate(extension.rows):
        if row.label in labels:
            text = f"the study has a row {quote(row.label)} already; give the new one another label"
            raise StudyError([Problem(f"/rows/{index}/label", "duplicate", text)])
    rows = [row.model_dump(exclude_none=True) for row in extension.rows]
    document = dict(stored.document)
    if len(seeds) > len(plan.seeds):
        document["seeds"] = seeds
    if rows:
        document["rows"] = [*document.get("rows", []), *rows]
        document["table"] = _kept_baseline(document, plan)
    return document


def _kept_baseline(document: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The `[table]` part, with the baseline named: rows come before generated cells, and the first row would be it."""
    table = dict(document.get("table", {}))
    baselines = {row.group: row.label for row in plan.rows if row.is_baseline}
    if "baseline" not in table and list(baselines) == [None]:
        table["baseline"] = baselines[None]
    elif "baseline" not in table and None not in baselines:
        table["baseline"] = baselines
    return table


@contextmanager
def _pointers_of_the_request(rows_before: int) -> Iterator[None]:
    """An added row is counted as the request counts it, not behind those that the study has."""
    try:
        yield
    except StudyError as error:
        raise StudyError(
            [replace(one, pointer=_counted(one.pointer, rows_before)) for one in error.problems]
        ) from error


def _counted(pointer: str, rows_before: int) -> str:
    parts = pointer.split("/")
    if len(parts) > 2 and parts[1] == "rows" and parts[2].isdecimal() and int(parts[2]) >= rows_before:
        parts[2] = str(int(parts[2]) - rows_before)
    return "/".join(parts)


def _store_extension(context: Context, stored: Stored, document: dict[str, Any]) -> None:
    with _pointers_of_the_request(len(stored.document.get("rows", []))):
        prepared = prepare(context, document, scale=stored.scale, replicate=stored.replicate)
    with context.store.write() as connection:
        present = studies.get_study(connection, stored.id)
        _refuse_cancelled(present, "be extended")
        if present.document != stored.document:
            raise ConflictError("the study was extended by another call at the same time; look at it and try again")
        there = {(cell.row, cell.seed) for cell in studies.list_cell_keys(connection, stored.seq)}
        new_cells = [cell for cell in prepared.cells if (cell.row, cell.seed) not in there]
        keys = {cell.key for cell in new_cells}
        trials = [trial for key, trial in prepared.plan.trials.items() if key in keys]
        values = {
            "document": document, "registrations": _registered(present, prepared.plan), "result": None,
            "warnings": _findings(prepared.warnings), "costs": _costs(prepared),
        }  # fmt: skip
        studies.update_plan(connection, stored.seq, values)
        _add(connection, stored.seq, new_cells, trials, prepared.plan)
        _reopen(connection, present)
        demand.refresh_demand(connection, stored.seq)
