"""The tables of the paper as studies: planned, or queued together in one transaction."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from ablate.errors import Findings, Problem, StudyError
from ablate.remote.documents.paper import PaperPlan, PaperSubmission, PaperTablePlan, PaperView
from ablate.remote.documents.studies import Finding, Submission
from ablate.study.gpu_hours import BASIS, outstanding_gpu_hours
from ablate.study.paper_tables import PaperTable, choose_tables, list_tables
from ablate.study.plan import Plan
from service.context import Context, refuse_without_space
from service.costs import PATIENCE_S
from service.errors import KeyReusedError
from service.store import studies
from service.store.session import Connection
from service.studies.lifecycle import get_study
from service.studies.prepare import Prepared, find_known, plan_stored, prepare, resolve_document
from service.studies.submit import add_prepared

LIMIT_GPU_HOURS = 24.0
"""A submission above this, or without an estimate, must be confirmed: a mistake must not cost a month."""


@dataclass(frozen=True, slots=True)
class PreparedTable:
    """A table that can be stored.

    Attributes:
        known: keys of its trials that have a result.
        hours: GPU-hours of the other trials; None if they cannot be estimated.
    """

    table: PaperTable
    prepared: Prepared
    known: frozenset[str]
    hours: Mapping[str, float | None]


def plan_only(context: Context, submission: PaperSubmission) -> PaperPlan:
    """The plan of a submission: rows, trials, known trials, GPU-hours. Stores nothing.

    Raises:
        StudyError: with every problem of every table.
    """
    found = _prepare(context, submission, strict=False)
    hours = _total(found)
    taken = {one.table.id for one in found}
    return PaperPlan(
        items=[_describe(one) for one in found],
        left_out=[] if submission.tables else [table.id for table in list_tables() if table.id not in taken],
        **_counts([one.prepared.plan for one in found], {key for one in found for key in one.known}),
        gpu_hours=hours,
        limit_gpu_hours=LIMIT_GPU_HOURS,
        needs_confirmation=_needs_confirmation(hours),
        basis=BASIS,
    )


def submit(
    context: Context, submission: PaperSubmission, *, key: str | None = None, digest: str = "", owner: str = ""
) -> tuple[PaperView, bool]:
    """Store one study per table in one transaction, and queue their trials without a result.

    Args:
        context: see there.
        submission: the request.
        key: idempotency key; the same key and digest again return the same studies.
        digest: digest of the request's body.
        owner: see `service.studies.submit.submit`.

    Returns:
        The studies with their counts, and whether they are new.

    Raises:
        StudyError: with every problem of every table, or because it needs confirmation; nothing is stored.
        KeyReusedError: the key was used before with another body.
        UnavailableError: the disk is nearly full, or the database cannot be written.
    """
    if key is not None:
        with context.store.read() as connection:
            before = _find_submitted(connection, owner, key, digest)
        if before:
            return _view(context, before), False
    refuse_without_space(context)
    found = _prepare_confirmed(context, submission)
    ids, is_new = _store(context, [one.prepared for one in found], key, digest, owner)
    for study_id in ids:
        context.wake(study_id)
    return _view(context, ids), is_new


def _prepare_confirmed(context: Context, submission: PaperSubmission) -> list[PreparedTable]:
    """Every table, ready to be stored; missing confirmation is reported together with what cannot run here."""
    problems = Findings()
    found: list[PreparedTable] = []
    with problems.collecting():
        found = _prepare(context, submission, strict=True)
    with problems.collecting():
        _refuse_unconfirmed(submission, found or _prepare(context, submission, strict=False))
    problems.refuse()
    return found


def _prepare(context: Context, submission: PaperSubmission, *, strict: bool) -> list[PreparedTable]:
    """Every table, planned and checked; the problems of all tables are reported together."""
    tables = choose_tables(submission.tables, list_tables(), scale=submission.scale or "mini")
    problems = Findings()
    found = []
    until_s = time.monotonic() + PATIENCE_S  # for all tables together
    for index, table in enumerate(tables):
        place = f"/tables/{index}" if submission.tables else "/tables"
        with problems.collecting(), _pointing_to(table, place):
            found.append(_prepare_table(context, table, submission, strict=strict, until_s=until_s))
    problems.refuse()
    return found


def _prepare_table(
    context: Context, table: PaperTable, submission: PaperSubmission, *, strict: bool, until_s: float
) -> PreparedTable:
    options = submission.model_dump(include={"scale", "seeds", "priority", "resources"}, exclude_unset=True)
    document = resolve_document(Submission(study=dict(table.document), **options))
    prepared = prepare(context, document, scale=submission.scale, strict=strict, until_s=until_s)
    known = frozenset(find_known(context, prepared.plan))
    return PreparedTable(table, prepared, known, outstanding_gpu_hours(prepared.plan, prepared.costs, known))


@contextmanager
def _pointing_to(table: PaperTable, place: str) -> Iterator[None]:
    """Inside, problems are those of this table's study file: the message names it, the pointer is the body's."""
    try:
        yield
    except StudyError as error:
        raise error.changed(lambda problem: _moved(table, place, problem)) from error


def _moved(table: PaperTable, place: str, problem: Problem) -> Problem:
    if problem.pointer in ("/scale", "/seeds", "/priority"):
        return Problem(problem.pointer, problem.code, f"{table.id}: {problem.message}")
    where = problem.pointer.removeprefix("/").replace("/", ".")  # a pointer in a text would be taken for a path
    return Problem(place, problem.code, f"{table.id}{f' ({where})' if where else ''}: {problem.message}")


def _describe(one: PreparedTable) -> PaperTablePlan:
    plan = one.prepared.plan
    return PaperTablePlan(
        id=one.table.id,
        study=plan.study.name,
        title=plan.study.title,
        question=plan.study.question,
        scale=plan.scale,
        datasets=list(plan.datasets),
        **_counts([plan], one.known),
        gpu_hours=_total([one]),
        warnings=[Finding(pointer=w.pointer, code=w.code, message=w.message) for w in one.prepared.warnings],
    )


def _counts(plans: Sequence[Plan], known: Iterable[str]) -> dict[str, int]:
    return {
        "rows": sum(len(plan.rows) for plan in plans),
        "trials": sum(len(plan.memberships) for plan in plans),
        "distinct": len({key for plan in plans for key in plan.memberships.values()}),
        "known": len(set(known)),
    }


def _total(found: Sequence[PreparedTable]) -> float | None:
    """GPU-hours of several tables, with shared trials counted once; None if one cannot be estimated."""
    hours = {key: each for one in found for key, each in one.hours.items()}
    each = [value for value in hours.values() if value is not None]
    return sum(each) if len(each) == len(hours) else None


def _needs_confirmation(hours: float | None) -> bool:
    return hours is None or hours > LIMIT_GPU_HOURS


def _refuse_unconfirmed(submission: PaperSubmission, found: Sequence[PreparedTable]) -> None:
    hours = _total(found)
    if submission.confirm or not _needs_confirmation(hours):
        return
    tables = ", ".join(one.table.id for one in found)
    size = "for a time that cannot be estimated" if hours is None else f"for about {hours:,.0f} GPU-hours"
    text = (
        f"{tables} would train {size} (the limit without confirmation is {LIMIT_GPU_HOURS:g}); "
        "the plan shows the estimate; 'confirm': true (on the command line: --yes) starts the training"
    )
    raise StudyError([Problem("/confirm", "needs_confirmation", text)])


def _store(
    context: Context, prepared: Sequence[Prepared], key: str | None, digest: str, owner: str
) -> tuple[list[str], bool]:
    """Store all of these studies or none. Returns their ids, and whether they are new."""
    with context.store.write() as connection:
        if key is not None and (before := _find_submitted(connection, owner, key, digest)):
            return before, False
        added = [add_prepared(connection, one, context.settings.home, owner=owner) for one in prepared]
        if key is not None:
            for name, (seq, _) in zip(_names(key), added, strict=False):
                studies.record_submission(connection, owner, name, digest, seq)
    return [study_id for _, study_id in added], True


def _find_submitted(connection: Connection, owner: str, key: str, digest: str) -> list[str]:
    """Ids of the studies of an earlier call with a key, in order; empty if the key is new."""
    ids = []
    for name in _names(key):
        found = studies.find_submission(connection, owner, name)
        if found is None:
            break
        if found[0] != digest:
            raise KeyReusedError("this Idempotency-Key was used before with another body; use a new key")
        ids.append(found[1])
    return ids


def _names(key: str) -> Iterator[str]:
    """Stored keys, one per study. Keys after the first contain a blank, so that no client can send them."""
    yield key
    digest = hashlib.sha256(key.encode()).hexdigest()
    yield from (f"{digest} {number}" for number in count(2))


def _view(context: Context, ids: Sequence[str]) -> PaperView:
    with context.store.read() as connection:
        stored = [studies.get_study(connection, study_id) for study_id in ids]
    plans = [plan_stored(context, one) for one in stored]
    known = {key for plan in plans for key in find_known(context, plan)}
    return PaperView(items=[get_study(context, study_id) for study_id in ids], **_counts(plans, known))
