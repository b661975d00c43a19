"""Routes of a study's plots, and what every route that draws a plot shares: its responses and the look of a plot."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from ablate.errors import TableError, nearest, quote
from ablate.tables.plots.look import MAX_FONT_CHARACTERS, MAX_WIDTH_IN, MIN_WIDTH_IN, WIDTH_IN, PlotLook, Theme
from ablate.tables.plots.plot import PLOT_FORMATS, PLOTS
from ablate.text import visible
from service.api.lanes import draws
from service.api.parameters import InContext, StudyId
from service.api.problems import CONFLICT, INVALID, NOT_FOUND, documented
from service.context import Context
from service.errors import NotFoundError
from service.studies import results

router = APIRouter(prefix="/studies/{study_id}", tags=["results"])

PANEL = "panel"
NAMES = (*PLOTS, PANEL)
PLOT_MEDIA = {"svg": "image/svg+xml", "png": "image/png", "pdf": "application/pdf"}
SVG_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox; "
    "style-src 'unsafe-inline'"
)
"""matplotlib writes styles into elements; no script runs in a sandbox."""
NOTICE = "Ablate-Notice"
"""Header with a sentence on what differs from the request, such as another font."""

PLOT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The plot",
        "headers": {NOTICE: {"description": "what differs from the request", "schema": {"type": "string"}}},
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in PLOT_MEDIA.values()},
    }
}
Format = Annotated[str, Path(description="file format", json_schema_extra={"enum": list(PLOT_FORMATS)})]
InTheme = Annotated[Theme, Query(description="colours: `light`, or `dark` for dark pages (SVG only)")]


def look_of(
    width_in: Annotated[
        float,
        Query(ge=MIN_WIDTH_IN, le=MAX_WIDTH_IN, allow_inf_nan=False, description="width in inches; a column has 3.25"),
    ] = WIDTH_IN,
    font: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_FONT_CHARACTERS,
            description="font that is installed where the service runs; STIX replaces another one (see the header "
            f"`{NOTICE}`)",
        ),
    ] = None,
    title: Annotated[bool, Query(description="false: without the title of the study, as a paper has captions")] = True,
    theme: InTheme = "light",
) -> PlotLook:
    """The look that the query asks for."""
    return PlotLook(width_in=width_in, font=font.strip() or None if font else None, has_title=title, theme=theme)


@router.get(
    "/plots/{name}.{format}",
    responses=PLOT | documented(NOT_FOUND, CONFLICT, INVALID),
    response_class=Response,
    summary="Draw a plot",
)
@draws
def draw_plot(
    context: InContext,
    study_id: StudyId,
    name: Annotated[str, Path(description="name of the plot", json_schema_extra={"enum": list(NAMES)})],
    format: Format,
    look: Annotated[PlotLook, Depends(look_of)],
) -> Response:
    """`forest`: differences from the baseline with intervals. `seeds`: every seed's value. `curves`: learning curves.
    `effects`: means per pair of levels of a grid, or per level of a factor that varies with no other.
    `specification`: the cells of a grid in the order of their results, above the levels that each of them has.
    `panel` (PNG only, for the tasks `detect` and `segment`): six test images, the ground truth, and the predictions of
    each row's trial of the first seed. A row without a panel on this machine is an empty strip with a note.

    The response is 404 with the reason: `effects` of a study that is not a grid; `specification` of a grid of at most
    12 cells; both while results are outstanding; `panel` if no row has one.

    PNG has 300 dots per inch. PDF has embedded TrueType fonts. The same results give identical bytes.
    """
    if name not in NAMES:
        raise NotFoundError(f"unknown plot {quote(name)}{nearest(name, NAMES)}")
    formats = ("png",) if name == PANEL else PLOT_FORMATS
    if format not in formats:
        raise NotFoundError(f"unknown format {quote(format)} of plot '{name}'{nearest(format, formats)}")
    if name == PANEL:
        return picture(_draw_panel(context, study_id), format)
    check_theme(format, look)
    return picture(results.draw_plot(context, study_id, name, format, look), format, look)


def _draw_panel(context: Context, study_id: str) -> bytes:
    try:
        return results.draw_panel(context, study_id)
    except TableError as error:
        raise NotFoundError(str(error)) from error


def check_theme(format: str, look: PlotLook) -> None:
    """Refuse the dark theme in formats without one.

    Raises:
        NotFoundError: there is no such file.
    """
    if look.theme == "dark" and format != "svg":
        raise NotFoundError(f"the dark theme is for SVG only, not for {format}; leave the theme out, or ask for .svg")


def picture(content: bytes, format: str, look: PlotLook = PlotLook()) -> Response:
    """A plot as a response, with a notice if it does not have the font that was asked for."""
    from ablate.tables.plots.fonts import substitution  # matplotlib is loaded when the first plot is drawn

    headers = {"Content-Security-Policy": SVG_POLICY} if format == "svg" else {}
    notice = substitution(look.font)
    if notice:
        headers[NOTICE] = visible(notice).encode("ascii", "replace").decode()
    return Response(content, media_type=PLOT_MEDIA[format], headers=headers)
