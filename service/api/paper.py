"""Routes of the paper: submit or plan its tables, and draw its Figure 1 from the measured results."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from ablate.errors import nearest, quote
from ablate.remote.documents.paper import PaperPlan, PaperSubmission, PaperView
from ablate.tables.plots.look import PlotLook
from ablate.tables.plots.plot import PLOT_FORMATS
from service.api.body import digest_of, read_paper
from service.api.examples import PAPERS
from service.api.lanes import draws, plans
from service.api.openapi import takes
from service.api.parameters import IdempotencyKey, InContext
from service.api.plots import PLOT, Format, InTheme, check_theme, picture
from service.api.problems import (
    INVALID,
    NOT_FOUND,
    NOT_JSON,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    documented,
)
from service.errors import NotFoundError
from service.studies import gains, paper

router = APIRouter(prefix="/paper", tags=["paper"])

BODY = documented(NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, UNAVAILABLE)
REPEATED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The studies of an earlier call with the same key and body", "model": PaperView},
    201: {"description": "One new study per table, in the order of the tables"},
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
@plans
def submit_paper(
    context: InContext, submission: Submitted, digest: Digest, response: Response, key: IdempotencyKey = None
) -> PaperView:
    """Queue tables of the paper, one study per table. If one table has an error, none is queued.

    Rows that tables share are trained once; `known` counts trials that already have a result. A submission that takes
    more than an estimated 24 GPU-hours, or that cannot be estimated, is refused (422, `needs_confirmation`) unless
    `confirm` is true. `Idempotency-Key` works as in `POST /studies`: the same key and body return the same studies
    (200).
    """
    view, is_new = paper.submit(context, submission, key=key, digest=digest)
    if not is_new:
        response.status_code = 200
    return view


@router.post(
    "/plan", responses=BODY, openapi_extra=takes("PaperSubmission", PAPERS), summary="Plan tables of the paper"
)
@plans
def plan_paper(context: InContext, submission: Submitted) -> PaperPlan:
    """The plan of a submission, table by table: rows, trials, known trials, and estimated GPU-hours (`basis`).

    Nothing is stored. A table that cannot run here (its data set is missing) is planned with a warning.
    """
    return paper.plan_only(context, submission)


@router.get(
    "/gains.{format}",
    responses=PLOT | documented(NOT_FOUND, INVALID),
    response_class=Response,
    summary="Draw Figure 1 of the paper",
)
@draws
def draw_gains(
    context: InContext,
    format: Format,
    scale: Annotated[str, Query(max_length=64, description="scale of the measured results")] = "mini",
    theme: InTheme = "light",
) -> Response:
    """The paper's Figure 1: measured and printed gains over ReLU in classification, detection and segmentation.

    Measured gains are from the newest successful study of each table (T1, T3, T4) at this scale; a table without such
    a study is marked as not trained.
    """
    if format not in PLOT_FORMATS:
        raise NotFoundError(f"unknown plot format {quote(format)}{nearest(format, PLOT_FORMATS)}")
    look = PlotLook(theme=theme)
    check_theme(format, look)
    return picture(gains.draw_gains(context, scale, format, look), format)
