"""`create_app` builds the web application. It starts no thread and no process, and opens no file or connection.

Importing this module does not import torch, ray, mlflow or matplotlib. `ablate serve` also runs the scheduler.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from service.api import (
    catalog,
    events,
    faults,
    health,
    ledger,
    paper,
    plots,
    results,
    schedules,
    studies,
    today,
    trials,
)
from service.api.events import OpenStreams
from service.api.guard import Frame, Gate
from service.api.lanes import Lanes, take_turn
from service.api.mlflow_proxy import Upstream, mlflow_routes
from service.api.openapi import DESCRIPTION, build_openapi
from service.api.parameters import refuse_unknown_parameters
from service.api.problems import (
    BAD_REQUEST,
    CROSS_ORIGIN,
    HANDLERS,
    HEAD_TOO_LARGE,
    INTERNAL,
    INVALID,
    TOO_LONG,
    UNAVAILABLE,
    UNKNOWN_HOST,
    documented,
)
from service.context import Context
from service.web import routes as web
from service.web.errors import readable

PREFIX = "/api/v1"
EVERYWHERE = documented(
    BAD_REQUEST, CROSS_ORIGIN, TOO_LONG, UNKNOWN_HOST, INVALID, HEAD_TOO_LARGE, INTERNAL, UNAVAILABLE
)
"""Problems that any route may return."""


def create_app(
    context: Context, *, mlflow: Upstream | None = None, is_stopping: Callable[[], bool] = lambda: False
) -> FastAPI:
    """The web application over an open context.

    Args:
        context: the caller closes it after the server has stopped.
        mlflow: MLflow's server, for the proxy at `/mlflow/`; None: no proxy.
        is_stopping: open event streams call it several times a second. It must become true as soon as the server
            is asked to stop (`lambda: server.should_exit`), because uvicorn waits for open responses.
    """
    settings = context.settings
    app = FastAPI(
        title="ablate",
        version=version("ablate"),
        summary="Ablation studies: from a study document to a result table for a paper",
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's pages load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,  # a redirect would use the Host header
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
        exception_handlers=readable(HANDLERS),
    )
    app.state.context = context
    app.state.streams = OpenStreams(is_stopping)
    app.state.lanes = Lanes()
    for part in (studies, trials, results, plots, events, paper, schedules, today, catalog, faults, ledger):
        _include(app, part.router, PREFIX)
    _include(app, health.router)
    for router in web.ROUTERS:
        _include(app, router)
    if mlflow is not None:
        app.router.routes += mlflow_routes(mlflow, max_body_bytes=settings.max_body_bytes)
    app.openapi = partial(build_openapi, app)  # type: ignore[method-assign]
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(Gate, hosts=frozenset(settings.allowed_hosts), max_body_bytes=settings.max_body_bytes)
    app.add_middleware(Frame)  # the last one added is the outermost
    return app


def _include(app: FastAPI, router: APIRouter, prefix: str = "") -> None:
    first = [Depends(refuse_unknown_parameters), Depends(take_turn, scope="function")]
    app.include_router(router, prefix=prefix, dependencies=first, responses=EVERYWHERE)
