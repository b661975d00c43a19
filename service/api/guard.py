"""ASGI middleware around the routes: `Frame` for every response, `Gate` for every request.

`Frame` is the outermost layer: it gives each request an id and each response its headers, and turns any unhandled
exception into a problem. `Gate` refuses what a browser on another site could send to a service on loopback: an unknown
host name (DNS rebinding), an unsafe method from another origin, and a body whose announced length is too large.
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
    INTERNAL,
    TOO_LARGE,
    UNKNOWN_HOST,
    Refusal,
    problem,
    request_id,
)

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

DRAIN_BYTES, DRAIN_S = 16 << 20, 3.0
"""How much of a body that is too large is read after the response, and for how long, before the connection may close.

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
        body, status = _Body(receive), 0

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _set_headers(MutableHeaders(scope=message), scope["path"])
            elif status == TOO_LARGE.status and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await body.drain()
                message = {"type": "http.response.body"}
            await send(message)

        try:
            await self.app(scope, body.receive, send_framed)
        except ClientDisconnect:
            return  # no client is left to answer
        except Exception:  # the one broad except of the web side: the user gets an id, the log gets the traceback
            logger.exception("request %s failed: %s %r", request_id.get(), scope["method"], scope["path"])
            if status:
                raise  # the server closes the connection, so that half a response cannot be taken for a whole one
            detail = "the service failed; search its log for the id of this request (`instance`)"
            await problem(INTERNAL, detail)(scope, receive, send_framed)


@dataclass(slots=True)
class _Body:
    """The body of a request as it arrives.

    Attributes:
        is_over: whether all of it was received, or the client has disconnected.
    """

    source: Receive
    is_over: bool = False

    async def receive(self) -> Message:
        message = await self.source()
        self.is_over = not message.get("more_body", False)
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
                check_host(headers, self.hosts)
                if scope["method"] not in SAFE:
                    check_origin(headers, scope["scheme"])
                check_length(headers, self.max_body_bytes)
            except Refusal as refusal:
                await refusal.answer()(scope, receive, send)
                return
        await self.app(scope, receive, send)


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
        # the body may not be read to its end, so the connection cannot serve another request
        limit = f"the body is larger than the limit of {max_body_bytes:,} bytes"
        text = f"{limit}; send a smaller one, or raise ABLATE_MAX_BODY_BYTES"
        raise Refusal(TOO_LARGE, text, {"Connection": "close"})
