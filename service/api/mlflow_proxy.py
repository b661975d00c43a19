"""MLflow's UI at `/mlflow/`, read-only: calls that it needs for browsing pass, all others are refused.

MLflow requires no key, and deletes for any caller. So this proxy has an allow-list: a call passes if its path, as it
was sent and without any escape, is listed for its method. The application has checked Host, Origin and key before, and
forwards none of them. The page's Content-Security-Policy does not apply here: MLflow's scripts need more.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import parse_qsl, quote, unquote

import httpx2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from service.api.problems import (
    BAD_REQUEST,
    FORBIDDEN,
    NOT_FOUND,
    NOT_JSON,
    TOO_LARGE,
    UNAVAILABLE,
    Refusal,
)
from service.tracking.ui import PREFIX

MAX_BODY_BYTES = 1 << 20
MAX_QUERY = 32_000

_API = rf"{PREFIX}/(?:ajax-)?api"
READ = re.compile(
    rf"{PREFIX}/(?:version|health|get-artifact|static-files/[\w./-]+)?"
    rf"|{_API}/2\.0/mlflow/(?:experiments/(?:get|get-by-name|search)|runs/get|artifacts/list"
    r"|metrics/get-history(?:-bulk(?:-interval)?)?|(?:registered-models|model-versions)/search)"
    rf"|{_API}/3\.0/mlflow/(?:server-info|ui-telemetry)",
    re.ASCII,
)
"""Paths of GET and HEAD: the pages, their files, runs, charts and artifacts."""
GRAPHQL = f"{PREFIX}/graphql"
SEARCH = re.compile(
    rf"{GRAPHQL}"
    rf"|{_API}/2\.0/mlflow/(?:experiments/search|experiments/search-datasets|runs/search|logged-models/search)"
    rf"|{_API}/3\.0/mlflow/(?:datasets/search|traces/search|traces/metrics)"
)
"""Paths of POST. All of them only read. Datasets and traces are empty, but MLflow's pages fail without them."""

_TO_MLFLOW = (b"accept", b"accept-language", b"if-none-match", b"if-modified-since", b"range")
_FROM_MLFLOW = (
    *("content-type", "content-length", "content-encoding", "content-disposition", "content-range", "accept-ranges"),
    *("cache-control", "etag", "expires", "last-modified", "vary", "x-content-type-options", "x-frame-options"),
)


logger = logging.getLogger(__name__)


class Upstream(Protocol):
    """MLflow's server: `service.tracking.ui.MlflowServer`, or `NoServer`."""

    @property
    def state(self) -> str:
        """`ready`: it responds at `url`; `absent`: the service runs none; any other: not available now."""

    @property
    def url(self) -> str | None:
        """Address without a path; where the state is `absent`, the address to show to users."""


def mlflow_routes(upstream: Upstream, *, max_body_bytes: int = MAX_BODY_BYTES) -> list[BaseRoute]:
    """Routes for the application: `/mlflow` redirects to `/mlflow/`, where the proxy is."""
    return [Route(PREFIX, _lead_to_ui), Mount(PREFIX, MlflowProxy(upstream, max_body_bytes))]


async def _lead_to_ui(_: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/")


class MlflowProxy:
    """ASGI application for `/mlflow/`; it needs no startup and no shutdown, because it keeps no connection open."""

    def __init__(self, upstream: Upstream, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._upstream = upstream
        self._max_body_bytes = max_body_bytes
        self._client = httpx2.AsyncClient(
            verify=False,  # plain HTTP on loopback
            trust_env=False,
            timeout=httpx2.Timeout(60.0, connect=2.0),
            limits=httpx2.Limits(max_connections=100, max_keepalive_connections=0),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        try:
            response = await self._answer(Request(scope, receive))
        except Refusal as refusal:
            response = refusal.answer()
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path, query = sent_path(request.scope), request.scope["query_string"].decode("latin-1")
        check_allowed(request.method, path, query)
        address = httpx2.URL(self._address()).copy_with(raw_path=f"{path}?{query}".encode())
        content = await self._content(request, path)
        sent = self._client.build_request(request.method, address, headers=_headers(request), content=content)
        try:
            return _Relayed(await self._client.send(sent, stream=True))
        except httpx2.TransportError as error:
            raise _not_now("MLflow's server did not respond") from error

    def _address(self) -> str:
        if self._upstream.state == "absent":
            where = self._upstream.url
            text = f"this service does not show MLflow; open {where}" if where else "this service does not show MLflow"
            raise Refusal(NOT_FOUND, f"{text} (set by ABLATE_TRACKING_URI)")
        if self._upstream.state != "ready" or self._upstream.url is None:
            raise _not_now(f"MLflow's server is not ready (state: {self._upstream.state})")
        return self._upstream.url

    async def _content(self, request: Request, path: str) -> AsyncIterator[bytes] | bytes | None:
        if request.method != "POST":
            return None
        body = self._limited(request)
        return await _read_query(body) if path == GRAPHQL else body

    async def _limited(self, request: Request) -> AsyncIterator[bytes]:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > self._max_body_bytes:
                raise Refusal(
                    TOO_LARGE,
                    f"the body is larger than the limit of {self._max_body_bytes:,} bytes; send a smaller one",
                )
            yield part


class _Relayed(StreamingResponse):
    """MLflow's response, chunk by chunk."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__(answer.aiter_raw(), answer.status_code)
        sent = ((name.lower(), value) for name, value in answer.headers.raw)
        self.raw_headers = [(name, value) for name, value in sent if value and name.decode("latin-1") in _FROM_MLFLOW]
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except httpx2.TransportError as error:  # the server closes the connection, because the response is not complete
            logger.warning("MLflow's server did not finish a response: %r", error)
        finally:
            await self._answer.aclose()


def _headers(request: Request) -> list[tuple[bytes, bytes]]:
    """What is forwarded, byte by byte: no encoding is guessed."""
    names = (*_TO_MLFLOW, b"content-type", b"content-length") if request.method == "POST" else _TO_MLFLOW
    return [(name, value) for name, value in request.headers.raw if name in names] + [(b"accept-encoding", b"identity")]


def sent_path(scope: Scope) -> str:
    """The path as it was sent, with escapes and double slashes."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.partition(b"?")[0].decode("ascii", "replace")


def check_allowed(method: str, path: str, query: str) -> None:
    """Refuse every call that is not listed. Paths with an escape, a backslash, `//` or a dot segment are never listed.

    Raises:
        Refusal: 403; 400 for a query that is not ASCII or too long.
    """
    listed = READ if method in ("GET", "HEAD") else SEARCH if method == "POST" else None
    if listed is None or not listed.fullmatch(path) or re.search(r"//|/\.\.?(?:/|$)", path):
        raise Refusal(
            FORBIDDEN, "MLflow is read-only here, and its pages do not need this call; use MLflow's own server to write"
        )
    if not query.isascii() or len(query) > MAX_QUERY:
        raise Refusal(BAD_REQUEST, f"the query is not ASCII or is longer than {MAX_QUERY:,} characters; shorten it")
    if any(".." in re.split(r"[/\\]", _unescaped(value)) for _, value in parse_qsl(query, keep_blank_values=True)):
        raise Refusal(FORBIDDEN, "a parameter names a folder above ('..'); name a path below the run's artifacts")


def _unescaped(text: str) -> str:
    for _ in range(8):
        text, before = unquote(text), text
        if text == before:
            break
    return text


async def _read_query(body: AsyncIterator[bytes]) -> bytes:
    """The body of a GraphQL request that only reads."""
    text = b"".join([part async for part in body])
    try:
        query = json.loads(text)["query"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refusal(
            NOT_JSON, "the body is not a GraphQL request; send a JSON object with a string 'query'"
        ) from error
    if not isinstance(query, str) or re.search(r"\b(?:mutation|subscription)\b", query):
        raise Refusal(FORBIDDEN, "MLflow is read-only here; send a GraphQL query, not a mutation or subscription")
    return text


def _not_now(detail: str) -> Refusal:
    return Refusal(UNAVAILABLE, f"{detail}; try again in a moment")
