"""Routes of one study and of one trial."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from service.api.lanes import draws
from service.api.parameters import InContext, StudyId, TrialKey
from service.web.network_view import read_network
from service.web.render import answer
from service.web.study_view import FORMATS, read_document, read_study_page
from service.web.trial_view import read_trial_page

router = APIRouter(include_in_schema=False)

Label = Annotated[str | None, Query(max_length=4096)]


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
