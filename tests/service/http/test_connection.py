from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from service.http.connection import LINGER_BYTES, MAX_HEAD_BYTES, Connections, Limits
from service.http.server import Server
from tests.service.servers import Served, read_all, running

GET = b"GET / HTTP/1.1\r\nHost: here\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\n"
LARGE = 32 << 20

pytestmark = pytest.mark.timeout(60)


class App:
    """Answers with the size of the body; `/wait` never answers, `/large` sends much, `/early` does not read.

    Attributes:
        size: of the last body, as far as it has arrived.
    """

    size = 0
    loop: asyncio.AbstractEventLoop

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        if scope["type"] == "lifespan":
            raise RuntimeError("has none")
        self.size, more = 0, scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.size += len(message["body"])
            more = message["more_body"] or scope["path"] == "/wait"
        body = bytes(LARGE) if scope["path"] == "/large" else str(self.size).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Clock:
    """The time of a server's connections, which a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.app = App()
        self.connections = Connections(Limits(connections=8), clock=lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        """Let time pass, and let the server look at its connections, as it does each second."""
        self.now += seconds

        async def check() -> None:
            self.connections.check()

        asyncio.run_coroutine_threadsafe(check(), self.app.loop).result()

    def until(self, number: int) -> None:
        """Wait until so many connections are open."""
        self.pass_by(0)
        while len(self.connections.open) != number:
            self.pass_by(0)

    def until_busy(self, number: int) -> None:
        """Wait until the headers of so many requests, and of no other, have arrived."""
        self.pass_by(0)
        while self.connections.idle or len(self.connections.open) != number:
            self.pass_by(0)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def server(clock: Clock) -> Iterator[Served]:
    with running(Server(clock.app, clock.connections)) as served:
        assert served.send(GET + b"Connection: close\r\n\r\n").endswith(b"\r\n\r\n0")
        yield served


@pytest.fixture
def served(server: Served, clock: Clock, caplog: pytest.LogCaptureFixture) -> Iterator[Served]:
    """The server without connections; a test leaves none, and nothing in the log."""
    with caplog.at_level(logging.INFO):
        clock.until(0)
        yield server
        clock.until(0)
    assert caplog.get_records("call") == []


def head_of(size: int) -> bytes:
    """Request line and headers of exactly so many bytes, with the empty line at their end."""
    start = GET + b"Connection: close\r\nX-Long: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def read_until(connection: socket.socket, end: bytes) -> None:
    found = b""
    while not found.endswith(end):
        found += connection.recv(65536)


def send_until_closed(connection: socket.socket, part: bytes) -> int:
    """How many bytes could be sent."""
    sent = 0
    with suppress(ConnectionResetError, BrokenPipeError):
        while sent < 1 << 30:
            connection.sendall(part)
            sent += len(part)
    return sent


def test_a_head_of_the_largest_size_is_answered(served: Served) -> None:
    with served.connect(head_of(MAX_HEAD_BYTES)[:-1]) as connection:
        connection.sendall(b"\n")
        assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_a_larger_head_is_refused_before_its_end(served: Served) -> None:
    answer = served.send(head_of(MAX_HEAD_BYTES + 100)[: MAX_HEAD_BYTES + 1])
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"Connection: close" in answer
    assert b"65,536 bytes" in answer


def test_an_address_without_end_is_refused(served: Served) -> None:
    assert served.send(b"GET /" + b"x" * MAX_HEAD_BYTES).startswith(b"HTTP/1.1 414 ")


@pytest.mark.parametrize("part", [b"x" * 60_000, b"A: b\r\n" * 10_000, b"A: " + b"b" * 60_000 + b"\r\n"])
def test_what_is_sent_after_a_refusal_is_read_within_limits(served: Served, part: bytes) -> None:
    with served.connect(GET) as connection:
        assert send_until_closed(connection, part) < 20 * LINGER_BYTES  # the sockets' own buffers take some of it


def test_a_refused_client_that_stays_is_left(served: Served, clock: Clock) -> None:
    with served.connect(b"nonsense\r\n\r\n") as connection:
        assert connection.recv(12) == b"HTTP/1.1 400"
        clock.pass_by(2)
        read_all(connection)
        clock.until(0)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (GET + b"Host: there\r\n\r\n", 400),
        (GET + b"A : b\r\n\r\n", 400),
        (GET + b"\0: b\r\n\r\n", 400),
        ("GET /ä HTTP/1.1\r\nHost: here\r\n\r\n".encode(), 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nz\r\n", 400),
    ],
)
def test_what_is_not_http_is_refused(served: Served, request_: bytes, status: int) -> None:
    answer = served.send(request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_connection_without_a_request_is_closed(served: Served, clock: Clock) -> None:
    with served.connect() as connection:
        clock.until(1)
        clock.pass_by(14.9)
        clock.until(1)
        clock.pass_by(0.1)
        assert read_all(connection) == b""


def test_headers_have_fifteen_seconds_however_often_a_byte_arrives(served: Served, clock: Clock) -> None:
    with served.connect(GET) as connection:
        clock.until(1)
        for _ in range(14):
            clock.pass_by(1)
            connection.sendall(b"A: b\r\n")
        clock.until(1)
        clock.pass_by(1)
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")


def test_the_next_request_of_a_connection_has_its_own_time(served: Served, clock: Clock) -> None:
    with served.connect(GET + b"\r\n") as connection:
        read_until(connection, b"\r\n\r\n0")
        clock.pass_by(14)
        connection.sendall(b"GET /")
        clock.pass_by(14)
        clock.until(1)
        connection.sendall(GET[5:] + b"\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("seconds", [15.0, 14.9])
def test_a_body_may_pause_less_than_fifteen_seconds(served: Served, clock: Clock, seconds: float) -> None:
    with served.connect(POST + b"Connection: close\r\nContent-Length: 2\r\n\r\na") as connection:
        clock.until_busy(1)
        clock.pass_by(seconds)
        if seconds < 15:
            connection.sendall(b"b")
        assert read_all(connection).startswith(b"HTTP/1.1 408 " if seconds == 15 else b"HTTP/1.1 200 ")


def test_a_slow_but_steady_body_arrives(served: Served, clock: Clock) -> None:
    part = bytes(16 << 10)
    with served.connect(POST + b"Connection: close\r\nContent-Length: 1048576\r\n\r\n") as connection:
        clock.until_busy(1)
        for number in range(1, 65):
            connection.sendall(part)
            while clock.app.size < number * len(part):
                clock.pass_by(0)
            clock.pass_by(14)
        assert read_all(connection).endswith(b"1048576")


def test_a_byte_now_and_then_does_not_keep_a_connection(served: Served, clock: Clock) -> None:
    with served.connect(POST + b"Content-Length: 1048576\r\n\r\n") as connection:
        clock.until_busy(1)
        for number in range(1, 3):
            connection.sendall(b"x")
            while clock.app.size < number:
                clock.pass_by(0)
            clock.pass_by(10)
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")


def test_a_request_behind_another_has_its_time_too(served: Served, clock: Clock) -> None:
    with served.connect(GET + b"\r\n" + POST + b"Content-Length: 9\r\n\r\nx") as connection:
        read_until(connection, b"\r\n\r\n0")
        clock.until_busy(1)
        clock.pass_by(15)
        assert b"HTTP/1.1 408 " in read_all(connection)


def test_a_client_that_does_not_read_is_left(served: Served, clock: Clock) -> None:
    with served.connect(GET.replace(b" / ", b" /large ") + b"\r\n") as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        clock.pass_by(1)
        clock.pass_by(30)
        clock.until(0)
        assert len(read_all(connection)) < LARGE


def test_a_client_that_reads_gets_everything(served: Served, clock: Clock) -> None:
    with served.connect(GET.replace(b" / ", b" /large ") + b"Connection: close\r\n\r\n") as connection:
        size = 0
        while part := connection.recv(1 << 20):
            size += len(part)
            clock.pass_by(1)
    assert size > LARGE


@pytest.mark.parametrize("idle", [b"", GET, POST + b"Content-Length: 5\r\n"])
def test_the_oldest_idle_connection_makes_room(served: Served, clock: Clock, idle: bytes) -> None:
    others = [served.connect(idle) for _ in range(8)]
    clock.until(8)
    assert served.send(GET + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert read_all(others[0]) == b""
    clock.until(7)
    for other in others:
        other.close()


def test_connections_that_arrive_together_each_take_the_place_of_another(served: Served, clock: Clock) -> None:
    async def connect() -> list[socket.socket]:  # in the event loop, so that it accepts all of them in one step
        return [served.connect() for _ in range(24)]

    everyone = asyncio.run_coroutine_threadsafe(connect(), clock.app.loop).result()
    clock.until(8)
    assert [read_all(one) for one in everyone[:16]] == [b""] * 16
    for one in everyone:
        one.close()


def test_a_connection_is_refused_when_all_others_are_in_use(served: Served, clock: Clock) -> None:
    others = [served.connect(GET.replace(b" / ", b" /wait ") + b"\r\n") for _ in range(8)]
    clock.until_busy(8)
    answer = served.send(GET + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5" in answer
    for other in others:
        other.close()


def test_a_body_that_nobody_reads_is_not_read_to_its_end(served: Served) -> None:
    request = POST.replace(b" / ", b" /early ") + b"Transfer-Encoding: chunked\r\n\r\n"
    with served.connect(request) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert send_until_closed(connection, b"400\r\n" + b"x" * 1024 + b"\r\n") < LARGE


def test_a_body_of_tiny_chunks_is_refused(served: Served) -> None:
    request = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    with served.connect(request + b"1\r\nx\r\n" * 50_000) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")
    with served.connect(request.replace(b"Host", b"Connection: close\r\nHost")) as connection:
        connection.sendall(b"64\r\n" + bytes(100) + b"\r\n")
        connection.sendall((b"64\r\n" + bytes(100) + b"\r\n") * 9_999 + b"0\r\n\r\n")
        assert read_all(connection).endswith(b"1000000")


def test_requests_that_are_sent_together_are_all_answered(served: Served) -> None:
    answers = served.send((GET + b"\r\n") * 20 + GET + b"Connection: close\r\n\r\n")
    assert answers.count(b"HTTP/1.1 200") == 21


def test_an_upgrade_that_is_not_offered_is_ignored(served: Served) -> None:
    request = GET + b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert served.send(request).startswith(b"HTTP/1.1 200 ")
    websocket = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    assert served.send(GET + b"Connection: close, Upgrade\r\n" + websocket + b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_client_that_waits_for_permission_to_send_gets_it(served: Served) -> None:
    with served.connect(POST + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n") as connection:
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ab")
        assert read_all(connection).endswith(b"2")
