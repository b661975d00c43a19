"""The listener, and uvicorn with connections that have limits. It ends within `GRACE_S` plus a second."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from service.errors import ServeError
from service.http.connection import MAX_HEAD_BYTES, Connection, Connections, Limits
from service.http.descriptors import most_connections, most_waiting

KEEP_S = 5
"""How long a connection waits for the next request."""
GRACE_S = 5
"""How long responses that were begun may take when the server ends; then their connections are closed."""
SWITCH_S = 0.001
"""How long a thread that computes may keep the event loop waiting; Python's default is 5 ms for each step."""


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would end the process before the other components have ended."""

    def __init__(self, app: Any, connections: Connections | None = None) -> None:
        self.open = connections or Connections(Limits(most_connections()))
        config = uvicorn.Config(
            app,
            http=partial(Connection, self.open),  # type: ignore[arg-type]
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            loop="asyncio",
            backlog=most_waiting(),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_S,
            timeout_graceful_shutdown=GRACE_S + 1,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle no signals."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """uvicorn calls this ten times a second."""
        if counter % 10 == 0:
            self.open.check()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let responses end, and close what is left after `GRACE_S`."""
        end = asyncio.get_running_loop().call_later(GRACE_S, self.open.abort)
        await super().shutdown(sockets)
        end.cancel()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens; port 0 takes a free one.

    Raises:
        ServeError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ServeError(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
        listener.listen(most_waiting())
        yield listener


def url_of(listener: socket.socket) -> str:
    """The address of a listener."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve_until(ended: Awaitable[object], app: Any, listener: socket.socket) -> None:
    """Answer requests until `ended`."""
    sys.setswitchinterval(SWITCH_S)
    server = Server(app)
    serving, waiting = asyncio.create_task(server.serve(sockets=[listener])), asyncio.ensure_future(ended)
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    server.should_exit = True
    await serving
