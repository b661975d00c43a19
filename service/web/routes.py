"""Routes of the page: parse, call one function, render the result. Problems become pages in `service.web.errors`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from ablate.limits import MAX_BYTES
from service.api.body import parse_body, read_body, validated
from service.api.catalog import describe_tasks
from service.api.lanes import draws, plans
from service.api.parameters import Cursor, InContext, InStudyState, ScheduleName, StudyId, StudyName, TrialKey
from service.errors import NotFoundError
from service.store.sql import now
from service.web import studies_view
from service.web.compare_view import read_compare_page
from service.web.drafts import Draft, draft_of
from service.web.help.routes import router as help_router
from service.web.network_view import read_network
from service.web.paper_view import DEFAULT_SCALE, read_paper_page
from service.web.preview import preview
from service.web.render import MEDIA, answer, read_file, version_of
from service.web.schedule_view import DRIFT_SIGNS, FIRING_SIGNS, read_schedule_page, read_schedules_page
from service.web.study_view import FORMATS, read_document, read_study_page
from service.web.trial_view import read_trial_page

router = APIRouter(include_in_schema=False)
ROUTERS = (router, help_router)
"""Every router of the page."""

CACHE_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""For a file whose address contains the digest of its content."""

Id = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Label = Annotated[str | None, Query(max_length=4096)]


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
    if name not in MEDIA:
        raise NotFoundError("the page has no such file; reload the page to get its current links")
    headers = CACHE_FOREVER if v == version_of(name) else {"Cache-Control": "no-cache"}
    return Response(read_file(name), media_type=MEDIA[name], headers=headers)


@router.get("/compare")
@draws
def show_comparison(context: InContext, a: Id = None, b: Id = None) -> Response:
    """Two studies side by side."""
    return answer("compare.html", page=read_compare_page(context, [one for one in (a, b) if one is not None]))


@router.get("/paper")
@draws
def show_paper(context: InContext, scale: Annotated[str, Query(max_length=64)] = DEFAULT_SCALE) -> Response:
    """The tables of the paper, printed and measured."""
    return answer("paper.html", page=read_paper_page(context, scale))


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


@router.get("/studies/{study_id}")
@draws
def show_study(context: InContext, study_id: StudyId, a: Label = None, b: Label = None) -> Response:
    """A study, its table first; `a` and `b` are two of its rows to compare."""
    pair = (a, b) if a is not None and b is not None else None
    return answer("study.html", page=read_study_page(context, study_id, pair), formats=FORMATS)


@router.get("/studies/{study_id}/document")
def save_document(context: InContext, study_id: StudyId) -> Response:
    """A study's document as a TOML file."""
    return Response(read_document(context, study_id), media_type="application/toml")


@router.get("/trials/{key}")
def show_trial(
    context: InContext, key: TrialKey, study: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """A trial: its differences from the baseline of a study, its attempts, and the command that trains it again."""
    return answer("trial.html", page=read_trial_page(context, key, study))


@router.get("/trials/{key}/network")
def show_network(context: InContext, key: TrialKey) -> Response:
    """The drawing of a trial's network, as a fragment of its page; the first one waits until torch is loaded."""
    return answer("network.html", net=read_network(context, key))
