"""A service that runs for one command: `ablate serve` in a child process, on a state directory of its own.

It ignores the settings of the caller's service, except the number of workers: no database, schedule or notice of that
service is touched.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ablate.remote.client import Client
from ablate.settings import PREFIX
from ablate.workers.child import Child
from ablate.workers.own_code import arguments_for
from service.address import find_address
from service.errors import SelftestError, ServeError
from service.settings import read_settings
from service.store.home import make_private

START = """
from ablate.workers.child import end_with_parent
end_with_parent()
from service.cli.main import main
main(["serve", "--port", "0"])
"""
START_S, END_S, LOOK_S = 120.0, 20.0, 0.1
LAST_LINES = 8


@contextmanager
def own_service(home: Path) -> Iterator[Client]:
    """A client of a service that runs while the block does: the inline dispatcher, SQLite, no mirror in MLflow.

    Args:
        home: its state directory; it is made here, and stays. The service's log is in it, `service.log`.

    Raises:
        ServeError: the state directory exists already.
        UnavailableError: it cannot be made.
        SelftestError: the service does not start.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise ServeError(f"{home} exists and is not an empty folder; give a new folder, so that no result is known yet")
    make_private(home)
    log = home / "service.log"
    with log.open("wb") as file:
        child = Child(arguments_for(START), _environment(home), stdout=file, stderr=file)
    try:
        with Client(_wait_until_ready(child, home, log)) as client:
            yield client
    finally:
        child.signal(signal.SIGTERM)
        child.wait(END_S)
        child.kill()


def _environment(home: Path) -> dict[str, str]:
    workers = read_settings().workers
    ours = {"HOME": str(home), "DISPATCHER": "inline", "TRACKING_URI": "off"} | (
        {"WORKERS": str(workers)} if workers else {}
    )
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return others | {f"{PREFIX}{name}": value for name, value in ours.items()}


def _wait_until_ready(child: Child, home: Path, log: Path) -> str:
    deadline = time.monotonic() + START_S
    while child.is_alive and time.monotonic() < deadline:
        if url := find_address(home):
            with Client(url) as client:
                if client.ready():
                    return url
        time.sleep(LOOK_S)
    last = "\n  ".join(log.read_text("utf-8", errors="replace").splitlines()[-LAST_LINES:])
    raise SelftestError(f"the service did not become ready; the end of its log:\n  {last}")
