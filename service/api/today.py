"""The route of `ablate today`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from service import today
from service.api.parameters import InContext
from service.api.problems import INVALID, documented
from service.schedule_shapes import Today
from service.store.sql import now

router = APIRouter(tags=["schedules"])

Since = Annotated[AwareDatetime | None, Query(description="instant with its offset; a day ago unless given")]


@router.get("/today", responses=documented(INVALID), summary="What happened since yesterday")
def get_today(context: InContext, since: Since = None) -> Today:
    """Studies that ended, holes, drift, firings that did not happen, and what fires next.

    `needs_person` says whether somebody should look, and `attention` at what.
    """
    return today.get_today(context, since, now())
