"""A task that does what a test sets, and a dispatcher called as the scheduler calls it: from one other thread."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from ablate.study.resources import Resources
from ablate.trials.trial import Outcome, Trial, trial_key
from service.dispatch.interface import Report, Ticket, TrialMessage, is_last

PLAY_TASK = '''
"""A task whose end its recipe names. What waits looks for a file, so that a test decides when."""
import errno, json, os, subprocess, sys, time
import numpy as np
from pydantic import BaseModel, ConfigDict
from ablate.trials import messages
from ablate.trials.items import Items
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome

class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True)
    ending: str = "succeeded"
    steps: int = 1
    gate: str = ""
    number: int = 0
    message: str = ""

class Play:
    Recipe = Recipe
    metrics = {"error": True}

    def run(self, recipe, seed, workdir):
        print("the play begins")
        print("a remark", file=sys.stderr)
        print("attempt", os.environ["ABLATE_ATTEMPT"], "of", os.environ["ABLATE_KEY"])
        (workdir / "pid").write_text(str(os.getpid()))
        if recipe.message:
            print("in bold: \x1b[1m")
            raise RuntimeError(recipe.message)
        if recipe.ending == "raises":
            raise FileNotFoundError("no file /srv/machine/data.bin here")
        if recipe.ending == "dies":
            print("last", end=" ")
            os.write(2, b"words")
            os._exit(7)
        if recipe.ending == "killed":
            os.kill(os.getpid(), 9)
        if recipe.ending == "full":
            raise OSError(errno.ENOSPC, "No space left on device", str(workdir / "x"))
        if recipe.ending == "wrapped":
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            except OSError as error:
                raise RuntimeError("the checkpoint was not written") from error
        if recipe.ending == "huge step":
            yield Heartbeat(step=10**30, steps=1)
        if recipe.ending == "unchecked":
            yield Heartbeat.model_construct(step="many", steps=1, metrics={})
        if recipe.ending == "long name":
            yield Heartbeat(step=1, steps=1, metrics={"x" * 1_000_000: 1.0})
        if recipe.ending == "back":
            for step in (5, 3):
                yield EpochMetrics(step=step, steps=5, epoch=1.0, metrics={})
        if recipe.ending == "talks":
            yield Outcome(status="failed", reason="x" * 10_000_000)
        if recipe.ending.startswith("forges"):
            messages.Envelope.model_dump_json = lambda self: (
                "garbage" if "garbage" in recipe.ending else '{"message":{"kind":"heartbeat","step":-1,"steps":1}}'
            )
        for step in range(1, recipe.steps + 1):
            yield EpochMetrics(step=step, steps=recipe.steps, epoch=float(step), metrics={"error": 1 / step})
        if recipe.ending == "silent":
            return
        if recipe.ending in ("parent", "abandons"):
            (workdir / "child").write_text(str(subprocess.Popen(["sleep", "600"]).pid))
        if recipe.ending == "abandons":
            os._exit(7)
        if recipe.ending in ("spins", "parent"):
            (workdir / "spinning").touch()
            while True:
                pass
        while recipe.gate and not os.path.exists(recipe.gate):
            yield Heartbeat(step=1, steps=2)
            time.sleep(0.01)
        if recipe.ending == "tells":
            (workdir / "environ.json").write_text(json.dumps(dict(os.environ)))
            (workdir / "folders.json").write_text(json.dumps({"here": os.getcwd(), "path": sys.path}))
            yield Outcome(status="diverged", reason="as told")
        elif recipe.ending == "diverged":
            yield Outcome(status="diverged", reason="as told")
        else:
            items = Items.pack("play", np.arange(9), np.arange(9) % 2 == 0)
            yield Outcome(status="succeeded", metrics={"error": 0.5}, train_s=0.1, items=items)

task = Play()
'''


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which the task `play` is installed; workers find it through PYTHONPATH or through our path."""
    site = tmp_path_factory.mktemp("site")
    (site / "play-1.dist-info").mkdir()
    (site / "play_task.py").write_text(PLAY_TASK)
    (site / "play-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: play\nVersion: 1\n")
    (site / "play-1.dist-info" / "entry_points.txt").write_text("[ablate.tasks]\nplay = play_task:task\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        patch.syspath_prepend(str(site))
        yield site


class Stage:
    """A dispatcher behind a thread, and the tickets given to it."""

    def __init__(self, dispatcher: Any, folder: Path) -> None:
        self.dispatcher = dispatcher
        self.folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scheduler")
        self._number = 0
        self.running: dict[str, Ticket] = {}

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._thread.submit(function, *args).result(timeout=60)

    def ticket(self, ending: str = "succeeded", resources: Resources | None = None, **recipe: Any) -> Ticket:
        self._number += 1
        recipe = {"ending": ending, "number": self._number, **recipe}
        key = trial_key("play", recipe | {"folder": str(self.folder)}, 0)
        trial = Trial(key=key, task="play", recipe=recipe, seed=0)
        return Ticket(trial, 1, resources or Resources(), self.folder / key[:16])

    def submit(self, *args: Any, **recipe: Any) -> Ticket:
        ticket = self.ticket(*args, **recipe)
        self.give(ticket)
        return ticket

    def give(self, ticket: Ticket) -> None:
        self.running[ticket.trial.key] = ticket
        self.call(self.dispatcher.submit, ticket)

    def stop(self, ticket: Ticket) -> None:
        self.call(self.dispatcher.stop, ticket)

    def room(self, **resources: Any) -> int:
        return int(self.call(self.dispatcher.room, Resources(**resources)))

    def poll(self, timeout_s: float = 0.1) -> list[Report]:
        reports = list(self.call(self.dispatcher.poll, timeout_s))
        for report in filter(is_last, reports):
            assert self.running.pop(report.ticket.trial.key, None), "a trial ended twice"
        return reports

    def empty(self) -> None:
        """Stop what a test has left running."""
        left = list(self.running.values())
        for ticket in left:
            self.stop(ticket)
        self.hear(*left)

    def hear(self, *tickets: Ticket, within_s: float = 30.0) -> dict[str, list[Report]]:
        """The reports on trials, by key, until each of them has ended."""
        said: dict[str, list[Report]] = {ticket.trial.key: [] for ticket in tickets}
        deadline = time.monotonic() + within_s
        while not all(reports and is_last(reports[-1]) for reports in said.values()):
            assert time.monotonic() < deadline, f"not ended within {within_s} s: {said}"
            for report in self.poll():
                if report.ticket.trial.key in said:
                    said[report.ticket.trial.key].append(report)
        return said

    def end_of(self, ticket: Ticket, within_s: float = 30.0) -> Report:
        return self.hear(ticket, within_s=within_s)[ticket.trial.key][-1]

    def hear_first(self, *tickets: Ticket) -> None:
        """Wait until each trial has sent a message."""
        silent = {ticket.trial.key for ticket in tickets}
        deadline = time.monotonic() + 30
        while silent:
            assert time.monotonic() < deadline
            silent -= {report.ticket.trial.key for report in self.poll()}

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < deadline
            self.poll()

    def close(self) -> None:
        self.call(self.dispatcher.close)
        self._thread.shutdown()

    @staticmethod
    def outcome(report: Report) -> Outcome:
        assert isinstance(report, TrialMessage), report
        assert isinstance(report.message, Outcome)
        return report.message


@pytest.fixture(scope="session")
def open_stage() -> Callable[[Any, Path], Stage]:
    """Makes a stage, with a dispatcher that was not started."""
    return Stage


@pytest.fixture(scope="session")
def children() -> Callable[[], set[psutil.Process]]:
    """Lists the processes below this one that live, save the one that the standard library keeps for spawning."""

    def find() -> set[psutil.Process]:
        found = psutil.Process().children(recursive=True)
        living = {process for process in found if process.status() != psutil.STATUS_ZOMBIE}
        return {process for process in living if "resource_tracker" not in " ".join(process.cmdline())}

    return find
