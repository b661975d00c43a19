"""Routes of schedules: add, list, get, change, remove, trigger, acknowledge."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from ablate.errors import nearest, quote
from ablate.remote.documents.firings import FiringView
from ablate.remote.documents.schedules import (
    Acknowledgement,
    ChangedSchedule,
    ScheduleChange,
    ScheduleSpec,
    ScheduleView,
)
from ablate.remote.documents.studies import Page
from ablate.tables.plots.look import PlotLook
from ablate.tables.plots.plot import PLOT_FORMATS
from service.api.body import read_acknowledgement, read_change, read_schedule
from service.api.examples import ACKNOWLEDGEMENTS, CHANGES, SCHEDULES
from service.api.lanes import draws, plans
from service.api.openapi import takes
from service.api.parameters import Cursor, InContext, Limit, ScheduleName
from service.api.plots import PLOT, Format, InTheme, check_theme, picture
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
from service.errors import NotFoundError
from service.schedules import history, lifecycle
from service.store.sql import now

router = APIRouter(prefix="/schedules", tags=["schedules"])

BODY = documented(NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, UNAVAILABLE)
ONE = documented(NOT_FOUND, UNAVAILABLE)
REPEATED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The existing schedule, which has the same content", "model": ChangedSchedule},
    201: {"description": "The new schedule"},
}

Given = Annotated[ScheduleSpec, Depends(read_schedule)]
Changed = Annotated[ScheduleChange, Depends(read_change)]
Acknowledged = Annotated[Acknowledgement, Depends(read_acknowledgement)]


@router.post(
    "",
    status_code=201,
    responses=REPEATED | BODY | documented(CONFLICT),
    openapi_extra=takes("ScheduleSpec", SCHEDULES),
    summary="Add a schedule",
)
@plans
def add_schedule(context: InContext, spec: Given, response: Response) -> ChangedSchedule:
    """Re-run a study on a cron schedule in a time zone.

    `next_text` describes the next firing in words. Adding the same schedule again changes nothing (200); a different
    schedule with that name is refused (409). A firing never reuses stored results: `verify` trains stored (row, seed)
    pairs again and compares, `fresh` trains new seeds.
    """
    schedule, is_new = lifecycle.add_schedule(context, spec, now())
    if not is_new:
        response.status_code = 200
    return schedule


@router.get("", responses=documented(INVALID), summary="List schedules")
def list_schedules(context: InContext, limit: Limit = 50, cursor: Cursor = None) -> Page[ScheduleView]:
    """Schedules, newest first, page by page."""
    return lifecycle.list_schedules(context, now(), limit=limit, cursor=cursor)


@router.get("/{name}", responses=documented(NOT_FOUND), summary="Get a schedule")
def get_schedule(context: InContext, name: ScheduleName) -> ScheduleView:
    """A schedule with its next firing, its last firing and its open alarms."""
    return lifecycle.get_schedule(context, name, now())


@router.patch(
    "/{name}",
    responses=ONE | BODY,
    openapi_extra=takes("ScheduleChange", CHANGES),
    summary="Change, pause or resume a schedule",
)
def change_schedule(context: InContext, name: ScheduleName, change: Changed) -> ChangedSchedule:
    """Change the given fields. A new study, scale, number of seeds or mode starts a new reference.

    `paused` pauses and resumes the schedule; firings during a pause do not count as missed.
    """
    return lifecycle.change_schedule(context, name, change, now())


@router.delete("/{name}", status_code=204, responses=ONE, summary="Remove a schedule")
def remove_schedule(context: InContext, name: ScheduleName) -> None:
    """Remove a schedule with its history and alarms. The studies that it started stay, and running trials continue."""
    lifecycle.remove_schedule(context, name)


@router.get("/{name}/history", responses=documented(NOT_FOUND, INVALID), summary="List the firings of a schedule")
def list_history(context: InContext, name: ScheduleName, limit: Limit = 50, cursor: Cursor = None) -> Page[FiringView]:
    """The firings, newest first: what each one trained, its results, and whether they drifted."""
    return lifecycle.list_history(context, name, limit=limit, cursor=cursor)


@router.get(
    "/{name}/history.{format}",
    response_class=Response,
    responses=PLOT | documented(NOT_FOUND, INVALID),
    summary="Plot the history of a schedule",
)
@draws
def draw_history(
    context: InContext,
    name: ScheduleName,
    format: Format,
    row: Annotated[str | None, Query(max_length=200, description="only this row")] = None,
    theme: InTheme = "light",
) -> Response:
    """Mean and interval of each row at each firing; reference windows are shaded, alarms and changes are marked."""
    if format not in PLOT_FORMATS:
        raise NotFoundError(f"unknown plot format {quote(format)}{nearest(format, PLOT_FORMATS)}")
    look = PlotLook(theme=theme)
    check_theme(format, look)
    return picture(history.draw_history(context, name, row, format, look), format)


@router.post("/{name}/trigger", status_code=201, responses=ONE | documented(CONFLICT), summary="Fire a schedule now")
@plans
def trigger_schedule(context: InContext, name: ScheduleName) -> FiringView:
    """Fire now, independent of the cron expression, even while the schedule is paused.

    If the study cannot be submitted, the firing is `refused`, with the reason.
    """
    return lifecycle.trigger(context, name, now())


@router.post(
    "/{name}/ack",
    responses=ONE | BODY | documented(CONFLICT),
    openapi_extra=takes("Acknowledgement", ACKNOWLEDGEMENTS),
    summary="Acknowledge the alarms of a schedule",
)
def acknowledge_schedule(context: InContext, name: ScheduleName, acknowledgement: Acknowledged) -> ChangedSchedule:
    """Close the open alarms with a reason, and start a new reference window; mark unknown rows as known.

    Without an open alarm the reference stays. With nothing to acknowledge it is a conflict.
    """
    return lifecycle.acknowledge(context, name, acknowledgement, now())
