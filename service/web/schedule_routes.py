"""Routes of the schedules' pages: the list, and one schedule with its history."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from service.api.parameters import Cursor, InContext, ScheduleName
from service.store.sql import now
from service.web.render import answer
from service.web.schedule_view import DRIFT_SIGNS, FIRING_SIGNS, read_schedule_page, read_schedules_page

router = APIRouter(include_in_schema=False)


@router.get("/schedules")
def show_schedules(context: InContext, cursor: Cursor = None) -> Response:
    """Schedules, the next firing of each, and what needs attention."""
    page = read_schedules_page(context, cursor, now())
    return answer("schedules.html", page=page, firing_signs=FIRING_SIGNS, drift_signs=DRIFT_SIGNS)


@router.get("/schedules/{name}")
def show_schedule(context: InContext, name: ScheduleName, cursor: Cursor = None) -> Response:
    """A schedule with its firings, their drift, and its alarms."""
    page = read_schedule_page(context, name, cursor, now())
    return answer("schedule.html", page=page, firing_signs=FIRING_SIGNS, drift_signs=DRIFT_SIGNS)
