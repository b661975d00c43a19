"""What the contract names and nobody has built yet: listed, and answered with 501, never with a pretence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from service.api.problems import NOT_BUILT, Refusal, documented

ROUTES = (
    ("GET", "/api/v1/schedules", "the list of schedules"),
    ("POST", "/api/v1/schedules", "adding a schedule"),
    ("GET", "/api/v1/schedules/{name}", "showing a schedule"),
    ("PATCH", "/api/v1/schedules/{name}", "changing a schedule"),
    ("DELETE", "/api/v1/schedules/{name}", "removing a schedule"),
    ("GET", "/api/v1/schedules/{name}/history", "the history of a schedule"),
    ("POST", "/api/v1/schedules/{name}/trigger", "triggering a schedule"),
    ("POST", "/api/v1/schedules/{name}/ack", "acknowledging a schedule's findings"),
)

router = APIRouter(tags=["not built yet"], responses=documented(NOT_BUILT))


def _refuse(what: str) -> Callable[[], None]:
    def refuse() -> None:
        raise Refusal(NOT_BUILT, f"not built yet: {what}")

    return refuse


def _parameters(path: str) -> list[dict[str, Any]]:
    """The path's parameters for the OpenAPI document; nothing reads them."""
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


for _method, _path, _what in ROUTES:
    router.add_api_route(
        _path,
        _refuse(_what),
        methods=[_method],
        summary=f"Not built yet: {_what}",
        name="_".join(["not_built", _method.lower(), *re.findall(r"\w+", _path)]),
        status_code=501,
        openapi_extra={"parameters": _parameters(_path)},
    )
