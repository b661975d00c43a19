"""A study's progress on a terminal, from its events: bars for the study and its running trials, a line for each end.

Without a terminal there is a line for each trial that ends. Everything goes to stderr.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import TaskID

from ablate.cli.progress import build_bars
from ablate.remote.client import Client
from ablate.tables.words import duration_text
from service.documents.studies import FINAL


class Screen(Protocol):
    """What shows events."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""

    def show(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take in an event."""

    def say(self, text: str) -> None:
        """Print a line."""


def watch(client: Client, study_id: str, console: Console) -> str:
    """Show a study's progress until it is done. Returns the state in which it ended."""
    study = client.get(f"/studies/{study_id}")
    metric = client.get(f"/studies/{study_id}/table", format="json")["metric"]
    screen: Screen = (Bars if console.is_terminal else EventLines)(console, study, metric)
    state = str(study["state"])
    with screen:
        for event in client.events(study_id, screen.say):
            screen.show(event.kind, event.data)
            state = str(event.data.get("state", state)) if event.kind == "done" else state
    return state


class EventLines:
    """Progress without a terminal: one line for each trial that ends."""

    def __init__(self, console: Console, study: Mapping[str, Any], metric: str) -> None:
        self.console, self.study, self.metric = console, study, metric
        self.counts: Mapping[str, Any] = study["progress"]
        self.ended: set[tuple[str, int]] = set()

    def __enter__(self) -> Self:
        done = sum(self.counts[state] for state in FINAL)
        if done:
            self.say(f"{done} of {self.counts['trials']} cells are known")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take in an event."""
        if kind == "progress":
            self.counts = data
        elif kind == "trial" and data["state"] in FINAL:
            self.ended.add((data["row"], data["seed"]))
            self.say(f"[{len(self.ended)}] {data['row']}, seed {data['seed']}: {self._ending(data)}")
        elif kind == "trial" and data["state"] == "queued" and data["reason"]:
            self.say(f"{data['row']}, seed {data['seed']} is tried again: {data['reason']}")

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _ending(self, data: Mapping[str, Any]) -> str:
        value = data["metrics"].get(self.metric)
        if data["state"] != "succeeded":
            return f"{data['state']}: {data['reason']}"
        return f"{self.metric} {value:.2f}" if value is not None else "succeeded"


class Bars(EventLines):
    """Progress on a terminal."""

    def __init__(self, console: Console, study: Mapping[str, Any], metric: str) -> None:
        super().__init__(console, study, metric)
        self.bars = build_bars(console)
        self.all = self.bars.add_task("trials", total=self.counts["trials"], note="")
        self.running: dict[tuple[str, int], TaskID] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def show(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take in an event."""
        super().show(kind, data)
        if kind == "progress":
            done = sum(data[state] for state in FINAL)
            left = f"about {duration_text(data['eta_s'])} left" if data["eta_s"] else ""
            self.bars.update(self.all, completed=done, total=data["trials"], note=left)
        elif kind == "trial":
            self._show_trial((data["row"], data["seed"]), data)

    def _show_trial(self, place: tuple[str, int], data: Mapping[str, Any]) -> None:
        if data["state"] != "running":
            if place in self.running:
                self.bars.remove_task(self.running.pop(place))
            return
        if place not in self.running:
            self.running[place] = self.bars.add_task(f"{place[0]}, seed {place[1]}", total=None, note="starts")
        if data.get("steps"):
            note = ", ".join(f"{name} {value:.3g}" for name, value in data["metrics"].items())
            self.bars.update(self.running[place], total=data["steps"], completed=data["step"], note=note)
