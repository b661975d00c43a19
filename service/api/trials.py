"""Routes of trials: the trials of a study, one trial with its details, its log."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from starlette.responses import PlainTextResponse

from ablate.remote.choices import LOG_END
from ablate.remote.documents.studies import Page
from ablate.remote.documents.trials import CellView, ItemsView, TrialView
from service.api.parameters import Cursor, InContext, InTrialState, Limit, StudyId, TrialKey
from service.api.problems import CONFLICT, INVALID, NOT_FOUND, documented
from service.studies import trials

router = APIRouter(tags=["trials"])
MAX_START = 1 << 53
"""Larger numbers are not exact in JSON."""


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
    "/trials/{key}/items",
    responses=documented(NOT_FOUND, CONFLICT, INVALID),
    summary="Get which test images a trial classified correctly",
)
def get_items(
    context: InContext,
    key: TrialKey,
    bits: Annotated[
        Literal["base64", "list"],
        Query(description="`base64`: 8 images a byte, the first one is the highest bit; `list`: 0 and 1"),
    ] = "base64",
) -> ItemsView:
    """One bit for each test image, 1 if the trial classified it correctly, in the order of the test set.

    Only trials of `classify` have them. Trials that have not ended are a 409; trials without them, such as those from
    an earlier version, are a 404.
    """
    return trials.get_items(context, key, as_list=bits == "list")


@router.get(
    "/trials/{key}/log",
    responses=documented(NOT_FOUND, INVALID),
    response_class=PlainTextResponse,
    summary="Get the log of a trial",
)
def read_log(
    context: InContext,
    key: TrialKey,
    response: Response,
    start: Annotated[
        int, Query(ge=0, le=MAX_START, description="number of bytes at the begin of the log to leave out")
    ] = 0,
) -> str:
    """The output of the trial, attempt by attempt, as plain text; only the last MiB of a long one.

    The header `Ablate-Log-End` is the `start` with which the next call reads on.
    """
    text, end = trials.read_log(context, key, start)
    response.headers[LOG_END] = str(end)
    return text
