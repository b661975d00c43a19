"""Studies on their way in: planned, stored and queued in one transaction, or refused with nothing stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ablate.errors import Problem
from ablate.local.preview import describe_plan
from ablate.remote.documents.plans import PlanView
from ablate.remote.documents.studies import StudyView, Submission
from ablate.study.plan import Plan
from ablate.study.preregistration import Preregistration, changes, register
from ablate.trials.trial import FIRST, Repetition, Trial
from service.context import Context, refuse_without_space
from service.dispatch.machines import count_parallel
from service.errors import KeyReusedError
from service.store import studies
from service.store.board import find_machines
from service.store.queue import demand, needs, outbox
from service.store.session import Connection
from service.store.sql import new_id, now
from service.store.studies import CellKey
from service.studies.lifecycle import get_study
from service.studies.prepare import Prepared, find_known, prepare, resolve_document


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
        repetition = Repetition(replicate=_next_replicate(context)) if submission.fresh else FIRST
        prepared = prepare(context, document, scale=submission.scale, repetition=repetition)
        stored_id, is_new = _store(context, prepared, key, digest, owner)
    view = get_study(context, stored_id)
    context.wake(view.id)
    return view, is_new


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


def _store(context: Context, prepared: Prepared, key: str | None, digest: str, owner: str) -> tuple[str | None, bool]:
    """Store a prepared study. Returns its id and whether it is new; no id where its replicate was taken meanwhile."""
    replicate = prepared.plan.repetition.replicate
    with context.store.write() as connection:
        if key is not None and (found := studies.find_submission(connection, owner, key)):
            if found[0] != digest:
                raise KeyReusedError("this Idempotency-Key came at the same time with another body")
            return found[1], False
        if replicate and studies.highest_replicate(connection) >= replicate:
            return None, False
        seq, study_id = add_prepared(connection, prepared, owner=owner)
        if key is not None:
            studies.record_submission(connection, owner, key, digest, seq)
    return study_id, True


def add_prepared(
    connection: Connection, prepared: Prepared, *, owner: str = "", schedule: str | None = None
) -> tuple[int, str]:
    """Store one prepared study in a transaction, and queue what is new of it. Returns its number and its id."""
    plan, at = prepared.plan, now()
    study_id = new_id()
    seq = studies.add_study(
        connection,
        {
            "id": study_id, "owner": owner or None, "name": plan.study.name, "title": plan.study.title,
            "scale": plan.scale, "state": "queued", "priority": plan.study.priority, "schedule": schedule,
            **asdict(plan.repetition),
            "document": prepared.document, "registrations": _first_registrations(connection, plan, at),
            "warnings": list_findings(prepared.warnings),
            "costs": list_costs(prepared), "created_at": at,
        },
    )  # fmt: skip
    queue_cells(connection, seq, prepared.cells, list(plan.trials.values()), plan)
    return seq, study_id


def queue_cells(
    connection: Connection, study_seq: int, new_cells: Sequence[CellKey], trials: Sequence[Trial], plan: Plan
) -> None:
    """Queue what is new of these trials, and give the study its cells."""
    queued = demand.add_trials(connection, trials, plan.study.resources, plan.study.priority, now())
    studies.add_cells(connection, study_seq, new_cells, queued)
    demand.refresh_demand(connection, study_seq)
    outbox.announce(connection, needs.settle_needs(connection, list(queued), now()))
    outbox.enqueue_started(connection, study_seq)


def list_findings(problems: Sequence[Problem]) -> list[dict[str, str]]:
    """Problems as they are stored."""
    return [{"pointer": one.pointer, "code": one.code, "message": one.message} for one in problems]


def _first_registrations(connection: Connection, plan: Plan, at: datetime) -> list[dict[str, Any]]:
    """Those of the oldest study that decides the same on the same trials, since that is when it was fixed.

    A cancelled study fixed nothing: else designs could be laid in store, and taken out after a look.
    """
    new = register(plan, at)
    for _, history in studies.list_registrations(connection, plan.first_key):
        if not changes(Preregistration.model_validate(history[-1]), new):
            return history
    return [new.model_dump()]


def list_costs(prepared: Prepared) -> dict[str, dict[str, int]]:
    """Counted costs by row, as they are stored."""
    return {label: cost.model_dump() for label, cost in prepared.costs.items()}


def plan_only(context: Context, submission: Submission) -> PlanView:
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
