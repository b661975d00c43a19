"""Routes of schedules: add, list, look, change, remove, trigger, acknowledge."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from ablate.errors import nearest, quote
from ablate.remote.documents.firings import FiringView
from ablate.remote.documents.schedules import Acknowledgement, ScheduleChange, ScheduleSpec, ScheduleView
from ablate.remote.documents.studies import Page
from ablate.tables.plots.plot import PLOT_FORMATS
from service.api.body import read_acknowledgement, read_change, read_schedule
from service.api.examples import ACKNOWLEDGEMENTS, CHANGES, SCHEDULES
from service.api.openapi import takes
from service.api.parameters import Cursor, InContext, Limit, ScheduleName
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
from service.api.results import PLOT, picture
from service.errors import NotFoundError
from service.schedules import calls, history
from service.store.sql import now

router = APIRouter(prefix="/schedules", tags=["schedules"])

BODY = documented(NOT_JSON, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, INVALID, UNAVAILABLE)
ONE = documented(NOT_FOUND, UNAVAILABLE)
REPEATED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The schedule that was there already, the same in every field", "model": ScheduleView},
    201: {"description": "The new schedule"},
}

Given = Annotated[ScheduleSpec, Depends(read_schedule)]
Changed = Annotated[ScheduleChange, Depends(read_change)]
Said = Annotated[Acknowledgement, Depends(read_acknowledgement)]


@router.post(
    "",
    status_code=201,
    responses=REPEATED | BODY | documented(CONFLICT),
    openapi_extra=takes("ScheduleSpec", SCHEDULES),
    summary="Add a schedule",
)
def add_schedule(context: InContext, spec: Given, response: Response) -> ScheduleView:
    """Repeat a study at the instants of a cron text, on the clock of a zone.

    `next_text` says in words when it fires next. The same schedule again changes nothing (200); another one of that
    name is refused (409). A firing is never answered from the store: `verify` trains stored (row, seed) pairs again
    and compares, `fresh` trains seeds that nobody has trained.
    """
    schedule, is_new = calls.add_schedule(context, spec, now())
    if not is_new:
        response.status_code = 200
    return schedule


@router.get("", responses=documented(INVALID), summary="List schedules")
def list_schedules(context: InContext, limit: Limit = 50, cursor: Cursor = None) -> Page[ScheduleView]:
    """Schedules, newest first, page by page."""
    return calls.list_schedules(context, now(), limit=limit, cursor=cursor)


@router.get("/{name}", responses=documented(NOT_FOUND), summary="One schedule")
def get_schedule(context: InContext, name: ScheduleName) -> ScheduleView:
    """A schedule with its next firing, its last one, and the alarms that nobody has acknowledged."""
    return calls.get_schedule(context, name, now())


@router.patch(
    "/{name}",
    responses=ONE | BODY,
    openapi_extra=takes("ScheduleChange", CHANGES),
    summary="Change, pause or resume a schedule",
)
def change_schedule(context: InContext, name: ScheduleName, change: Changed) -> ScheduleView:
    """Change the fields that are given. Another study, scale, number of seeds or mode begins a new reference.

    `paused` pauses and resumes; instants of a pause do not count as missed.
    """
    return calls.change_schedule(context, name, change, now())


@router.delete("/{name}", status_code=204, responses=ONE, summary="Remove a schedule")
def remove_schedule(context: InContext, name: ScheduleName) -> None:
    """Remove a schedule with its history and alarms. The studies that it fired stay, and what runs goes on."""
    calls.remove_schedule(context, name)


@router.get("/{name}/history", responses=documented(NOT_FOUND, INVALID), summary="Firings of a schedule")
def list_history(context: InContext, name: ScheduleName, limit: Limit = 50, cursor: Cursor = None) -> Page[FiringView]:
    """The firings, newest first: what each one trained, what it found, and whether that is drift."""
    return calls.list_history(context, name, limit=limit, cursor=cursor)


@router.get(
    "/{name}/history.{format}",
    response_class=Response,
    responses=PLOT | documented(NOT_FOUND, INVALID),
    summary="History as a picture",
)
def draw_history(
    context: InContext,
    name: ScheduleName,
    format: Annotated[str, Path(description="the file format", json_schema_extra={"enum": list(PLOT_FORMATS)})],
    row: Annotated[str | None, Query(max_length=200, description="only this row")] = None,
) -> Response:
    """Mean and interval of each row at each firing; reference windows are shaded, alarms and their changes marked."""
    if format not in PLOT_FORMATS:
        raise NotFoundError(f"no picture format {quote(format)}{nearest(format, PLOT_FORMATS)}")
    return picture(history.draw_history(context, name, row, format), format)


@router.post("/{name}/trigger", status_code=201, responses=ONE | documented(CONFLICT), summary="Fire a schedule now")
def trigger_schedule(context: InContext, name: ScheduleName) -> FiringView:
    """Fire now, whatever the cron text says, and also where it is paused.

    The firing is `refused` where its study cannot be submitted, with the reason.
    """
    return calls.trigger(context, name, now())


@router.post(
    "/{name}/ack",
    responses=ONE | BODY,
    openapi_extra=takes("Acknowledgement", ACKNOWLEDGEMENTS),
    summary="Acknowledge the alarms of a schedule",
)
def acknowledge_schedule(context: InContext, name: ScheduleName, said: Said) -> ScheduleView:
    """Close the open alarms with a reason, and begin a new reference window."""
    return calls.acknowledge(context, name, said, now())
