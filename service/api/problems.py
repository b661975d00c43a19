"""Problem documents (RFC 9457): every error response has this form.

The one module that maps errors to statuses. No response contains a traceback, a path of this machine or the value that
was sent. `instance` has the id of the request; the log has the details under this id.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from ablate.errors import AblateError, DataError, SiteError, StudyError, TableError, TrialError
from ablate.remote.documents.studies import Finding
from service.api.findings import findings_of_request
from service.errors import AmbiguousError, ConflictError, KeyReusedError, NotFoundError, UnavailableError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?!api/|mlflow/)[\w.+-]+/[\w./+-]+")

request_id: ContextVar[str] = ContextVar("request_id", default="none")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem: `type` is `urn:ablate:problem:SLUG`; all problems of a kind have the same status and title."""

    slug: str
    status: int
    title: str

    @property
    def urn(self) -> str:
        """The problem's `type`."""
        return f"urn:ablate:problem:{self.slug}"


BAD_REQUEST = ProblemKind("bad-request", 400, "The request is malformed")
NOT_JSON = ProblemKind("not-json", 400, "The body is not strict JSON")
CROSS_ORIGIN = ProblemKind("cross-origin", 403, "The request comes from another site")
FORBIDDEN = ProblemKind("forbidden", 403, "This call is not allowed")
NOT_FOUND = ProblemKind("not-found", 404, "Not found")
METHOD_NOT_ALLOWED = ProblemKind("method-not-allowed", 405, "The method is not allowed here")
NOT_ACCEPTABLE = ProblemKind("not-acceptable", 406, "No accepted format is offered")
CONFLICT = ProblemKind("conflict", 409, "The state does not allow it")
TOO_LARGE = ProblemKind("body-too-large", 413, "The body is too large")
TOO_LONG = ProblemKind("address-too-long", 414, "The address is too long")
UNSUPPORTED_MEDIA_TYPE = ProblemKind("unsupported-media-type", 415, "The body has an unsupported media type")
UNKNOWN_HOST = ProblemKind("unknown-host", 421, "The service does not answer under this name")
INVALID = ProblemKind("invalid", 422, "The request is not valid")
KEY_REUSED = ProblemKind("key-reused", 422, "The idempotency key belongs to another body")
TOO_MANY = ProblemKind("too-many-requests", 429, "This client asks for too much")
HEAD_TOO_LARGE = ProblemKind("headers-too-large", 431, "The headers are too large")
INTERNAL = ProblemKind("internal", 500, "The service failed")
UNAVAILABLE = ProblemKind("unavailable", 503, "It cannot be answered now")

KINDS = (
    BAD_REQUEST, NOT_JSON, FORBIDDEN, CROSS_ORIGIN, NOT_FOUND, METHOD_NOT_ALLOWED, NOT_ACCEPTABLE, CONFLICT, TOO_LARGE,
    TOO_LONG, UNSUPPORTED_MEDIA_TYPE, UNKNOWN_HOST, INVALID, KEY_REUSED, TOO_MANY, HEAD_TOO_LARGE, INTERNAL,
    UNAVAILABLE,
)  # fmt: skip
"""Every kind; the first kind of a status is used for errors that Starlette reports by status only."""

KIND_OF: Mapping[type[AblateError], ProblemKind] = {
    NotFoundError: NOT_FOUND,
    ConflictError: CONFLICT,
    KeyReusedError: KEY_REUSED,
    UnavailableError: UNAVAILABLE,
    SiteError: INVALID,
    DataError: INVALID,
    TrialError: INVALID,
    TableError: INVALID,
    AblateError: UNAVAILABLE,  # without its own class: a component does not respond, such as the cost probe
}

DETAILS = {
    "Not Found": "unknown address; GET /openapi.json lists all addresses",
    "Method Not Allowed": "this address does not support the method; the Allow header lists the supported methods",
    "Content Too Large": "the body is larger than the limit; send a smaller one, or raise ABLATE_MAX_BODY_BYTES",
}
"""Replacements for Starlette's messages."""


class ProblemDocument(BaseModel):
    """A problem document of RFC 9457; the OpenAPI document calls it `Problem`."""

    type: str = Field(description="urn:ablate:problem:SLUG, the same for all problems of a kind")
    title: str = Field(description="name of the kind")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="what is wrong, what is allowed, and what to do")
    instance: str = Field(description="urn:ablate:request:ID; the service's log has details under this id")
    command: str | None = Field(
        default=None, description="the same for a person at the command line, where it is another sentence"
    )
    candidates: list[str] = Field(default=[], description="ids of the studies that a text may mean; give one of them")
    errors: list[Finding] = Field(
        default=[], description="all problems, at most 100: JSON pointer into the body (or /PARAMETER), code, message"
    )
    more: int = Field(
        default=0, description="number of problems that were left out; the search for problems ends at 900"
    )


class Refusal(Exception):
    """A request that is refused before it reaches a use case."""

    def __init__(self, kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers = kind, detail, headers

    def answer(self) -> Response:
        """The refusal as a response."""
        return problem(self.kind, self.detail, headers=self.headers)


def problem(kind: ProblemKind, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """A problem as a response; `members` are further members of the document. 429 and 503 have a `Retry-After`."""
    default = {"Retry-After": str(RETRY_AFTER_S)} if kind.status in (429, 503) else {}
    document = {"type": kind.urn, "title": kind.title, "status": kind.status, "detail": detail}
    document |= {"instance": f"urn:ablate:request:{request_id.get()}", **members}
    text = json.dumps(document, ensure_ascii=True, allow_nan=False)
    return Response(text, kind.status, headers=default | dict(headers or {}), media_type=MEDIA_TYPE)


def invalid(error: StudyError) -> Response:
    """422 with the problems, at most 100."""
    findings = error.problems
    shown = [{"pointer": item.pointer, "code": item.code, "message": publishable(item.message)} for item in findings]
    more: dict[str, Any] = {"more": error.more} if error.more else {}
    first = str(replace(findings[0], message=publishable(findings[0].message))) if findings else ""
    detail = first if len(findings) == 1 else f"{len(findings) + error.more} problems; `errors` lists them"
    return problem(INVALID, detail, errors=shown, **more)


def publishable(text: str) -> str:
    """An error's message without paths of this machine."""
    return MACHINE_PATH.sub("(path)", text)


@contextmanager
def below(prefix: str, *, beside: Collection[str] = ()) -> Iterator[None]:
    """Prefix the pointers of a StudyError, because the study is a member of the body. Pointers in `beside` stay."""
    try:
        yield
    except StudyError as error:
        raise error.changed(
            lambda item: item if item.pointer in beside else replace(item, pointer=prefix + item.pointer)
        ) from error


def documented(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """The kinds as `responses` of a route in the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {kind.status: {"description": kind.title, "content": content} for kind in kinds}


async def _answer_refusal(_: Request, error: Refusal) -> Response:
    return error.answer()


async def _answer_study_error(_: Request, error: StudyError) -> Response:
    return invalid(error)


async def _answer_invalid_request(_: Request, error: RequestValidationError) -> Response:
    return invalid(StudyError(findings_of_request(error)))


async def _answer_error(request: Request, error: AblateError) -> Response:
    kind = next(KIND_OF[each] for each in type(error).__mro__ if each in KIND_OF)
    if kind is UNAVAILABLE:
        reason = getattr(error.__cause__, "orig", error.__cause__)  # the driver's own words are for the log only
        is_known = bool(request.app.state.context.outages.all())  # its begin is in the log
        level = logging.DEBUG if is_known else logging.WARNING
        logger.log(level, "request %s cannot be answered: %s; cause: %s", request_id.get(), error, reason)
    command = getattr(error, "command", None)
    members: dict[str, Any] = {"command": publishable(command)} if command else {}
    if isinstance(error, AmbiguousError):
        members["candidates"] = error.candidates
    return problem(kind, publishable(str(error)), **members)


async def _answer_http(request: Request, error: HTTPException) -> Response:
    """Starlette's errors: unknown route, unsupported method, body too large."""
    status = HTTPStatus(error.status_code)
    kind = next((kind for kind in KINDS if kind.status == status), ProblemKind(f"http-{status}", status, status.phrase))
    headers = dict(error.headers or {})
    if kind is METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed_methods(request))
    return problem(kind, DETAILS.get(error.detail, error.detail), headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    """Every method of an address; Starlette reports only those of the first route."""
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    routes = request.app.router.routes
    return [
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    Refusal: _answer_refusal,
    StudyError: _answer_study_error,
    RequestValidationError: _answer_invalid_request,
    AblateError: _answer_error,
    HTTPException: _answer_http,
}
"""For FastAPI's `exception_handlers`. Other exceptions reach `service.api.guard.Frame`."""
