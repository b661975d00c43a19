"""Trials that wait for the trials that they need: who may start, and who can start no more."""

from __future__ import annotations

from collections.abc import Iterable

from ablate.trials.needs import inherit
from ablate.trials.trial import Outcome, Trial


class Waiting:
    """See the module's text.

    Args:
        trials: to be trained.
    """

    def __init__(self, trials: Iterable[Trial]) -> None:
        self._awaited: dict[str, set[str]] = {}
        self._children: dict[str, list[Trial]] = {}
        for trial in trials:
            self._awaited[trial.key] = set(trial.needs.values())
            for key in self._awaited[trial.key]:
                self._children.setdefault(key, []).append(trial)

    def hear(self, key: str, outcome: Outcome) -> list[tuple[Trial, Outcome | None]]:
        """What follows from how a trial ended: for those that waited for nothing else, how they end, None: they start.

        Args:
            key: of the trial that ended.
            outcome: how. Unless it succeeded, those that need it end in the same way.
        """
        released: list[tuple[Trial, Outcome | None]] = []
        for child in self._children.pop(key, []):
            awaited = self._awaited.get(child.key, set())
            if key not in awaited:  # it is over, by another of its needs
                continue
            awaited.remove(key)
            if outcome.status != "succeeded":
                name = next(name for name, needed in child.needs.items() if needed == key)
                del self._awaited[child.key]
                released.append((child, inherit(name, key, outcome.status, outcome.reason)))
            elif not awaited:
                released.append((child, None))
        return released
