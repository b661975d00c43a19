from __future__ import annotations

import asyncio
import logging
import resource
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from service.errors import ServeError
from service.http import descriptors, server
from service.http.server import Server, listening, serve_until, url_of
from tests.service.servers import read_all, running


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/endless` sends without end, all else waits for the client to leave."""
    if scope["type"] == "lifespan":
        raise RuntimeError("has none")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    leaving = asyncio.create_task(_has_left(receive))
    while scope["path"] == "/endless" and not leaving.done():
        await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
        await asyncio.sleep(0)
    await leaving


async def _has_left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_the_server_ends_whatever_clients_do(
    request_: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "GRACE_S", 0.2)
    with running(Server(app)) as served:
        clients = [served.connect(request_) for _ in range(5)]
        while len(served.server.open.open) < 5:
            served.connect().close()
        began = time.monotonic()
        assert served.stop()
        assert time.monotonic() - began < 2
        for client in clients:
            client.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_it_serves_until_something_has_happened() -> None:
    async def use(listener: socket.socket) -> None:
        ended = asyncio.Event()
        serving = asyncio.create_task(serve_until(ended.wait(), app, listener))
        _, writer = await asyncio.open_connection(*listener.getsockname())
        ended.set()
        await serving
        writer.close()

    with listening("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
        asyncio.run(use(listener))


def test_a_port_in_use_is_refused() -> None:
    with (
        listening("127.0.0.1", 0) as taken,
        pytest.raises(ServeError, match="choose another with --port"),
        listening("127.0.0.1", taken.getsockname()[1]),
    ):
        pass


@pytest.fixture
def soft_limit() -> Iterator[Any]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda number: resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_of_open_files_is_raised_and_leaves_room(soft_limit: Any) -> None:
    soft_limit(1024)
    assert (descriptors.most_connections(), descriptors.most_waiting(), descriptors.most_streams()) == (512, 128, 256)
    descriptors.raise_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == min(hard, descriptors.MOST_FILES)
    assert descriptors.most_streams() <= descriptors.most_connections() / 2 <= soft / 4


def test_connections_are_accepted_again_after_descriptors_were_exhausted(
    soft_limit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with running(Server(app)) as served:
        first = served.connect(b"GET / HTTP/1.1\r\n\r\n")
        assert read_all(first).startswith(b"HTTP/1.1 400 ")
        second = socket.socket()
        soft_limit(second.fileno() + 1)
        second.connect(first.getpeername())
        while "out of system resource" not in caplog.text:
            pass
        soft_limit(1024)
        second.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_all(second).startswith(b"HTTP/1.1 400 ")
        first.close()
        second.close()
