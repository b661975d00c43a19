"""Progress of a run as lines of text: one for each trial that ends, and notes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Self

from ablate.study.plan import Plan
from ablate.trials.trial import EpochMetrics, Heartbeat, Outcome, Trial


def trial_names(plan: Plan) -> dict[str, str]:
    """Key -> `LABEL, seed N` of the first row that has it."""
    names: dict[str, str] = {}
    for (row, seed), key in plan.memberships.items():
        names.setdefault(key, f"{row}, seed {seed}")
    return names


class Lines:
    """One line for each trial that ends.

    Args:
        say: receives each line.
        plan: the study, expanded.
        known: keys of the trials whose results are known at the start.
    """

    def __init__(self, say: Callable[[str], None], plan: Plan, known: Collection[str]) -> None:
        self.say, self.plan = say, plan
        self.names, self.done = trial_names(plan), len(known)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, trial: Trial, message: Heartbeat | EpochMetrics | Outcome) -> None:
        """Show a message of a trial."""
        if isinstance(message, Outcome):
            self.done += 1
            ending = _ending(self.plan.metric, message)
            self.say(f"[{self.done}/{len(self.plan.trials)}] {self.names[trial.key]}: {ending}")


def _ending(metric: str, outcome: Outcome) -> str:
    if outcome.status != "succeeded":
        return f"{outcome.status}: {outcome.reason}"
    value = outcome.metrics.get(metric)
    time = f" in {outcome.train_s:.0f} s" if outcome.train_s is not None else ""
    return f"{metric} {value:.2f}{time}" if value is not None else f"succeeded{time}"
