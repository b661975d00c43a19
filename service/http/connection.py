"""One connection of a client: uvicorn's HTTP/1.1 connection (h11) with limits that uvicorn does not have.

h11 stops a request line and headers that exceed `MAX_HEAD_BYTES` before they fill the memory. Here a request that does
not arrive in time is ended, and so is a client that does not read its response. The server calls `Connections.check`
once a second. When all connections are in use, the one that has been idle longest makes room for a new one: idle is a
connection without a complete request, so that half-sent requests never keep others out.
"""

from __future__ import annotations

import logging
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD_BYTES = 64 << 10
READ_BYTES = 32 << 10
"""How much is parsed in one step of the event loop; asyncio's 256 KiB can have 40,000 chunks, which take a second."""
MAX_FRAMING_BYTES = 64 << 10
"""How much of a body may be sizes of chunks, extensions and trailers, above the size of the body itself."""
LINGER_BYTES, LINGER_S = 1 << 20, 2.0
"""How much is still read from a client that was refused, and for how long: a connection that is closed while the client
sends is reset, and the client may never see the reason."""

TEXTS = {
    400: "the request is not valid HTTP/1.1; see RFC 9112",
    408: "the request did not arrive in time; send it again, faster",
    413: "the body consists of too many small chunks; send larger ones, or a Content-Length",
    414: f"the address is too long; request line and headers may have {MAX_HEAD_BYTES:,} bytes in all",
    431: f"the headers are too long; request line and headers may have {MAX_HEAD_BYTES:,} bytes in all",
    501: "the transfer encoding is not supported; send the body with a Content-Length, or chunked",
    503: "too many connections are open; close some, or try again later",
}
RETRY_AFTER_S = 5

logger = logging.getLogger("uvicorn.error.requests")
logger.setLevel(logging.ERROR)  # uvicorn warns of every invalid request, and the log is not for clients


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of connections.

    Attributes:
        connections: most open connections.
        head_s: time for the request line and the headers, from the connection or from their first byte.
        silence_s: longest pause inside a body.
        bytes_per_s: slowest transfer, of bodies after the first `silence_s`, and of responses over each `unread_s`.
            A body of 1 MiB may take 17 minutes at this rate; a byte now and then does not keep a connection.
        unread_s: period in which a client must read some of a response that waits for it.
    """

    connections: int
    head_s: float = 15.0
    silence_s: float = 15.0
    bytes_per_s: int = 1024
    unread_s: float = 30.0


@dataclass(slots=True)
class Connections:
    """The open connections of a server.

    Attributes:
        clock: seconds that only grow.
        idle: those without a complete request, the one that has been idle longest first.
    """

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    open: set[Connection] = field(default_factory=set)
    idle: dict[Connection, None] = field(default_factory=dict)

    def check(self) -> None:
        """End the connections whose time is over."""
        now = self.clock()
        for connection in list(self.open):
            connection.check(now)

    def drop_oldest(self) -> None:
        """Close the connection that has been idle longest. It counts no more, though its end takes a moment."""
        oldest = next(iter(self.idle))
        del self.idle[oldest]
        self.open.discard(oldest)
        oldest.transport.abort()

    def abort(self) -> None:
        """End all connections, also those whose client does not read."""
        for connection in list(self.open):
            connection.transport.abort()


class Connection(H11Protocol):
    """uvicorn's connection, with `Limits`."""

    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger, self.access_log = logger, False
        self._all, self._limits = connections, connections.limits
        self._due: float | None = None
        self._is_refused = False
        self._timed: Any = None  # the request to which the next two belong
        self._began, self._received, self._framing = 0.0, 0, 0
        self._unread: tuple[float, int] | None = None

    def connection_made(self, transport: Any) -> None:
        """Close the connection that was idle longest if all places are taken."""
        super().connection_made(transport)
        # asyncio does this only for sockets with an explicit protocol; else a response waits 40 ms for an ACK
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.max_size = READ_BYTES
        self._due = self._all.clock() + self._limits.head_s
        is_full = len(self._all.open) >= self._limits.connections
        self._all.open.add(self)
        if is_full and self._all.idle:
            self._all.drop_oldest()
        elif is_full:
            self._refuse(503)
        self._all.idle[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._all.open.discard(self)
        self._all.idle.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and set the time at which the rest of the request is due."""
        if self._is_refused:
            self._received += len(data)
            if self._received > LINGER_BYTES:
                self.transport.abort()
        elif not self.transport.is_closing():
            cycle, before = self.cycle, len(self.cycle.body) if self.cycle else 0
            super().data_received(data)
            if self.cycle is cycle and cycle is not None:
                self._framing += len(data) - 2 * (len(cycle.body) - before)
            self._expect_rest(len(data))

    def on_response_complete(self) -> None:
        """Wait for the next request, unless the body of this one is still arriving."""
        answered, self._due = self.cycle, None
        super().on_response_complete()  # begins the next request if the client has sent it already
        if self.cycle is not answered:
            self._expect_rest(0)
        elif self.conn.their_state is h11.SEND_BODY:
            self.transport.close()
        else:
            self._all.idle[self] = None

    def _expect_rest(self, size: int) -> None:
        """Set the time at which the rest of the request is due; `size` bytes of it have just arrived."""
        if self._is_refused:
            return
        now = self._all.clock()
        if self.cycle is not self._timed:
            self._timed, self._began, self._received, self._framing = self.cycle, now, 0, 0
            self._all.idle.pop(self, None)
        if self.conn.their_state is h11.IDLE:
            self._due = self._due or now + self._limits.head_s
        elif self.conn.their_state is h11.SEND_BODY:
            self._received += size
            if self._framing > MAX_FRAMING_BYTES:
                self._refuse(413)
                return
            slowest_s = self._received / self._limits.bytes_per_s
            self._due = self._limits.silence_s + min(now, self._began + slowest_s)
        else:
            self._due = None

    def check(self, now: float) -> None:
        """End the connection if its time is over."""
        if self._due is not None and now >= self._due and not self.transport.is_closing():
            if self._is_refused:
                self.transport.abort()
            elif self.flow.read_paused:  # this side does not read, because the application is busy
                self._due = now + self._limits.silence_s
            elif self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
                self.transport.close()
            else:
                self._refuse(408)
        self._check_reader(now)

    def _check_reader(self, now: float) -> None:
        waiting = self.transport.get_write_buffer_size()
        if not waiting:
            self._unread = None
        elif self._unread is None:
            self._unread = (now, waiting)
        elif now - self._unread[0] >= self._limits.unread_s:
            if waiting > self._unread[1] - self._limits.bytes_per_s * self._limits.unread_s:
                self.transport.abort()
            self._unread = (now, waiting)

    def resume_writing(self) -> None:
        """The client has read most of what waited."""
        self._unread = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that h11 cannot parse."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status == 431 and b"\n" not in self.conn.trailing_data[0]:
            status = 414
        self._refuse(status)

    def _refuse(self, status: int) -> None:
        """Answer in plain text, and close the connection once the client has seen it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the application sends nothing more
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # half a response cannot become another one
            self.transport.abort()
            return
        self._is_refused, self._received, self._due = True, 0, self._all.clock() + LINGER_S
        text = TEXTS[status].encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        headers += [("X-Content-Type-Options", "nosniff"), ("Connection", "close")]
        if status == 503:
            headers.append(("Retry-After", str(RETRY_AFTER_S)))
        answer = h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase)
        for event in (answer, h11.Data(data=text), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.write_eof()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade that is not offered is ignored (RFC 9110, 7.8); the log is not for that."""
