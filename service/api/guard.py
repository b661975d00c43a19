"""ASGI middleware around the routes: `Frame` for every response, `Gate` for every request.

`Frame` is the outermost layer: it gives each request an id and each response its headers, and turns any unhandled
exception into a problem. `Gate` refuses requests whose address, headers or announced body are larger than the limits or
ambiguous, and what a browser on another site could send to a service on loopback: an unknown host name (DNS rebinding)
and an unsafe method from another origin.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import (
    BAD_REQUEST,
    CROSS_ORIGIN,
    HEAD_TOO_LARGE,
    INTERNAL,
    TOO_LARGE,
    TOO_LONG,
    UNKNOWN_HOST,
    Refusal,
    problem,
    request_id,
)
from service.http.connection import MAX_HEAD_BYTES

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
ANOTHER_SITE = "names another site; send the request from a page of this service, or without the header"
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")
FOREIGN = "/mlflow/"
"""MLflow's pages have their own policies and caching."""
KEPT = "/static/"
"""Files of the page, which set their own caching."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

MAX_ADDRESS, MAX_HEADERS = 32 << 10, 100

DRAIN_BYTES, DRAIN_S = 16 << 20, 3.0
"""How much of a body that nobody reads is discarded after the response, and for how long, before the connection closes.

A connection that is closed while the client still sends is reset, and the client may never see the reason.
"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Frame:
    """The outermost ASGI layer."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id.set(secrets.token_hex(8))
        body, status = _Body(receive, is_over=not _has_body(Headers(scope=scope))), 0

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                _set_headers(headers, scope["path"])
                if not body.is_over:  # it may be endless, so the connection cannot serve another request
                    headers["Connection"] = "close"
            elif not body.is_over and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await body.drain()
                message = {"type": "http.response.body"}
            await send(message)

        try:
            await self.app(scope, body.receive, send_framed)
        except ClientDisconnect:
            return  # no client is left to answer
        except Exception as error:  # the one broad except of the web side: the user gets an id, the log the traceback
            if body.is_gone and _is_broken_stream(error):
                logger.debug("request %s: the client left", request_id.get())
                return
            logger.exception("request %s failed: %s %r", request_id.get(), scope["method"], scope["path"])
            if status:
                return  # the server closes the connection, so that half a response cannot be taken for a whole one
            detail = "the service failed; search its log for the id of this request (`instance`)"
            await problem(INTERNAL, detail)(scope, receive, send_framed)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip("0") != ""


def _is_broken_stream(error: Exception) -> bool:
    """Whether all that failed is FastAPI's own queue between an event stream and a client that has left."""
    if isinstance(error, ExceptionGroup):
        return all(_is_broken_stream(inner) for inner in error.exceptions)
    return isinstance(error, anyio.BrokenResourceError | anyio.ClosedResourceError)


@dataclass(slots=True)
class _Body:
    """The body of a request as it arrives.

    Attributes:
        is_over: whether there is none, all of it was received, or the client has disconnected.
        is_gone: whether the client has disconnected.
    """

    source: Receive
    is_over: bool
    is_gone: bool = False

    async def receive(self) -> Message:
        message = await self.source()
        self.is_over = not message.get("more_body", False)
        self.is_gone = message["type"] == "http.disconnect"
        return message

    async def drain(self) -> None:
        """Discard what was not read, within bounds."""
        size = 0
        with anyio.move_on_after(DRAIN_S):
            while not self.is_over and size < DRAIN_BYTES:
                size += len((await self.receive()).get("body", b""))


def _set_headers(headers: MutableHeaders, path: str) -> None:
    headers["X-Request-Id"] = request_id.get()
    for name, value in HEADERS.items():
        headers[name] = value
    if not f"{path}/".startswith(FOREIGN):
        if not path.startswith(KEPT):
            headers["Cache-Control"] = "no-store"
        headers.setdefault("Content-Security-Policy", POLICY)  # a table or plot sets a stricter one


@dataclass(frozen=True, slots=True)
class Gate:
    """Refuses requests before any route sees them.

    Attributes:
        hosts: host names, in addition to loopback, that the service accepts; on any port.
        max_body_bytes: limit for a body that announces its length; Starlette's middleware after the gate counts others.
    """

    app: ASGIApp
    hosts: Collection[str]
    max_body_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or refuse it."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            try:
                check_head(scope, headers)
                check_host(headers, self.hosts)
                if scope["method"] not in SAFE:
                    check_origin(headers, scope["scheme"])
                elif _has_body(headers):
                    raise Refusal(BAD_REQUEST, f"a {scope['method']} request has no body; send it without one")
                check_length(headers, self.max_body_bytes)
            except Refusal as refusal:
                await refusal.answer()(scope, receive, send)
                return
        await self.app(scope, receive, send)


def check_head(scope: Scope, headers: Headers) -> None:
    """Refuse an address or headers above the limits (414, 431), and what could be understood in two ways (400).

    The server has a limit too, which protects the memory; it counts no headers, and only what arrives in pieces.
    """
    path, query = scope.get("raw_path") or b"/", scope["query_string"]
    if len(path) + len(query) > MAX_ADDRESS:
        raise Refusal(TOO_LONG, f"the address has more than {MAX_ADDRESS:,} bytes; ask for less in one request")
    if len(headers) > MAX_HEADERS:
        raise Refusal(HEAD_TOO_LARGE, f"the request has {len(headers):,} headers; send at most {MAX_HEADERS}")
    if len(path) + len(query) + sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEAD_BYTES:
        raise Refusal(HEAD_TOO_LARGE, f"the headers have more than {MAX_HEAD_BYTES:,} bytes in all; send shorter ones")
    if scope["http_version"] not in ("1.0", "1.1"):
        raise Refusal(BAD_REQUEST, "this version of HTTP is not supported; send the request with HTTP/1.1")
    if not path.startswith(b"/"):
        raise Refusal(BAD_REQUEST, "the address of the request should begin with '/'; send the path alone")
    if "transfer-encoding" in headers and "content-length" in headers:
        raise Refusal(BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other; send one of them")


def check_host(headers: Headers, hosts: Collection[str]) -> None:
    """Refuse a Host header that is missing, duplicated or malformed (400), or unknown (421)."""
    given = headers.getlist("host")
    match = HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
    if match is None:
        raise Refusal(
            BAD_REQUEST,
            "the Host header is missing, duplicated or malformed; send one with a host name and an optional port",
        )
    if match[1] not in LOOPBACK and match[1] not in hosts:
        raise Refusal(
            UNKNOWN_HOST, "unknown host name; use localhost or 127.0.0.1, or add the name to ABLATE_ALLOWED_HOSTS"
        )


def check_origin(headers: Headers, scheme: str) -> None:
    """Refuse (403) requests that a browser sends for a page of another origin. Programs send neither header."""
    origins = headers.getlist("origin")
    own = f"{scheme}://{headers['host']}".lower()
    if any(origin.lower() != own for origin in origins):
        raise Refusal(CROSS_ORIGIN, f"the Origin header {ANOTHER_SITE}")
    if any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site")):
        raise Refusal(CROSS_ORIGIN, f"the Sec-Fetch-Site header {ANOTHER_SITE}")


def check_length(headers: Headers, max_body_bytes: int) -> None:
    """Refuse (413) a body that announces more than `max_body_bytes`."""
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > max_body_bytes:  # Python parses no number of 5,000 digits
        limit = f"the body is larger than the limit of {max_body_bytes:,} bytes"
        raise Refusal(TOO_LARGE, f"{limit}; send a smaller one, or raise ABLATE_MAX_BODY_BYTES")
