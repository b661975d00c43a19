"""Routes of results: the table in five formats, and the plots."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote as quote_url

from fastapi import APIRouter, Header, Path, Query, Response

from ablate.errors import Problem, StudyError, TableError, nearest, quote
from ablate.tables.columns import MAX_DIGITS
from ablate.tables.compare import RowComparison
from ablate.tables.formats.html import STYLE
from ablate.tables.formats.render import render
from ablate.tables.plots.plot import PLOT_FORMATS, PLOTS
from ablate.tables.table import Table
from service.api.parameters import InContext, StudyId
from service.api.problems import (
    INVALID,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    Refusal,
    documented,
)
from service.errors import NotFoundError
from service.studies import results

router = APIRouter(prefix="/studies/{study_id}", tags=["results"])

Format = Literal["json", "md", "tex", "csv", "html"]
MEDIA: Mapping[Format, str] = {
    "json": "application/json", "md": "text/markdown", "tex": "application/x-tex", "csv": "text/csv",
    "html": "text/html",
}  # fmt: skip
"""Media type by format; the first one serves whoever accepts everything."""

PANEL = "panel"
NAMES = (*PLOTS, PANEL)
PLOT_MEDIA = {"svg": "image/svg+xml", "png": "image/png"}

ALONE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox; style-src "
TABLE_STYLE = base64.b64encode(hashlib.sha256(f"\n{STYLE}".encode()).digest()).decode()
HTML_POLICY = f"{ALONE}'sha256-{TABLE_STYLE}'"
"""An HTML table is a document of its own: it may use its one style element, and nothing else."""
SVG_POLICY = f"{ALONE}'unsafe-inline'"
"""matplotlib writes styles into elements; no script runs in a sandbox."""

TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The table; `provisional` as long as trials are to come",
        "model": Table,
        "content": {media: {"schema": {"type": "string"}} for name, media in MEDIA.items() if name != "json"},
    }
}
PLOT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The plot",
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in PLOT_MEDIA.values()},
    }
}


@router.get("/table", responses=TABLE | documented(NOT_FOUND, NOT_ACCEPTABLE, INVALID), summary="The result table")
def get_table(
    context: InContext,
    study_id: StudyId,
    format: Annotated[Format | None, Query(description="goes before the Accept header; neither: json")] = None,
    columns: Annotated[
        str | None,
        Query(
            max_length=4096,
            description="names with commas between them; `all` for every column, `factors` for one of each factor of "
            "the study; JSON has every cell all the same",
        ),
    ] = None,
    digits: Annotated[int | None, Query(ge=0, le=MAX_DIGITS, description="decimals of metrics")] = None,
    measured: Annotated[
        bool, Query(description="false: without times and memory, the same bytes on each rerun")
    ] = True,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> Response:
    """The table of a study; while trials are to come, as far as it is known.

    In JSON it has every cell, unrounded, with each seed's value. CSV is for machines (all columns unless told) and
    comes as a file to save; Markdown, LaTeX (booktabs, longtable where it is higher than a page) and HTML show the
    columns that the study asks for.
    """
    chosen = format or negotiate(accept)
    table = results.get_table(context, study_id)
    try:
        text = render(table, chosen, columns=_names(columns), digits=digits, measured=measured)
    except TableError as error:  # format and digits were checked above
        raise StudyError([Problem("/columns", "unknown_column", str(error))]) from error
    return Response(text, media_type=MEDIA[chosen], headers=_headers(chosen, table))


@router.get("/compare", responses=documented(NOT_FOUND, INVALID), summary="Two rows, seed by seed")
def compare(
    context: InContext,
    study_id: StudyId,
    a: Annotated[str, Query(max_length=4096, description="label of the row to judge")],
    b: Annotated[str, Query(max_length=4096, description="label of the row that it is compared with")],
) -> RowComparison:
    """Is row a really different from row b?

    On the primary metric, over the seeds that both have: difference with interval, p raw and corrected over all pairs
    of the table's rows, correlation, seeds needed, and one sentence for a reader. Post hoc: the two were chosen after
    the table could be seen. Labels that are no row's are all told (`unknown_row`); one row twice is `same_row`.
    """
    return results.compare(context, study_id, a, b)


@router.get(
    "/plots/{name}.{format}",
    responses=PLOT | documented(NOT_FOUND),
    response_class=Response,
    summary="A plot",
)
def draw_plot(
    context: InContext,
    study_id: StudyId,
    name: Annotated[str, Path(description="the plot", json_schema_extra={"enum": list(NAMES)})],
    format: Annotated[str, Path(description="the file format", json_schema_extra={"enum": list(PLOT_FORMATS)})],
) -> Response:
    """`forest`: differences from the baseline with intervals. `seeds`: every seed's value. `curves`: learning curves.
    `effects`: means per pair of levels of a grid. `panel` (PNG alone, of studies of the tasks `detect` and `segment`):
    six test images, the truth, and below what each row's trial of the first seed predicts; a row whose trial has left
    no panel on this machine is a gap that says so, and where none has, the answer is 404 with the reason.

    The same results give the same bytes.
    """
    if name not in NAMES:
        raise NotFoundError(f"no plot {quote(name)}{nearest(name, NAMES)}")
    formats = ("png",) if name == PANEL else PLOT_FORMATS
    if format not in formats:
        raise NotFoundError(f"no format {quote(format)} of plot '{name}'{nearest(format, formats)}")
    if name == PANEL:
        return picture(_draw_panel(context, study_id), format)
    return picture(results.draw_plot(context, study_id, name, format), format)


def _draw_panel(context: InContext, study_id: str) -> bytes:
    try:
        return results.draw_panel(context, study_id)
    except TableError as error:
        raise NotFoundError(str(error)) from error


def picture(content: bytes, format: str) -> Response:
    """A plot as an answer."""
    headers = {"Content-Security-Policy": SVG_POLICY} if format == "svg" else {}
    return Response(content, media_type=PLOT_MEDIA[format], headers=headers)


def negotiate(accept: str) -> Format:
    """The format that an Accept header likes best (RFC 9110, 12.5.1); of several, the first in `MEDIA`.

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
        raise Refusal(NOT_ACCEPTABLE, f"the table comes as {', '.join(MEDIA.values())}; ?format= chooses as well")
    return best


def _qualities(accept: str) -> dict[str, float]:
    """Media range -> q. A q that is none counts as 1."""
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
        name = "-".join(filter(None, (table.study, table.scale)))
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote_url(name, safe='')}.csv"
    return headers
