"""The route of `ablate today`."""

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
    """Far beyond, instants cannot be converted to UTC."""
    if since is not None and not 1970 <= since.year <= 9000:
        raise ValueError("should be of the years 1970 to 9000")
    return since


Since = Annotated[
    AwareDatetime | None,
    Query(description="instant with its offset; a day ago unless given"),
    AfterValidator(_within_reach),
]


@router.get("/today", responses=documented(INVALID), summary="What happened since yesterday")
def get_today(context: InContext, since: Since = None) -> Today:
    """Studies that ended, holes, drift, firings that did not happen, and what fires next.

    `needs_person` says whether somebody should look, and `attention` at what.
    """
    return today.get_today(context, since, now())
