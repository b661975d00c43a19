"""`create_app`: the composition root of the web side. It starts no thread and no process, and opens nothing.

Importing it imports neither torch nor ray nor mlflow nor matplotlib. `ablate serve` runs the scheduler around it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from service.api import catalog, events, health, paper, results, schedules, studies, today, trials
from service.api.events import OpenStreams
from service.api.guard import Frame, Gate
from service.api.mlflow_proxy import Upstream, mlflow_routes
from service.api.openapi import DESCRIPTION, build_openapi
from service.api.parameters import refuse_unknown_parameters
from service.api.problems import BAD_REQUEST, CROSS_ORIGIN, HANDLERS, INTERNAL, INVALID, UNKNOWN_HOST, documented
from service.context import Context
from service.web import routes as web
from service.web.errors import readable

PREFIX = "/api/v1"
EVERYWHERE = documented(BAD_REQUEST, CROSS_ORIGIN, UNKNOWN_HOST, INVALID, INTERNAL)
"""Problems that any route may answer."""


def create_app(
    context: Context, *, mlflow: Upstream | None = None, is_stopping: Callable[[], bool] = lambda: False
) -> FastAPI:
    """The web application over an open context.

    Args:
        context: closed by whoever opened it, after the server has stopped.
        mlflow: where MLflow's server is, for the proxy at `/mlflow/`; None: nothing is there.
        is_stopping: asked by open event streams several times a second. It has to turn true as soon as the server is
            told to stop (`lambda: server.should_exit`), since uvicorn waits for open responses.
    """
    settings = context.settings
    app = FastAPI(
        title="ablate",
        version=version("ablate"),
        summary="Ablation studies: a study in, a result table fit for a paper out",
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would be made of the Host header
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
        exception_handlers=readable(HANDLERS),
    )
    app.state.context = context
    app.state.streams = OpenStreams(is_stopping)
    for part in (studies, trials, results, events, paper, schedules, today, catalog):
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
    app.include_router(router, prefix=prefix, dependencies=[Depends(refuse_unknown_parameters)], responses=EVERYWHERE)
