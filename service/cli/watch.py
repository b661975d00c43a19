"""The progress of a study on a terminal, from its events: bars for the study and its running trials, a line per result.

Without a terminal it prints a line for each trial that ends, and each minute one for those that run. Everything goes to
stderr.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.progress import TaskID

from ablate.cli.terminal import Terminal
from ablate.local.progress import MINUTE_S, running_line
from ablate.remote.documents.events import DoneEvent, EventData, FaultEvent, ProgressEvent, TrialEvent
from ablate.remote.errors import RefusedError
from ablate.tables.words import duration_text

if TYPE_CHECKING:
    from ablate.remote.client import Client
    from ablate.remote.documents.studies import StudyView

ENDED = ("succeeded", "diverged", "failed", "cancelled")
"""States in which a trial has ended."""


class Screen(Protocol):
    """Something that shows events."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def show(self, data: EventData) -> None:
        """Show an event."""

    def say(self, text: str) -> None:
        """Print a line."""


def watch(client: Client, study_id: str, console: Terminal) -> str:
    """Show the progress of a study until it has ended. Returns the state in which it ended."""
    study = client.study(study_id)
    try:
        metric = client.table(study_id).metric
    except RefusedError:  # it cannot be made; the study's reason says why
        metric = ""
    screen: Screen = (Bars if console.has_bars else EventLines)(console, study, metric)
    state: str = study.state
    with screen:
        for event in client.events(study_id, screen.say):
            screen.show(event.data)
            state = event.data.state if isinstance(event.data, DoneEvent) else state
    return state


class EventLines:
    """Progress without a terminal: one line for each trial that ends, and each minute one for those that run."""

    def __init__(
        self, console: Terminal, study: StudyView, metric: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console, self.progress, self.metric, self._clock = console, study.progress, metric, clock
        self.ended: set[tuple[str, int]] = set()
        self._at: dict[tuple[str, int], tuple[int, int]] = {}
        self._paused: str | None = None
        self._counts, self._left, self._printed_s = f"{study.progress.ended}/{study.progress.trials}", "", clock()

    def __enter__(self) -> Self:
        if self.progress.ended:
            self.say(f"{self.progress.ended} of {self.progress.trials} cells are known")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, data: EventData) -> None:
        """Show an event."""
        if isinstance(data, FaultEvent):
            then = f"`ablate retry {data.number}` tries it again" if data.stuck else "it is tried again"
            self.say(f"{data.work} ended with an internal error of the service, {data.number}; {then}")
        if isinstance(data, ProgressEvent):
            self._counts = f"{data.ended}/{data.trials}"
            self._left = f"about {duration_text(data.eta_s)} left" if data.eta_s else ""
            paused = data.reason if data.state == "paused" else None
            if paused and paused != self._paused:
                self.say(f"paused: {paused}")
            self._paused = paused
        if not isinstance(data, TrialEvent):
            return
        self._at.pop((data.row, data.seed), None)
        if data.state == "running":
            self._at[data.row, data.seed] = data.step or 0, data.steps or 0
            self.show_running(data)
        elif data.state in ENDED:
            self.ended.add((data.row, data.seed))
            self.say(f"[{len(self.ended)}] {data.row}, seed {data.seed}: {self._ending(data)}")
        elif data.state == "queued" and data.reason:
            self.say(f"{data.row}, seed {data.seed} is queued again: {data.reason}")

    def show_running(self, data: TrialEvent) -> None:
        """Show where the running trials are."""
        del data
        if self._clock() - self._printed_s >= MINUTE_S:
            self._printed_s = self._clock()
            running = [(f"{row}, seed {seed}", *at) for (row, seed), at in self._at.items()]
            self.say(running_line(self._counts, running, self._left))

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.say(text)

    def _ending(self, data: TrialEvent) -> str:
        value = data.metrics.get(self.metric)
        if data.state != "succeeded":
            return f"{data.state}: {data.reason}"
        return f"{self.metric} {value:.2f}" if value is not None else "succeeded"


class Bars(EventLines):
    """Progress on a terminal."""

    def __init__(self, console: Terminal, study: StudyView, metric: str) -> None:
        super().__init__(console, study, metric)
        self.bars = console.build_bars()
        self.all = self.bars.add_task("trials", total=study.progress.trials, note="")
        self.running: dict[tuple[str, int], TaskID] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def show(self, data: EventData) -> None:
        """Show an event."""
        super().show(data)
        if isinstance(data, ProgressEvent):
            self.bars.update(self.all, completed=data.ended, total=data.trials, note=self._left)
        elif isinstance(data, TrialEvent) and data.state != "running" and (data.row, data.seed) in self.running:
            self.bars.remove_task(self.running.pop((data.row, data.seed)))

    def show_running(self, data: TrialEvent) -> None:
        """Show where a running trial is, by its bar."""
        place = data.row, data.seed
        if place not in self.running:
            self.running[place] = self.bars.add_task(f"{data.row}, seed {data.seed}", total=None, note="starts")
        if data.steps:
            note = ", ".join(f"{name} {value:.3g}" for name, value in data.metrics.items())
            self.bars.update(self.running[place], total=data.steps, completed=data.step, note=note)
