"""The route of the daily report (`ablate today`)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, AwareDatetime

from ablate.remote.documents.firings import Today
from service.api.parameters import InContext
from service.api.problems import INVALID, documented
from service.schedules import today
from service.store.sql import now

router = APIRouter(tags=["schedules"])


def _within_reach(since: datetime | None) -> datetime | None:
    """Times far outside this range cannot be converted to UTC."""
    if since is not None and not 1970 <= since.year <= 9000:
        raise ValueError("should be in the years 1970 to 9000")
    return since


Since = Annotated[
    AwareDatetime | None,
    Query(description="time with UTC offset, ISO 8601; default: one day ago"),
    AfterValidator(_within_reach),
]


@router.get("/today", responses=documented(INVALID), summary="Report what happened since yesterday")
def get_today(context: InContext, since: Since = None) -> Today:
    """Studies that ended, holes, drift, rows without a number, firings that did not happen, and the next firings.

    `needs_person`: whether anything needs attention; `attention`: the list of what does.
    """
    return today.get_today(context, since, now())
