"""The keeper of the dispatcher: it starts one, replaces a broken one, and waits while none can be started.

A Ray that dies, or does not start, never ends the service: trials wait, and a new one is tried after a growing wait.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from service.context import Context
from service.dispatch.interface import Dispatcher, DispatcherError
from service.faults.pauses import Pauses

log = logging.getLogger(__name__)

WELL_S = 600.0
"""A dispatcher that lived so long is replaced immediately when it breaks."""
PART = "the dispatcher"


class Keeper:
    """See the module's text. One thread uses it.

    Args:
        context: of this process.
        build: makes a dispatcher.
        on_ready: called after each start of one.
    """

    def __init__(self, context: Context, build: Callable[[], Dispatcher], on_ready: Callable[[], None]) -> None:
        self._context = context
        self._build = build
        self._on_ready = on_ready
        self._pauses = Pauses(first_s=0.0)
        self._started_s = 0.0
        self.dispatcher: Dispatcher | None = None

    def ensure(self) -> Dispatcher | None:
        """The dispatcher; starts one if there is none. None while none can be started."""
        if self.dispatcher is None and not self._pauses.is_waiting(PART):
            try:
                self.dispatcher = self._start()
            except DispatcherError as error:
                self._wait(error)
            else:
                self._context.outages.end(PART)
                self._on_ready()
        return self.dispatcher

    def _start(self) -> Dispatcher:
        dispatcher = self._build()
        try:
            dispatcher.start()
        except BaseException:
            dispatcher.close()
            raise
        self._started_s = time.monotonic()
        return dispatcher

    def lose(self, error: DispatcherError) -> None:
        """The dispatcher is broken: close it. `ensure` starts another."""
        if time.monotonic() - self._started_s >= WELL_S:
            self.is_well()
        self._wait(error)
        self.close()

    def _wait(self, error: DispatcherError) -> None:
        pause_s = self._pauses.grow(PART)
        self._context.outages.begin(PART, str(error))
        log.debug("another dispatcher is started in %.0f s", pause_s)

    def is_well(self) -> None:
        """The dispatcher does its work: the next one that breaks is replaced immediately."""
        self._pauses.end(PART)

    def close(self) -> None:
        """Close the dispatcher, if there is one."""
        dispatcher, self.dispatcher = self.dispatcher, None
        if dispatcher is not None:
            dispatcher.close()
