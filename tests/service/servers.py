"""Any application behind the real server, in a thread, and what a client without a library sends to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from service.http.server import Server


@dataclass
class Served:
    """The application behind the real server, in a thread.

    Attributes:
        url: without a path.
        stop: tell it to stop, wait, and say how it ended: True if it did within 5 s.
    """

    url: str
    server: Server
    thread: threading.Thread
    hooks: tuple[Callable[[httpx2.Response], None], ...] = ()

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=20, event_hooks={"response": list(self.hooks)})

    def send(self, request: bytes) -> bytes:
        """Everything that is answered to some bytes, until the server closes the connection."""
        with self.connect(request) as connection:
            return read_all(connection)

    def connect(self, request: bytes = b"") -> socket.socket:
        """A connection of its own, over which the bytes were sent."""
        address = urlsplit(self.url)
        connection = socket.create_connection((address.hostname, address.port), timeout=20)
        connection.sendall(request)
        return connection

    def stop(self) -> bool:
        self.server.should_exit = True
        self.thread.join(5)
        return not self.thread.is_alive()


def read_all(connection: socket.socket) -> bytes:
    """What arrives until the connection is closed or reset."""
    found = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


@contextmanager
def running(server: Server, *hooks: Callable[[httpx2.Response], None]) -> Iterator[Served]:
    """Any application behind the real server."""
    listener = socket.create_server(("127.0.0.1", 0))  # a client that connects waits in its queue until it is up
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}", server, thread, hooks)
    yield served
    assert served.stop()
