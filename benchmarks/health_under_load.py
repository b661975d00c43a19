"""How long `/healthz` takes while 45 plans of 2,000 rows are worked out, and while another process locks the database.

The application and its server run in a process of their own, as under `ablate serve`; this process sends the plans,
or 45 submissions that cannot be written, and meanwhile a request for `/healthz` every 20 ms over a connection of its
own. The target is 100 ms.

Measured on two idle cores: idle p50 1.3 ms, p99 24 ms (n = 93); locked database p50 1.6 ms, p99 2.6 ms, max 53 ms
(n = 1,838). 45 plans, all of them made, three runs: p50 9 to 10 ms, p99 43 to 48 ms, max 98 to 161 ms (n = 693 to 731).
While Python itself chose when to collect garbage (`service.http.garbage`), p99 was 116 to 126 ms: one collection took
80 to 160 ms.

    python -m benchmarks.health_under_load
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import sqlite3
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2

from service.app import create_app
from service.context import open_context
from service.http.garbage import Garbage
from service.http.server import serve_until
from service.serve import LOOK_S
from service.settings import Settings

CLIENTS, ROWS = 45, 2_000
PAUSE_S = 0.02
BASE = {"dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "steps": 100}


def serve(home: Path, listener: socket.socket) -> None:
    """Run the application in this process until it is ended."""
    context = open_context(Settings(home=home, tracking_uri="off"))
    app = create_app(context)
    asyncio.run(serve_until(_collect(), app, listener))


async def _collect() -> None:
    garbage = Garbage()
    while True:
        await asyncio.sleep(LOOK_S)
        garbage.look()


def study(rows: int) -> dict[str, Any]:
    """A submission of so many rows."""
    made = [{"label": f"row {row}", "set": {"lr": 0.001 * (row + 1)}} for row in range(rows)]
    return {"study": {"name": "large", "seeds": 1, "base": BASE, "rows": made}}


def watch(url: str, stop: threading.Event) -> list[float]:
    """Milliseconds of `/healthz`, until told to stop."""
    found = []
    with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        while not stop.wait(PAUSE_S):
            began = time.perf_counter()
            client.get("/healthz").raise_for_status()
            found.append(1e3 * (time.perf_counter() - began))
    return found


def under(url: str, call: Callable[[httpx2.Client], int]) -> tuple[list[float], Counter[int]]:
    """`/healthz` while `CLIENTS` clients make a call each; and the statuses of their answers."""
    stop = threading.Event()
    with ThreadPoolExecutor(CLIENTS + 1) as pool, httpx2.Client(base_url=url, timeout=300, trust_env=False) as client:
        watching = pool.submit(watch, url, stop)
        statuses = Counter(pool.map(lambda _: call(client), range(CLIENTS)))
        stop.set()
        return watching.result(), statuses


def show(name: str, times_ms: list[float], statuses: Counter[int], seconds: float) -> None:
    """Print one line."""
    cuts = statistics.quantiles(times_ms, n=100)
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    print(
        f"{name:16} n = {len(times_ms):5}  p50 {cuts[49]:6.1f} ms  p99 {cuts[98]:6.1f} ms  max {max(times_ms):6.1f} ms"
        f"  ({answers} in {seconds:.0f} s)"
    )


def _wait(client: httpx2.Client) -> int:
    time.sleep(2)
    return client.get("/healthz").status_code


def measure(url: str, database: Path) -> None:
    """Both situations, and the idle service first."""
    plans, submission = study(ROWS), study(2)
    calls: dict[str, Callable[[httpx2.Client], int]] = {
        "idle": _wait,
        "45 plans": lambda client: client.post("/api/v1/studies/plan", json=plans).status_code,
        "locked database": lambda client: client.post("/api/v1/studies", json=submission).status_code,
    }
    for name, call in calls.items():
        lock = sqlite3.connect(database, isolation_level=None)
        if name == "locked database":
            lock.execute("BEGIN IMMEDIATE")
        began = time.perf_counter()
        found = under(url, call)
        show(name, *found, time.perf_counter() - began)
        lock.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        home = Path(folder)
        process = multiprocessing.get_context("fork").Process(target=serve, args=(home, listener), daemon=True)
        process.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx2.Client(base_url=url, timeout=300, trust_env=False) as client:
            client.post("/api/v1/studies/plan", json=study(2)).raise_for_status()  # starts the probe
        measure(url, home / "ablate.db")
        process.terminate()
        process.join()


if __name__ == "__main__":
    main()
