"""The route of the paper's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.api.lanes import draws
from service.api.parameters import InContext
from service.web.paper_view import DEFAULT_SCALE, read_paper_page
from service.web.render import answer

router = APIRouter(include_in_schema=False)


@router.get("/paper")
@draws
def show_paper(context: InContext, scale: Annotated[str, Query(max_length=64)] = DEFAULT_SCALE) -> Response:
    """The tables of the paper, printed and measured."""
    return answer("paper.html", page=read_paper_page(context, scale))
