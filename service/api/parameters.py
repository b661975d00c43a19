"""Parameters that several routes share, and the check that refuses unknown parameters."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

from fastapi import Depends, Header, Path, Query
from fastapi.dependencies.models import Dependant
from pydantic import AfterValidator
from starlette.requests import Request

from ablate.errors import Problem, StudyError, nearest, quote
from ablate.limits import MAX_FINDINGS
from ablate.remote.choices import StudyState, TrialState
from ablate.study.problems import NAME, pointer_of
from service.context import Context
from service.errors import NotFoundError

IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,64}")


async def get_context(request: Request) -> Context:
    """The context that `create_app` received. It is async, as all dependencies of `/healthz`: they take no thread."""
    context: Context = request.app.state.context
    return context


def _plausible(identifier: str) -> str:
    """Every id has this form, and databases differ in how they treat NUL or 10,000 characters."""
    if not IDENTIFIER.fullmatch(identifier):
        raise NotFoundError("the id has an invalid form; ids and names have up to 64 letters, digits, '.', '-' and '_'")
    return identifier


def _plausible_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise NotFoundError("the name has an invalid form; names have up to 64 letters, digits, '.', '_' and '-'")
    return name


def _matching(pattern: str, words: str) -> AfterValidator:
    """A check with a message that describes the pattern in words."""

    def check(text: str | None) -> str | None:
        if text is not None and not re.fullmatch(pattern, text):
            raise ValueError(words)
        return text

    return AfterValidator(check)


InContext = Annotated[Context, Depends(get_context)]
StudyId = Annotated[
    str,
    Path(description="id of a study, its name, or the first 4 letters or more of its id"),
    AfterValidator(_plausible),
]
ScheduleName = Annotated[str, Path(description="name of a schedule"), AfterValidator(_plausible_name)]
TrialKey = Annotated[str, Path(description="key of a trial"), AfterValidator(_plausible)]
Limit = Annotated[int, Query(ge=1, le=200, description="items per page")]
Cursor = Annotated[
    str | None,
    Query(description="`next` value of the previous page"),
    _matching(r"[!-~]{1,512}", "unknown cursor; pass the `next` value of the previous page"),
]
StudyName = Annotated[
    str | None,
    Query(description="only studies with this name"),
    _matching(NAME, "is not a study name; use at most 64 letters, digits, '.', '_' and '-'"),
]
OfSchedule = Annotated[
    str | None,
    Query(description="only studies that this schedule started"),
    _matching(NAME, "is not a schedule name; use at most 64 letters, digits, '.', '_' and '-'"),
]
InStudyState = Annotated[StudyState | None, Query(description="only studies in this state")]
InTrialState = Annotated[TrialState | None, Query(description="only cells in this state")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="1 to 255 visible ASCII characters; the same key and body again return the same study",
        json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    ),
    _matching(r"[!-~]{1,255}", "should be 1 to 255 visible ASCII characters"),
]


REPEATED = frozenset({"rows"})
"""Query parameters that may be given several times."""


async def refuse_unknown_parameters(request: Request) -> None:
    """A dependency of all routes: an unknown query parameter, or one that is given twice, is an error.

    A typo must not silently return the first page of the whole list.
    """
    allowed = _names(request.scope["route"].dependant)
    given = Counter(name for name, _ in request.query_params.multi_items())
    unknown = [name for name in given if name not in allowed]
    problems = [
        Problem(
            pointer_of((name,)),
            "unknown_parameter",
            f"unknown query parameter {quote(name)}{nearest(name, allowed) if index < MAX_FINDINGS else ''}",
        )
        for index, name in enumerate(unknown)
    ]
    problems += [
        Problem(f"/{name}", "given_twice", f"'{name}' is given {times} times; give it once")
        for name, times in given.items()
        if name in allowed and times > 1 and name not in REPEATED
    ]
    if problems:
        raise StudyError(problems)


def _names(dependant: Dependant) -> list[str]:
    own = [field.alias for field in dependant.query_params]
    return own + [name for inner in dependant.dependencies for name in _names(inner)]
