"""What the HTTP parser with limits costs: requests a second of `/healthz` and of the list of studies, A B A B.

A is uvicorn with httptools, which has no limits; B is the service's own server: h11 with limits of size and time. Both
serve the same application in a process of their own; four clients of this process send one request after the other
over kept connections.

Measured on two cores with other active processes (load 9 to 13), four rounds of 1,000 requests, medians with lowest
and highest: `/healthz` httptools 1,189 (808, 1,720), h11 437 (391, 780); list of studies httptools 101 (75, 125),
h11 78 (54, 106). An idle machine is still to be measured. Without TCP_NODELAY, as before the change of parser,
httptools made 85 requests a second of `/healthz`, because each response waited 40 ms for an ACK.

    python -m benchmarks.http_parser
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn

from service.app import create_app
from service.context import open_context
from service.http.server import Server
from service.settings import Settings

CLIENTS = 4
PATHS = ("/healthz", "/api/v1/studies")
ROUNDS = 4


def serve(home: Path, name: str, listener: socket.socket) -> None:
    """Run the application in this process until it is ended."""
    app = create_app(open_context(Settings(home=home, tracking_uri="off")))
    if name == "h11 with limits":
        Server(app).run(sockets=[listener])
        return
    config = uvicorn.Config(
        app, http="httptools", loop="asyncio", ws="none", log_config=None, access_log=False, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listener])


def ask(port: int, path: str, number: int) -> None:
    """Send requests over one connection; a client that costs little."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nUser-Agent: benchmark\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        for _ in range(number):
            connection.sendall(request)
            assert answers.readline().startswith(b"HTTP/1.1 200")
            size = 0
            while (line := answers.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                size = int(value) if name.lower() == b"content-length" else size
            answers.read(size)


def rate(port: int, path: str, number: int) -> float:
    """Requests a second."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        began = time.perf_counter()
        list(pool.map(lambda _: ask(port, path, number // CLIENTS), range(CLIENTS)))
        return number / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000, help="of each round")
    arguments = parser.parse_args()
    found: dict[tuple[str, str], list[float]] = {}
    names = ("httptools", "h11 with limits")
    with tempfile.TemporaryDirectory() as folder:
        ports, processes = {}, []
        for name in names:
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else A waits 40 ms for each ACK
            options = {"args": (Path(folder) / name, name, listener), "daemon": True}
            processes.append(multiprocessing.get_context("fork").Process(target=serve, **options))  # type: ignore[arg-type]
            processes[-1].start()
            ports[name] = listener.getsockname()[1]
            ask(ports[name], "/healthz", 50)
        for _ in range(ROUNDS):
            for name in names:
                for path in PATHS:
                    found.setdefault((path, name), []).append(rate(ports[name], path, arguments.requests))
        for process in processes:
            process.terminate()
            process.join()
    for (path, name), rates in sorted(found.items()):
        shown = ", ".join(f"{one:.0f}" for one in rates)
        print(f"{path:16} {name:16} median {statistics.median(rates):6.0f} requests/s  ({shown})")


if __name__ == "__main__":
    main()
