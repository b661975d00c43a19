"""Routes of studies: submit, plan, list, look, and the five calls that change one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from ablate.remote.documents.plans import PlanView
from ablate.remote.documents.studies import Extension, Page, StudyView, Submission
from service.api.body import digest_of, in_study, read_extension, read_submission
from service.api.examples import EXTENSIONS, SUBMISSIONS
from service.api.openapi import takes
from service.api.parameters import (
    Cursor,
    IdempotencyKey,
    InContext,
    InStudyState,
    Limit,
    OfSchedule,
    StudyId,
    StudyName,
)
from service.api.problems import (
    CONFLICT,
    INVALID,
    NOT_FOUND,
    NOT_JSON,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    documented,
)
from service.studies import extend, lifecycle, submit

router = APIRouter(prefix="/studies", tags=["studies"])

BODY = documented(NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, UNAVAILABLE)
ONE = documented(NOT_FOUND, CONFLICT, UNAVAILABLE)

Submitted = Annotated[Submission, Depends(read_submission)]
Extended = Annotated[Extension, Depends(read_extension)]
Digest = Annotated[str, Depends(digest_of)]

REPEATED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The study that the same key and body gave before", "model": StudyView},
    201: {
        "description": "The new study",
        "headers": {"Location": {"description": "path of the study", "schema": {"type": "string"}}},
    },
}


@router.post(
    "", status_code=201, responses=REPEATED | BODY, openapi_extra=takes("Submission", SUBMISSIONS), summary="Submit"
)
def submit_study(
    context: InContext, submission: Submitted, digest: Digest, response: Response, key: IdempotencyKey = None
) -> StudyView:
    """Queue a study.

    Trials that are known, or under way for another study, are shared, not trained again; `progress.shared` counts
    them. With an `Idempotency-Key` the call can be repeated safely: the same key and body give the same study (200),
    the same key with another body is refused (422).
    """
    with in_study():
        study, is_new = submit.submit(context, submission, key=key, digest=digest)
    if is_new:
        response.headers["Location"] = study.links.self_
    else:
        response.status_code = 200
    return study


@router.post("/plan", responses=BODY, openapi_extra=takes("Submission", SUBMISSIONS), summary="Plan, store nothing")
def plan_study(context: InContext, submission: Submitted) -> PlanView:
    """The plan of a submission: its rows with their cost, number of trials, number of known trials, estimated time.

    `trials` counts rows times seeds, plus audit duplicates and the trials that rows need. `needed` counts the
    `distinct` trials that exist only because other trials start from their weights.

    The answer is that of `ablate check --json`. A study that could not run here (its data set is missing, or a trial
    needs more than any machine has) is planned as well, with a warning.
    """
    with in_study():
        return submit.plan_only(context, submission)


@router.get("", responses=documented(INVALID), summary="List studies")
def list_studies(
    context: InContext,
    state: InStudyState = None,
    name: StudyName = None,
    schedule: OfSchedule = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StudyView]:
    """Studies, newest first, page by page: `next` is the `cursor` of the following page, null on the last."""
    return lifecycle.list_studies(context, state=state, name=name, schedule=schedule, limit=limit, cursor=cursor)


@router.get("/{study_id}", responses=documented(NOT_FOUND), summary="One study")
def get_study(context: InContext, study_id: StudyId) -> StudyView:
    """A study with its progress. `eta_s` is null until a trial like those that are left has been timed."""
    return lifecycle.get_study(context, study_id)


@router.post("/{study_id}/cancel", responses=ONE, summary="Cancel")
def cancel_study(context: InContext, study_id: StudyId) -> StudyView:
    """Withdraw what the study has not finished. A trial that another live study wants goes on."""
    return lifecycle.cancel(context, study_id)


@router.post("/{study_id}/retry", responses=ONE, summary="Try failed and cancelled trials again")
def retry_study(context: InContext, study_id: StudyId) -> StudyView:
    """Queue the study's failed and cancelled trials again, those that others need among them. Results, diverged trials
    too, stay as they are."""
    return lifecycle.retry(context, study_id)


@router.post("/{study_id}/pause", responses=ONE, summary="Pause")
def pause_study(context: InContext, study_id: StudyId) -> StudyView:
    """Start no more trials that only paused studies want. What runs goes on to its end."""
    return lifecycle.pause(context, study_id)


@router.post("/{study_id}/resume", responses=ONE, summary="Resume")
def resume_study(context: InContext, study_id: StudyId) -> StudyView:
    """Undo a pause."""
    return lifecycle.resume(context, study_id)


@router.post(
    "/{study_id}/extend",
    responses=ONE | BODY,
    openapi_extra=takes("Extension", EXTENSIONS),
    summary="Add seeds or rows",
)
def extend_study(context: InContext, study_id: StudyId, extension: Extended) -> StudyView:
    """Add seeds, rows, or both; what the study has stays. A number of seeds is the new total, a list is added."""
    return extend.extend(context, study_id, extension)
