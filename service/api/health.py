"""Routes for monitoring: alive, ready, metrics. They have no prefix."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

from service import health
from service.api.parameters import InContext
from service.api.problems import UNAVAILABLE, documented, problem

router = APIRouter(tags=["operation"])

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Alive(BaseModel):
    """The process responds."""

    status: Literal["alive"]


class Readiness(BaseModel):
    """Whether the service can accept and run studies, and the state of each component."""

    ready: bool
    parts: dict[str, Any]


@router.get("/healthz", summary="Check for life")
async def is_alive() -> Alive:
    """200 while the process responds; nothing else is checked."""
    # in the event loop: it must not wait for a thread while requests are slow
    return Alive(status="alive")


@router.get("/readyz", responses=documented(UNAVAILABLE), response_model=Readiness, summary="Check for readiness")
def is_ready(context: InContext) -> Readiness | Response:
    """200 when the service can accept and run studies, else 503; both with the state of each component."""
    found = Readiness.model_validate(health.describe_health(context))
    if found.ready:
        return found
    return problem(
        UNAVAILABLE, "a component of the service is not ready; `parts` has the state of each", **found.model_dump()
    )


@router.get("/metrics", response_class=PlainTextResponse, summary="Get metrics for Prometheus")
def get_metrics(context: InContext) -> Response:
    """Counters and gauges in Prometheus' text format."""
    return Response(health.render_metrics(context), media_type=PROMETHEUS)
