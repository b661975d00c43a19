"""Trials that wait for the trials that they need: which may start, and which can no longer start."""

from __future__ import annotations

from collections.abc import Iterable

from ablate.trials.needs import inherit
from ablate.trials.trial import Outcome, Trial


class Waiting:
    """See the module's text.

    Args:
        trials: the trials to train.
    """

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._awaited: dict[str, set[str]] = {}
        self._children: dict[str, list[Trial]] = {}
        for trial in trials:
            self._awaited[trial.key] = set(trial.needs.values())
            for key in self._awaited[trial.key]:
                self._children.setdefault(key, []).append(trial)

    def hear(self, key: str, outcome: Outcome) -> list[tuple[Trial, Outcome | None]]:
        """The trials that a trial's end releases, each with its outcome; None: the trial may start.

        Args:
            key: key of the trial that ended.
            outcome: its outcome. Unless it succeeded, the trials that need it end in the same way.
        """
        released: list[tuple[Trial, Outcome | None]] = []
        for child in self._children.pop(key, []):
            awaited = self._awaited.get(child.key, set())
            if key not in awaited:  # it has ended, by another of its needs
                continue
            awaited.remove(key)
            if outcome.status != "succeeded":
                name = next(name for name, needed in child.needs.items() if needed == key)
                del self._awaited[child.key]
                released.append((child, inherit(name, key, outcome.status, outcome.reason)))
            elif not awaited:
                released.append((child, None))
        return released
