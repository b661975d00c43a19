"""Routes of studies: submit, plan, list, get, and the five calls that change a study."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from ablate.remote.documents.plans import PlanView
from ablate.remote.documents.studies import ChangedStudy, Extension, Page, StudyView, Submission
from service.api.body import digest_of, in_study, read_extension, read_submission
from service.api.examples import EXTENSIONS, SUBMISSIONS
from service.api.lanes import plans
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
    200: {"description": "The study of an earlier call with the same key and body", "model": StudyView},
    201: {
        "description": "The new study",
        "headers": {"Location": {"description": "path of the study", "schema": {"type": "string"}}},
    },
}


@router.post(
    "",
    status_code=201,
    responses=REPEATED | BODY,
    openapi_extra=takes("Submission", SUBMISSIONS),
    summary="Submit a study",
)
@plans
def submit_study(
    context: InContext, submission: Submitted, digest: Digest, response: Response, key: IdempotencyKey = None
) -> StudyView:
    """Queue a study.

    Trials that have a result, or that are under way for another study, are shared and not trained again;
    `progress.shared` counts them. With an `Idempotency-Key` the call can be repeated safely: the same key and body
    return the same study (200); the same key with another body is refused (422).
    """
    with in_study():
        study, is_new = submit.submit(context, submission, key=key, digest=digest)
    if is_new:
        response.headers["Location"] = study.links.self_
    else:
        response.status_code = 200
    return study


@router.post("/plan", responses=BODY, openapi_extra=takes("Submission", SUBMISSIONS), summary="Plan a study")
@plans
def plan_study(context: InContext, submission: Submitted) -> PlanView:
    """The plan of a submission: rows with their cost, number of trials, known trials, estimated time. Stores nothing.

    `trials` counts rows times seeds, plus audit trials and trials that rows start from. `needed` counts the `distinct`
    trials that are planned only because others start from their weights.

    The response is that of `ablate check --json`. A study that cannot run here (its data set is missing, a trial needs
    more than any machine has) is planned with a warning.
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
    """Studies, newest first, page by page. `next` is the `cursor` of the next page, null on the last page."""
    return lifecycle.list_studies(context, state=state, name=name, schedule=schedule, limit=limit, cursor=cursor)


@router.get("/{study_id}", responses=documented(NOT_FOUND), summary="Get a study")
def get_study(context: InContext, study_id: StudyId) -> StudyView:
    """A study with its progress. `eta_s` is null until a similar trial has been timed."""
    return lifecycle.get_study(context, study_id)


@router.post("/{study_id}/cancel", responses=ONE, summary="Cancel a study")
def cancel_study(context: InContext, study_id: StudyId) -> ChangedStudy:
    """Cancel the study's unfinished trials. Trials shared with another live study keep running."""
    return lifecycle.cancel(context, study_id)


@router.post("/{study_id}/retry", responses=ONE, summary="Retry failed and cancelled trials")
def retry_study(context: InContext, study_id: StudyId) -> ChangedStudy:
    """Queue the study's failed and cancelled trials again, including those that other trials start from. Results stay,
    and so do diverged trials."""
    return lifecycle.retry(context, study_id)


@router.post("/{study_id}/pause", responses=ONE, summary="Pause a study")
def pause_study(context: InContext, study_id: StudyId) -> ChangedStudy:
    """Start no more trials that only paused studies need. Running trials finish."""
    return lifecycle.pause(context, study_id)


@router.post("/{study_id}/resume", responses=ONE, summary="Resume a study")
def resume_study(context: InContext, study_id: StudyId) -> ChangedStudy:
    """Resume a paused study."""
    return lifecycle.resume(context, study_id)


@router.post(
    "/{study_id}/extend",
    responses=ONE | BODY,
    openapi_extra=takes("Extension", EXTENSIONS),
    summary="Add seeds or rows",
)
@plans
def extend_study(context: InContext, study_id: StudyId, extension: Extended) -> ChangedStudy:
    """Add seeds, rows, or both; existing cells stay. A number of seeds is the new total; a list of seeds is added."""
    return extend.extend(context, study_id, extension)
