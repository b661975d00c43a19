"""Submission of a study: plan, store and queue it in one transaction, or refuse it and store nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from ablate.errors import Problem
from ablate.local.preview import describe_plan
from ablate.remote.documents.plans import PlanView
from ablate.remote.documents.studies import StudyView, Submission
from ablate.study.plan import Plan
from ablate.study.preregistration import Preregistration, changes
from ablate.study.resources import LimitsSpec, within
from ablate.trials.trial import FIRST, Repetition, Trial
from service.context import Context, refuse_without_space
from service.dispatch.machines import count_parallel
from service.errors import KeyReusedError
from service.store import studies
from service.store.heartbeat import find_machines
from service.store.queue import demand, needs, outbox
from service.store.session import Connection
from service.store.sql import new_id, now
from service.store.studies import CellKey
from service.studies.lifecycle import get_study
from service.studies.prepare import Prepared, find_known, prepare, resolve_document
from service.studies.tries import first_design, register_rows


def submit(
    context: Context, submission: Submission, *, key: str | None = None, digest: str = "", owner: str = ""
) -> tuple[StudyView, bool]:
    """Store a study and queue its trials without a result.

    Args:
        context: see there.
        submission: the request.
        key: idempotency key; the same key and digest again return the same study.
        digest: digest of the request's body.
        owner: owner of the key and the study; "" without API keys.

    Returns:
        The study, and whether it is new.

    Raises:
        StudyError: with every problem of the document.
        KeyReusedError: the key was used before with another body.
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
        raise KeyReusedError("this Idempotency-Key was used before with another body; use a new key")
    return get_study(context, found[1])


def _next_replicate(context: Context) -> int:
    with context.store.read() as connection:
        return studies.highest_replicate(connection) + 1


def _store(context: Context, prepared: Prepared, key: str | None, digest: str, owner: str) -> tuple[str | None, bool]:
    """Store a prepared study. Returns its id and whether it is new; no id where its replicate number is taken."""
    replicate = prepared.plan.repetition.replicate
    with context.store.write() as connection:
        if key is not None and (found := studies.find_submission(connection, owner, key)):
            if found[0] != digest:
                raise KeyReusedError("this Idempotency-Key came at the same time with another body; use a new key")
            return found[1], False
        if replicate and studies.highest_replicate(connection) >= replicate:
            return None, False
        seq, study_id = add_prepared(connection, prepared, context.settings.home, owner=owner)
        if key is not None:
            studies.record_submission(connection, owner, key, digest, seq)
    return study_id, True


def add_prepared(
    connection: Connection, prepared: Prepared, home: Path, *, owner: str = "", schedule: str | None = None
) -> tuple[int, str]:
    """Store a prepared study in a transaction, register its rows, and queue its new trials. Returns its number and id.

    Raises:
        UnavailableError: the state directory, `home`, cannot be written.
    """
    plan, at = prepared.plan, now()
    study_id, limits = new_id(), plan.study.limits or LimitsSpec()
    seq = studies.add_study(
        connection,
        {
            "id": study_id, "owner": owner or None, "name": plan.study.name, "title": plan.study.title,
            "scale": plan.scale, "state": "queued", "priority": plan.study.priority, "schedule": schedule,
            "hours": limits.hours, "parallel": limits.parallel,
            **asdict(plan.repetition),
            "document": prepared.document, "registrations": _first_registrations(connection, home, plan, at),
            "warnings": list_findings(prepared.warnings),
            "costs": list_costs(prepared), "created_at": at,
        },
    )  # fmt: skip
    queue_cells(connection, seq, prepared.cells, list(plan.trials.values()), plan)
    register_rows(connection, home, plan, (seq, study_id), at, is_firing=schedule is not None)
    return seq, study_id


def queue_cells(
    connection: Connection, study_seq: int, new_cells: Sequence[CellKey], trials: Sequence[Trial], plan: Plan
) -> None:
    """Queue the new ones of these trials, and store the study's cells."""
    queued = demand.add_trials(connection, trials, plan.study.resources, plan.study.priority, now())
    studies.add_cells(connection, study_seq, new_cells, queued)
    demand.refresh_demand(connection, study_seq)
    outbox.announce(connection, needs.settle_needs(connection, list(queued), now()))
    outbox.enqueue_started(connection, study_seq)


def list_findings(problems: Sequence[Problem]) -> list[dict[str, str]]:
    """Problems in their stored form."""
    return [{"pointer": one.pointer, "code": one.code, "message": one.message} for one in problems]


def _first_registrations(connection: Connection, home: Path, plan: Plan, at: datetime) -> list[dict[str, Any]]:
    """Preregistrations of the oldest study with the same decisions on the same trials, because they were fixed then.

    Without one, the files of the home know the design and its first date if a run registered it. Cancelled studies do
    not count: else designs could be registered in advance and picked after a look at results. Nor do firings and
    pilots, which decide nothing: else the best of many could be made the decision.
    """
    new = first_design(home, plan, at)
    for _, history in studies.list_registrations(connection, plan.first_key):
        if not changes(Preregistration.model_validate(history[-1]), new):
            return history
    return [new.model_dump()]


def list_costs(prepared: Prepared) -> dict[str, dict[str, int]]:
    """Counted costs by row, in their stored form."""
    return {name: cost.model_dump() for name, cost in prepared.costs.items()}


def plan_only(context: Context, submission: Submission) -> PlanView:
    """The plan of a submission: rows, costs, trials, known trials, estimated time. Stores nothing.

    Raises:
        StudyError: with every problem of the document.
    """
    prepared = prepare(context, resolve_document(submission), scale=submission.scale, strict=False)
    plan = prepared.plan
    known = {} if submission.fresh else find_known(context, plan)
    with context.store.read() as connection:
        parallel = within(plan.study.limits, count_parallel(find_machines(connection), plan.study.resources))
    return describe_plan(plan, known, prepared.costs, {}, parallel)
