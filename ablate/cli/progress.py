"""Progress on a terminal, as bars on stderr; elsewhere `ablate.local.progress` prints lines."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Self

from rich.progress import TaskID

from ablate.cli.terminal import Terminal
from ablate.local.progress import MINUTE_S, Lines
from ablate.study.plan import Plan
from ablate.tables.words import duration_text
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial


def show_warnings(console: Terminal, plan: Plan) -> None:
    """Print the warnings of a plan."""
    for problem in plan.warnings:
        console.say(f"warning: {problem.message}")


class Board(Lines):
    """Bars for the study and for each running trial, and a line for each trial that ended."""

    def __init__(self, console: Terminal, plan: Plan, known: Collection[str]) -> None:
        super().__init__(console.say, plan, known)
        self.bars = console.build_bars()
        self.all = self.bars.add_task("trials", total=len(plan.trials), completed=self.done, note="")
        self.running: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def show(self, trial: Trial, message: Heartbeat | EpochMetrics | Outcome) -> None:
        """Show a message of a trial."""
        super().show(trial, message)
        if isinstance(message, Outcome) and trial.key in self.running:
            self.bars.remove_task(self.running.pop(trial.key))
        self.bars.update(self.all, completed=self.done, note=self.time_left())

    def show_running(self, key: str, message: Heartbeat | EpochMetrics) -> None:
        """Show where a running trial is, by its bar."""
        if key not in self.running:
            self.running[key] = self.bars.add_task(self.names[key], total=message.steps, note="")
        note = ", ".join(f"{_short(name)} {value:.3g}" for name, value in message.metrics.items())
        self.bars.update(self.running[key], completed=message.step, note=note)


class OneTrial:
    """Progress of a single trial: a bar on a terminal, else a line each minute."""

    def __init__(self, console: Terminal, name: str) -> None:
        self.console = console
        self.bars = console.build_bars()
        self.bar = self.bars.add_task(name, total=None, note="starts")
        self.first: tuple[int, float] | None = None
        self.printed_s = time.monotonic()

    def __enter__(self) -> Self:
        if self.console.has_bars:
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.has_bars:
            self.bars.stop()

    def show(self, message: Heartbeat | EpochMetrics | Outcome) -> None:
        """Show a message of a trial."""
        if isinstance(message, Outcome):
            return
        now = time.monotonic()
        left = self._left(message.step, message.steps, now)
        if self.console.has_bars:
            self.bars.update(self.bar, total=message.steps, completed=message.step, note=left)
        elif now - self.printed_s >= MINUTE_S:
            self.printed_s = now
            text = f"step {message.step} of {message.steps}" + (f", {left}" if left else "")
            self.console.say(text)

    def _left(self, step: int, steps: int, now: float) -> str:
        """The time left, at the speed since the first message; empty before there is one."""
        self.first = self.first or (step, now)
        done, elapsed = step - self.first[0], now - self.first[1]
        return f"about {duration_text(elapsed / done * (steps - step))} left" if done and step < steps else ""


def _short(metric: str) -> str:
    return metric.removeprefix("train_").replace("top1_error_pct", "train error %")
