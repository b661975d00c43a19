"""Growing waits between tries. Uses no clock of its own but the monotonic one."""

from __future__ import annotations

import time
from collections.abc import Hashable

FIRST_S, LONGEST_S = 1.0, 60.0
"""The first wait, and the longest; each is twice the one before."""


class Pauses:
    """The waits of any number of things, by name.

    Args:
        first_s: the wait after the first failure.
    """

    def __init__(self, first_s: float = FIRST_S) -> None:
        self._first_s = first_s
        self._until: dict[Hashable, tuple[int, float]] = {}

    def grow(self, name: Hashable) -> float:
        """It failed once more. Returns the seconds until it should be tried again."""
        count = self._until.get(name, (0, 0.0))[0]
        pause_s = min(FIRST_S * 2.0**count if count else self._first_s, LONGEST_S)
        self._until[name] = min(count + 1, 60), time.monotonic() + pause_s
        return pause_s

    def end(self, name: Hashable) -> bool:
        """It worked. Returns whether it had failed before."""
        return self._until.pop(name, None) is not None

    def is_waiting(self, name: Hashable) -> bool:
        """Whether it should not be tried yet."""
        return name in self._until and time.monotonic() < self._until[name][1]
