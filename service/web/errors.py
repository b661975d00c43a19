"""Problems for people: where a browser asks for a page, a problem document is answered as one."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.web.render import answer

FOR_PROGRAMS = ("/api/", "/mlflow", "/static/", "/openapi.json", "/healthz", "/readyz", "/metrics")
"""Addresses whose problems stay documents."""

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

NEXT = {
    404: "It may have been mistyped, or belong to another service. The list of studies has everything there is.",
    409: "Look at the study's present state and try again.",
    422: "Correct the address, or go back to where the link was.",
    503: "Try again in a moment; the service's log says more.",
}
"""What to do next, by status."""


def readable(handlers: Mapping[int | type[Exception], Handler]) -> dict[int | type[Exception], Handler]:
    """The same handlers, whose answers people can read where they asked for a page."""
    return {kind: _readable(handler) for kind, handler in handlers.items()}


def _readable(handler: Handler) -> Handler:
    async def answer_error(request: Request, error: Any) -> Response:
        response = await handler(request, error)
        return _page_of(response) if wants_page(request) else response

    return answer_error


def wants_page(request: Request) -> bool:
    """Whether a browser looks for a page here."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(FOR_PROGRAMS)


def _page_of(response: Response) -> Response:
    problem = json.loads(bytes(response.body))
    kept = {name: value for name in ("retry-after", "allow", "connection") if (value := response.headers.get(name))}
    status = response.status_code
    return answer("error.html", status=status, headers=kept, problem=problem, next=NEXT.get(status, ""))
