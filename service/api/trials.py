"""Routes of trials: those of a study, one with all that is known of it, its log."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from ablate.remote.documents.studies import Page
from ablate.remote.documents.trials import CellView, TrialView
from service.api.parameters import Cursor, InContext, InTrialState, Limit, StudyId, TrialKey
from service.api.problems import INVALID, NOT_FOUND, documented
from service.studies import trials

router = APIRouter(tags=["trials"])


@router.get("/studies/{study_id}/trials", responses=documented(NOT_FOUND, INVALID), summary="Trials of a study")
def list_trials(
    context: InContext, study_id: StudyId, state: InTrialState = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[CellView]:
    """The cells of a study, each with the trial that fills it, page by page. Recipes and curves are left out."""
    return trials.list_cells(context, study_id, state=state, limit=limit, cursor=cursor)


@router.get("/trials/{key}", responses=documented(NOT_FOUND), summary="One trial")
def get_trial(context: InContext, key: TrialKey) -> TrialView:
    """A trial with its resolved recipe, attempts, outcome, learning curve and provenance, and every cell it fills."""
    return trials.get_trial(context, key)


@router.get(
    "/trials/{key}/log", responses=documented(NOT_FOUND), response_class=PlainTextResponse, summary="Log of a trial"
)
def read_log(context: InContext, key: TrialKey) -> str:
    """What the trial wrote while it ran, attempt after attempt, as plain text."""
    return trials.read_log(context, key)
