"""Routes of faults: work that ended with an internal error of the service."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator

from ablate.remote.documents.faults import FaultView
from ablate.remote.documents.studies import Page
from service.api.parameters import Cursor, InContext, Limit
from service.api.problems import INVALID, NOT_FOUND, documented, publishable
from service.errors import NotFoundError
from service.running import faults

router = APIRouter(prefix="/faults", tags=["operation"])


def _plausible(number: str) -> str:
    if not re.fullmatch(r"E-[0-9a-f]{4,12}", number):
        raise NotFoundError("the number has an invalid form; numbers look like E-7f3a")
    return number


Number = Annotated[str, Path(description="number of a fault, such as E-7f3a"), AfterValidator(_plausible)]
Stuck = Annotated[bool | None, Query(description="true: only work that waits for a person; false: the other work")]


@router.get("", responses=documented(INVALID), summary="List internal errors")
def list_faults(context: InContext, stuck: Stuck = None, limit: Limit = 50, cursor: Cursor = None) -> Page[FaultView]:
    """Work that ended with an internal error, newest first: a table, a firing, an entry for MLflow, a notice.

    The service tries each three times, with growing waits; then the work is `stuck`, and everything else continues.
    The service's log has the traceback under the number.
    """
    page = faults.list_faults(context, stuck=stuck, limit=limit, cursor=cursor)
    return page.model_copy(update={"items": [_public(item) for item in page.items]})


@router.post("/{number}/retry", responses=documented(NOT_FOUND), summary="Try stuck work again")
def retry_fault(context: InContext, number: Number) -> FaultView:
    """Try the work again, for example after an upgrade. Returns the fault as it was."""
    return _public(faults.retry_fault(context, number))


def _public(view: FaultView) -> FaultView:
    return view.model_copy(update={"error": publishable(view.error)})
