"""Error pages: a browser that requests a page receives a problem document as HTML."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.web.render import answer

FOR_PROGRAMS = ("/api/", "/mlflow", "/static/", "/openapi.json", "/healthz", "/readyz", "/metrics")
"""Addresses whose problems stay JSON documents."""

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

NEXT = {
    404: "The address may be mistyped, or belong to another service. The list of studies links to every page.",
    409: "Check the study's current state and try again.",
    422: "Correct the address, or go back to the previous page.",
    503: "Try again in a moment; see the service's log for details.",
}
"""Next step for the reader, by status."""


def readable(handlers: Mapping[int | type[Exception], Handler]) -> dict[int | type[Exception], Handler]:
    """The same handlers, which answer with HTML where a page was requested."""
    return {kind: _readable(handler) for kind, handler in handlers.items()}


def _readable(handler: Handler) -> Handler:
    async def answer_error(request: Request, error: Any) -> Response:
        response = await handler(request, error)
        return _page_of(response) if wants_page(request) else response

    return answer_error


def wants_page(request: Request) -> bool:
    """Whether a browser requests a page."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(FOR_PROGRAMS)


def _page_of(response: Response) -> Response:
    problem = json.loads(bytes(response.body))
    kept = {name: value for name in ("retry-after", "allow", "connection") if (value := response.headers.get(name))}
    status = response.status_code
    return answer("error.html", status=status, headers=kept, problem=problem, next=NEXT.get(status, ""))
