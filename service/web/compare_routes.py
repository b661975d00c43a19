"""The route of the page that compares two studies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.api.lanes import draws
from service.api.parameters import InContext
from service.web.compare_view import read_compare_page
from service.web.render import answer

router = APIRouter(include_in_schema=False)

Id = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


@router.get("/compare")
@draws
def show_comparison(context: InContext, a: Id = None, b: Id = None) -> Response:
    """Two studies side by side."""
    return answer("compare.html", page=read_compare_page(context, [one for one in (a, b) if one is not None]))
