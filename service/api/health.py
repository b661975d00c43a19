"""Routes for whoever watches the service: alive, ready, metrics. They have no prefix."""

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
    """The process answers."""

    status: Literal["alive"]


class Readiness(BaseModel):
    """Whether the service can accept and run, and the state of each part."""

    ready: bool
    parts: dict[str, Any]


@router.get("/healthz", summary="Alive")
async def is_alive() -> Alive:
    """200 as long as the process answers; it looks at nothing else."""
    # in the event loop itself: it must not wait for a thread behind slow requests
    return Alive(status="alive")


@router.get("/readyz", responses=documented(UNAVAILABLE), response_model=Readiness, summary="Ready")
def is_ready(context: InContext) -> Readiness | Response:
    """200 when the service can accept and run studies, else 503; both with the state of each part."""
    found = Readiness.model_validate(health.describe_health(context))
    if found.ready:
        return found
    return problem(UNAVAILABLE, "not every part of the service is ready; `parts` tells which", **found.model_dump())


@router.get("/metrics", response_class=PlainTextResponse, summary="Metrics for Prometheus")
def get_metrics(context: InContext) -> Response:
    """Counters and gauges in Prometheus' text format."""
    return Response(health.render_metrics(context), media_type=PROMETHEUS)
