"""Progress of a run as lines of text: one for each trial that ends, one a minute for those that run, and notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import Self

from ablate.study.plan import Plan
from ablate.study.seeds import block_name
from ablate.tables.words import duration_text
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial

MINUTE_S = 60.0
"""How often a line names the running trials."""
MAX_NAMED = 4
"""Most trials that such a line names."""


def trial_names(plan: Plan) -> dict[str, str]:
    """Key -> `LABEL, seed N` (with folds `LABEL, seed N, fold K`) of the first row that has it."""
    names: dict[str, str] = {}
    for (row, seed), key in plan.memberships.items():
        names.setdefault(key, f"{row}, {block_name(seed, plan.study.folds)}")
    return names


def running_line(count: str, running: Iterable[tuple[str, int, int]], left: str) -> str:
    """A line about the trials that run.

    Args:
        count: trials that have ended, and all.
        running: name, step and number of steps of each trial.
        left: the time left, as a phrase; empty if it is not known.
    """
    parts = [f"{name}: step {step} of {steps}" if steps else f"{name} starts" for name, step, steps in running]
    more = [f"{len(parts) - MAX_NAMED} more"] if len(parts) > MAX_NAMED else []
    return "; ".join([f"[{count}] {'; '.join([*parts[:MAX_NAMED], *more])}", *filter(None, [left])])


class Lines:
    """One line for each trial that ends, and each minute one for the trials that run.

    Args:
        say: receives each line.
        plan: the study, expanded.
        known: keys of the trials whose results are known at the start.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        plan: Plan,
        known: Collection[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.say, self.plan, self._clock = say, plan, clock
        self.names, self.done = trial_names(plan), len(known)
        self._began_s = self._printed_s = clock()
        self._first: dict[str, float] = {}
        self._at: dict[str, tuple[int, int]] = {}
        self._trained = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, trial: Trial, message: Heartbeat | EpochMetrics | Outcome) -> None:
        """Show a message of a trial."""
        if not isinstance(message, Outcome):
            self._at[trial.key] = message.step, message.steps
            self._first.setdefault(trial.key, self._fraction(trial.key))
            self.show_running(trial.key, message)
            return
        if self._at.pop(trial.key, None) is not None:
            self._trained += 1 - self._first.pop(trial.key)
        self.done += 1
        ending = _ending(self.plan.metric, message)
        self.say(f"[{self.done}/{len(self.plan.trials)}] {self.names[trial.key]}: {ending}")

    def show_running(self, key: str, message: Heartbeat | EpochMetrics) -> None:
        """Show where a running trial is."""
        del key, message
        if self._clock() - self._printed_s >= MINUTE_S:
            self._printed_s = self._clock()
            running = [(self.names[key], *at) for key, at in self._at.items()]
            self.say(running_line(f"{self.done}/{len(self.plan.trials)}", running, self.time_left()))

    def time_left(self) -> str:
        """The time left at the speed of this run, as a phrase; empty before the speed is known."""
        elapsed_s = self._clock() - self._began_s
        fractions = {key: self._fraction(key) for key in self._at}
        trained = self._trained + sum(fraction - self._first[key] for key, fraction in fractions.items())
        if trained < 0.05 or elapsed_s < 2:
            return ""
        left = len(self.plan.trials) - self.done - sum(fractions.values())
        return f"about {duration_text(elapsed_s / trained * left)} left"

    def _fraction(self, key: str) -> float:
        step, steps = self._at[key]
        return step / max(steps, 1)


def _ending(metric: str, outcome: Outcome) -> str:
    if outcome.status != "succeeded":
        return f"{outcome.status}: {outcome.reason}"
    value = outcome.metrics.get(metric)
    time = f" in {outcome.train_s:.0f} s" if outcome.train_s is not None else ""
    return f"{metric} {value:.2f}{time}" if value is not None else f"succeeded{time}"
