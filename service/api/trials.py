"""Routes of trials: the trials of a study, one trial with its details, its log."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from ablate.remote.documents.studies import Page
from ablate.remote.documents.trials import CellView, TrialView
from service.api.parameters import Cursor, InContext, InTrialState, Limit, StudyId, TrialKey
from service.api.problems import INVALID, NOT_FOUND, documented
from service.studies import trials

router = APIRouter(tags=["trials"])


@router.get("/studies/{study_id}/trials", responses=documented(NOT_FOUND, INVALID), summary="List trials of a study")
def list_trials(
    context: InContext, study_id: StudyId, state: InTrialState = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[CellView]:
    """The cells of a study, each with its trial, page by page. Recipes and curves are left out."""
    return trials.list_cells(context, study_id, state=state, limit=limit, cursor=cursor)


@router.get("/trials/{key}", responses=documented(NOT_FOUND), summary="Get a trial")
def get_trial(context: InContext, key: TrialKey) -> TrialView:
    """A trial with its resolved recipe, attempts, outcome, learning curve, provenance, and all its cells."""
    return trials.get_trial(context, key)


@router.get(
    "/trials/{key}/log",
    responses=documented(NOT_FOUND),
    response_class=PlainTextResponse,
    summary="Get the log of a trial",
)
def read_log(context: InContext, key: TrialKey) -> str:
    """The output of the trial, attempt by attempt, as plain text."""
    return trials.read_log(context, key)
