"""When Python collects garbage in the service: while nothing else is done.

A collection of everything that lives long takes 0.1 s or more after a few large plans, and stops all threads. Python
starts one at any moment, so `/healthz` would wait for it. Here young objects are collected as always, and old ones
while the process is idle, or when there are very many.
"""

from __future__ import annotations

import gc
import time

THRESHOLDS = (5_000, 10, 1_000_000)
"""New objects until the youngest are collected, such collections until the next age, and the same for the oldest."""
MANY = 200
"""After so many collections of the second age (some 10 million objects that were kept) the oldest are collected too."""
IDLE = 0.2
"""Share of one CPU below which the process is idle."""


class Garbage:
    """Call `look` several times a second, in one thread."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()  # what is there at the start stays: modules, routes, settings
        gc.set_threshold(*THRESHOLDS)
        self._looked_s, self._worked_s = time.monotonic(), time.process_time()

    def look(self) -> None:
        """Collect the oldest objects if the process was idle since the last call, or has very many."""
        now_s, worked_s = time.monotonic(), time.process_time()
        is_idle = worked_s - self._worked_s < IDLE * (now_s - self._looked_s)
        waiting = gc.get_count()[2]
        if waiting and (is_idle or waiting >= MANY):
            gc.collect()
        self._looked_s, self._worked_s = now_s, worked_s
