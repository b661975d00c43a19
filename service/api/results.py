"""Routes of results: the table in five formats, the values of its seeds, the bundle, and the comparison of two rows."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote as quote_url

from fastapi import APIRouter, Depends, Header, Query, Response
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from ablate.errors import Problem, StudyError, TableError
from ablate.tables.columns import MAX_DIGITS
from ablate.tables.formats.html import STYLE
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.render import render
from ablate.tables.selection import Selection
from ablate.tables.table import Table
from ablate.tables.two_rows import RowComparison
from service.api.lanes import draws
from service.api.parameters import InContext, StudyId
from service.api.problems import (
    CONFLICT,
    INVALID,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    UNAVAILABLE,
    Refusal,
    documented,
)
from service.api.table_form import read_latex, read_selection, select
from service.studies import export, results

router = APIRouter(prefix="/studies/{study_id}", tags=["results"])

Format = Literal["json", "md", "tex", "csv", "html"]
MEDIA: Mapping[Format, str] = {
    "json": "application/json", "md": "text/markdown", "tex": "application/x-tex", "csv": "text/csv",
    "html": "text/html",
}  # fmt: skip
"""Media type by format; the first one is the default."""

ALONE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox; style-src "
TABLE_STYLE = base64.b64encode(hashlib.sha256(f"\n{STYLE}".encode()).digest()).decode()
HTML_POLICY = f"{ALONE}'sha256-{TABLE_STYLE}'"
"""An HTML table is a separate document: only its style element is allowed."""

TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The table; `provisional` until all trials have ended",
        "model": Table,
        "content": {media: {"schema": {"type": "string"}} for name, media in MEDIA.items() if name != "json"},
    }
}
SEEDS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The values", "content": {MEDIA["csv"]: {"schema": {"type": "string"}}}}
}
ZIP, CHUNK = "application/zip", 1 << 16
BUNDLE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bundle", "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get(
    "/table", responses=TABLE | documented(NOT_FOUND, NOT_ACCEPTABLE, CONFLICT, INVALID), summary="Get the result table"
)
@draws
def get_table(
    context: InContext,
    study_id: StudyId,
    selection: Annotated[Selection, Depends(read_selection)],
    latex: Annotated[LatexOptions, Depends(read_latex)],
    format: Annotated[Format | None, Query(description="overrides the Accept header; default: json")] = None,
    columns: Annotated[
        str | None,
        Query(
            max_length=4096,
            description="comma-separated names; `all`: every column; `factors`: one column per factor of the study, "
            "followed by the default columns if no others are named. JSON always has every cell",
        ),
    ] = None,
    digits: Annotated[int | None, Query(ge=0, le=MAX_DIGITS, description="decimal places of metrics")] = None,
    measured: Annotated[
        bool, Query(description="false: leave out times and memory, so that reruns give identical bytes")
    ] = True,
    robust: Annotated[
        bool, Query(description="true: notes on what other tests, lost runs, single seeds and other metrics say")
    ] = False,
    notes: Annotated[
        bool, Query(description="true: all notes in Markdown and LaTeX, not only the summary; HTML and JSON have them")
    ] = False,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> Response:
    """The table of a study; provisional while trials are unfinished.

    Below it is a summary of at most four lines; `notes` adds the other notes to Markdown. JSON has every cell,
    unrounded, with the value of each seed. CSV is for programs (all columns by default) and is sent as an attachment.
    Markdown, LaTeX (booktabs; longtable where the table is longer than a page) and HTML show the columns that the study
    selects. LaTeX leaves the decisions to bold and daggers unless `style=full`. Leaving out rows changes no number:
    p-values stay corrected for all rows of the study.
    """
    chosen = format or negotiate(accept)
    table = select(results.get_table(context, study_id), selection)
    try:
        with context.faults.answering(results.work_of_answer("table", study_id)):
            text = render(
                table,
                chosen,
                columns=_names(columns),
                digits=digits,
                measured=measured,
                robust=robust,
                notes=notes,
                latex=latex,
            )
    except TableError as error:  # format and digits were checked above
        raise StudyError([Problem("/columns", "unknown_column", str(error))]) from error
    return Response(text, media_type=MEDIA[chosen], headers=_headers(chosen, table))


@router.get(
    "/seeds.csv",
    responses=SEEDS | documented(NOT_FOUND, CONFLICT),
    response_class=Response,
    summary="Get the value of every seed",
)
@draws
def get_seeds(context: InContext, study_id: StudyId) -> Response:
    """Every value of the table as CSV, one line per row, seed and metric: row, group, seed, metric, value, key, status.

    Values are unrounded. A seed without a value has a line with an empty value and a `status`: `diverged`, `failed`,
    `missing` (its trial has not ended, or was cancelled), `unreported` (it succeeded without this metric) or `unusable`
    (the value is too large to be squared). The table uses the values with the status `ok`.
    """
    text = results.get_seeds(context, study_id)
    return Response(text, media_type=MEDIA["csv"], headers=_attached(f"{study_id}-seeds"))


@router.get(
    "/bundle.zip",
    responses=BUNDLE | documented(NOT_FOUND, CONFLICT, UNAVAILABLE),
    response_class=Response,
    summary="Get a study with all that a reviewer needs",
)
@draws
def get_bundle(
    context: InContext,
    study_id: StudyId,
    measured: Annotated[
        bool, Query(description="false: leave out times and memory, so that the same results give the same bytes")
    ] = True,
    weights: Annotated[bool, Query(description="true: include the trained weights that are on this machine")] = False,
    code: Annotated[bool, Query(description="false: leave out the code of a task that is not built in")] = True,
) -> StreamingResponse:
    """A study as one zip file: document, value of every seed, curves, logs, tables, plots, provenance.

    `verify.py` in it, or `ablate verify`, recomputes the table from `seeds.csv`. It is an RO-Crate. Home folders, host
    names and keys are removed from logs and reasons. A study without a result is a 409, and so is `weights=true` where
    this machine has none.
    """
    file = export.write_bundle(context, study_id, measured=measured, weights=weights, code=code)
    size = file.seek(0, 2)
    file.seek(0)
    headers = {"Content-Length": str(size), **_attached(study_id, "zip")}
    parts = iter(lambda: file.read(CHUNK), b"")
    return StreamingResponse(parts, media_type=ZIP, headers=headers, background=BackgroundTask(file.close))


@router.get("/compare", responses=documented(NOT_FOUND, CONFLICT, INVALID), summary="Compare two rows, seed by seed")
@draws
def compare(
    context: InContext,
    study_id: StudyId,
    a: Annotated[str, Query(max_length=4096, description="first row: its label, or `GROUP / LABEL`")],
    b: Annotated[str, Query(max_length=4096, description="row to compare it with")],
) -> RowComparison:
    """Whether row a differs from row b.

    On the primary metric, over the seeds of both rows: difference with interval, p raw and corrected over all pairs of
    the table's rows, correlation, number of seeds needed, and a summary sentence. The test is post hoc, because the
    rows were chosen after the table was visible. `images` compares the rows by test image: an interval over seeds and
    test images, and the images on which only one of the two is right. Unknown labels are all reported (`unknown_row`);
    the same row twice is `same_row`.
    """
    return results.compare(context, study_id, a, b)


def negotiate(accept: str) -> Format:
    """The format that an Accept header prefers (RFC 9110, 12.5.1); of several, the first in `MEDIA`.

    Raises:
        Refusal: 406, none is acceptable.
    """
    quality = _qualities(accept)
    liking = {
        name: quality.get(media, quality.get(media.split("/")[0] + "/*", quality.get("*/*", 0.0)))
        for name, media in MEDIA.items()
    }
    best = max(liking, key=lambda name: liking[name])
    if not liking[best]:
        raise Refusal(
            NOT_ACCEPTABLE,
            f"no acceptable format; accept one of {', '.join(MEDIA.values())}, or pass ?format=",
        )
    return best


def _qualities(accept: str) -> dict[str, float]:
    """Media range -> q. An invalid q counts as 1."""
    qualities = {}
    for part in accept.lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        found = [match for piece in parameters if (match := re.fullmatch(r"q\s*=\s*([01](?:\.\d{0,3})?)", piece))]
        qualities[media] = min(float(found[0][1]), 1.0) if found else 1.0
    return qualities


def _names(columns: str | None) -> list[str] | None:
    return None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]


def _headers(format: Format, table: Table) -> dict[str, str]:
    headers = {"Vary": "Accept"}
    if format == "html":
        headers["Content-Security-Policy"] = HTML_POLICY
    if format == "csv":
        headers |= _attached("-".join(filter(None, (table.study, table.scale))))
    return headers


def _attached(name: str, kind: str = "csv") -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote_url(name, safe='')}.{kind}"}
