"""Routes of the paper: its tables submitted at once, or only planned, and its Figure 1 from what was trained."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from ablate.errors import nearest, quote
from ablate.remote.documents.paper import PaperPlan, PaperSubmission, PaperView
from ablate.tables.plots.plot import PLOT_FORMATS
from service.api.body import digest_of, read_paper
from service.api.examples import PAPERS
from service.api.openapi import takes
from service.api.parameters import IdempotencyKey, InContext
from service.api.problems import (
    INVALID,
    NOT_FOUND,
    NOT_JSON,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    documented,
)
from service.api.results import PLOT, picture
from service.errors import NotFoundError
from service.studies import gains, paper

router = APIRouter(prefix="/paper", tags=["paper"])

BODY = documented(NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, UNAVAILABLE)
REPEATED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The studies that the same key and body gave before", "model": PaperView},
    201: {"description": "One new study a table, in the order of the tables"},
}

Submitted = Annotated[PaperSubmission, Depends(read_paper)]
Digest = Annotated[str, Depends(digest_of)]


@router.post(
    "",
    status_code=201,
    responses=REPEATED | BODY,
    openapi_extra=takes("PaperSubmission", PAPERS),
    summary="Submit tables of the paper",
)
def submit_paper(
    context: InContext, submission: Submitted, digest: Digest, response: Response, key: IdempotencyKey = None
) -> PaperView:
    """Queue tables of the paper, one study a table: all of them, or none where anything is wrong with one.

    Rows that tables share are trained once; `known` counts trials that have a result already. What is estimated to take
    more than 24 GPU-hours, or cannot be estimated, is refused (422, `needs_confirmation`) unless `confirm` is true. An
    `Idempotency-Key` works as with `POST /studies`: the same key and body give the same studies (200).
    """
    view, is_new = paper.submit(context, submission, key=key, digest=digest)
    if not is_new:
        response.status_code = 200
    return view


@router.post(
    "/plan", responses=BODY, openapi_extra=takes("PaperSubmission", PAPERS), summary="Plan tables, store nothing"
)
def plan_paper(context: InContext, submission: Submitted) -> PaperPlan:
    """What a submission would be, table by table: rows, trials, what is known, and GPU-hours by arithmetic (`basis`).

    A table that could not run here (its data set is missing) is planned all the same, with a warning.
    """
    return paper.plan_only(context, submission)


@router.get(
    "/gains.{format}", responses=PLOT | documented(NOT_FOUND, INVALID), response_class=Response, summary="Figure 1"
)
def draw_gains(
    context: InContext,
    format: Annotated[str, Path(description="the file format", json_schema_extra={"enum": list(PLOT_FORMATS)})],
    scale: Annotated[str, Query(max_length=64, description="at which ours were trained")] = "mini",
) -> Response:
    """The paper's Figure 1: gains over ReLU in classification, detection and segmentation, ours beside the printed.

    Ours are those of the newest study of each table (T1, T3, T4) that has succeeded at this scale; a table without one
    is marked as not trained.
    """
    if format not in PLOT_FORMATS:
        raise NotFoundError(f"no plot format {quote(format)}{nearest(format, PLOT_FORMATS)}")
    return picture(gains.draw_gains(context, scale, format), format)
