"""Routes of the page: parse, call one function, render the result. Problems become pages in `service.web.errors`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from ablate.limits import MAX_BYTES
from service.api.body import parse_body, read_body, validated
from service.api.catalog import describe_tasks
from service.api.lanes import plans
from service.api.parameters import Cursor, InContext, InStudyState, StudyName
from service.errors import NotFoundError
from service.web import assets, studies_view
from service.web.compare_routes import router as compare_router
from service.web.drafts import Draft, draft_of
from service.web.help.routes import router as help_router
from service.web.paper_routes import router as paper_router
from service.web.preview import preview
from service.web.render import answer
from service.web.schedule_routes import router as schedule_router
from service.web.study_routes import router as study_router

router = APIRouter(include_in_schema=False)
ROUTERS = (router, study_router, paper_router, schedule_router, compare_router, help_router)
"""Every router of the page."""

CACHE_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""For a file whose address contains the digest of its content."""


def read_draft(body: Annotated[bytes, Depends(read_body)]) -> Draft:
    """The body of `POST /preview`, whose text may be as long as a file."""
    return validated(Draft, parse_body(body, MAX_BYTES))


@router.get("/")
def show_studies(
    request: Request,
    context: InContext,
    state: InStudyState = None,
    name: StudyName = None,
    cursor: Cursor = None,
    example: Annotated[str | None, Query(max_length=64)] = None,
    again: Annotated[str | None, Query(max_length=64)] = None,
    task: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """The studies, newest first, and the form for a new one.

    `example` fills the form with a study file that comes with ablate, `again` with the document of an earlier study,
    `task` with the study from which a task was registered.
    """
    tag = studies_view.tag_of(context)
    if tag and request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    board = studies_view.read_board(context, state=state, name=name, cursor=cursor)
    headers = {"ETag": tag} if tag else {}
    return answer("studies.html", headers=headers, board=board, draft=draft_of(context, example, again, task))


@router.get("/tasks")
def show_tasks() -> Response:
    """The tasks that a study can name, with their metrics and fields; those of this service's operator first."""
    tasks = sorted(describe_tasks(), key=lambda task: not task.versions)
    return answer("tasks.html", tasks=tasks)


@router.post("/preview")
@plans
def show_preview(context: InContext, draft: Annotated[Draft, Depends(read_draft)]) -> Response:
    """The preview of a pasted study, as a fragment of a page; 200 also where it lists errors."""
    return answer("preview.html", found=preview(context, draft.text, draft.options))


@router.get("/static/{name}")
def send_file(name: Annotated[str, Path()], v: Annotated[str, Query(max_length=64)] = "") -> Response:
    """A file of the page; browsers cache it permanently under the address that pages use."""
    if name not in assets.MEDIA:
        raise NotFoundError("the page has no such file; reload the page to get its current links")
    headers = CACHE_FOREVER if v == assets.version_of(name) else {"Cache-Control": "no-cache"}
    return Response(assets.read(name), media_type=assets.MEDIA[name], headers=headers)
