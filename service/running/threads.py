"""The threads of the service: one that dies is started again after a growing wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from service.context import Context
from service.faults.pauses import Pauses
from service.store.faults import new_numbers

log = logging.getLogger(__name__)

WELL_S = 600.0
"""A thread that lived so long is started again after the shortest wait."""

Run = Callable[[threading.Event], None]


class Threads:
    """The threads of a process. They are stopped in the order in which they were started.

    Args:
        context: of this process; `parts` shows a thread that is being started again.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._running: list[tuple[threading.Thread, threading.Event]] = []

    def start(self, name: str, build: Callable[[], Run]) -> None:
        """Start a thread.

        Args:
            name: of the thread, and of its part of the service.
            build: makes what the thread runs; called in it, and again after it died. It runs until its event is set.
        """
        stop = threading.Event()
        thread = threading.Thread(target=self._keep, args=(name, build, stop), name=name, daemon=True)
        thread.start()
        self._running.append((thread, stop))

    def _keep(self, name: str, build: Callable[[], Run], stop: threading.Event) -> None:
        pauses = Pauses()
        while not stop.is_set():
            started_s = time.monotonic()
            try:
                build()(stop)
            except BaseException as error:  # the boundary of a thread: nothing is above it
                if time.monotonic() - started_s >= WELL_S:
                    pauses.end(name)
                self._wait(name, error, pauses.grow(name), stop)

    def _wait(self, name: str, error: BaseException, pause_s: float, stop: threading.Event) -> None:
        number = next(new_numbers())
        self._context.faults.counts["thread"] += 1
        self._context.parts[name] = "restarting"
        log.error("the %s broke, reported as %s; it starts again in %.0f s", name, number, pause_s, exc_info=error)
        stop.wait(pause_s)

    def stop(self) -> None:
        """Stop one after the other, and wait for each."""
        for thread, stop in self._running:
            stop.set()
            self._context.changed.set()
            thread.join()
