"""A service as a user starts it: a process of its own, called over HTTP, looked at from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ablate.remote.client import Client
from ablate.remote.connection import Connection
from service.address import find_address

READY_S, END_S = 120.0, 60.0

GATED_TASK = '''
"""A task that waits for a gate: a file next to this one, named after the recipe."""
import os, threading, time
from pathlib import Path
import numpy as np
from pydantic import BaseModel, ConfigDict
from ablate.trials.items import Items
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome

class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True)
    offset: float = 0.0
    gate: str = ""
    fails: bool = False

class Gated:
    Recipe = Recipe
    metrics = {"error": True}

    def run(self, recipe, seed, workdir):
        here = Path(__file__).parent
        (here / "runs.txt").open("a").write(f"{recipe.offset:g} {seed} {os.getpid()} {time.time()}\\n")
        print("the task says hello")
        yield Heartbeat(step=0, steps=2)
        if recipe.fails:
            raise RuntimeError("as told")
        while recipe.gate and not (here / recipe.gate).exists():
            threading.Event().wait(0.02)
            yield Heartbeat(step=1, steps=2)
        yield EpochMetrics(step=2, steps=2, epoch=1.0, metrics={"error": 2.0 + recipe.offset})
        items = Items.pack("gated", np.arange(10), np.arange(10) % 5 > recipe.offset)
        yield Outcome(status="succeeded", metrics={"error": 1.0 + recipe.offset + 0.1 * seed}, train_s=0.1, items=items)

task = Gated()
'''


def install_task(folder: Path) -> Path:
    """Install the task `gated` as an operator does, into a folder for PYTHONPATH."""
    (folder / "gated-1.dist-info").mkdir(parents=True)
    (folder / "gated_task.py").write_text(GATED_TASK)
    (folder / "gated-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: gated\nVersion: 1\n")
    (folder / "gated-1.dist-info" / "entry_points.txt").write_text("[ablate.tasks]\ngated = gated_task:task\n")
    return folder


@dataclass
class Running:
    """A service that runs; `client` speaks plain JSON, as a script does."""

    process: subprocess.Popen[bytes]
    client: Connection
    home: Path
    site: Path
    log: Path

    def runs(self) -> list[tuple[str, int, int]]:
        """(offset, seed, pid) of every time that a gated trial began."""
        path = self.site / "runs.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], int(line.split()[1]), int(line.split()[2])) for line in lines]

    def open_gate(self, name: str) -> None:
        """Let the trials that wait for this gate go on."""
        (self.site / name).touch()

    def wait_for(self, study: dict[str, Any], *states: str) -> dict[str, Any]:
        """Follow a study's events until it is in one of these states."""
        until(lambda: self.client.get(f"/studies/{study['id']}")["state"] in states, f"{states}", self.log)
        found: dict[str, Any] = self.client.get(f"/studies/{study['id']}")
        return found

    def ablate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command against this service."""
        command = [sys.executable, "-m", "service.cli.main", *arguments]
        environment = os.environ | {"ABLATE_HOME": str(self.home), "PYTHONPATH": str(self.site)}
        return subprocess.run(command, capture_output=True, text=True, env=environment)


def until(condition: Callable[[], bool], what: str, log: Path | None = None, timeout_s: float = END_S) -> None:
    """Wait until something is so; an error that shows the service's log if it never is."""
    waited = threading.Event()
    for _ in range(int(timeout_s / 0.05)):
        if condition():
            return
        waited.wait(0.05)
    raise AssertionError(f"not within {timeout_s:g} s: {what}\n{log.read_text()[-3000:] if log else ''}")


@contextmanager
def serving(home: Path, site: Path, port: int = 0, role: str = "all", **environment: str) -> Iterator[Running]:
    """A service on a state directory; at the end it gets SIGTERM, ends with status 0, and leaves no process."""
    home.mkdir(exist_ok=True, parents=True)
    log = home / "service.log"
    variables = os.environ | {"ABLATE_HOME": str(home), "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", **environment}
    with log.open("ab") as file:
        command = [sys.executable, "-m", "service.cli.main", "serve", "--port", str(port), "--role", role]
        process = subprocess.Popen(command, env=variables, stderr=file)
    try:
        running = _ready(process, home, site, log)
        with running.client:
            yield running
        below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(END_S) == 0, log.read_text()[-3000:]
            _, left = psutil.wait_procs(below, timeout=10)
            assert left == []
    finally:
        process.kill()
        process.wait()


def _ready(process: subprocess.Popen[bytes], home: Path, site: Path, log: Path) -> Running:
    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()[-3000:]
        url = find_address(home)
        if url is None:
            return False
        with Client(url) as client:
            return client.ready()

    until(is_ready, "the service is ready", log, READY_S)
    return Running(process, Connection(find_address(home) or ""), home, site, log)
