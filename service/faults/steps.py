"""The steps of a loop: one that raises an internal error waits, longer each time, and the others continue."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from service.faults.boundary import Faults
from service.faults.pauses import Pauses
from service.faults.work import let_pass
from service.store.faults import new_numbers

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Steps:
    """The steps of one loop, by name. A step is never set aside: it is tried again at least once a minute.

    Args:
        faults: counts the errors, and knows the steps that wait (`Faults.broken_steps`).
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._pauses = Pauses()

    def run(self, name: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
        """The answer of a step; None while it waits after an internal error.

        Args:
            name: the step in words, such as `claiming trials`.
            function: of the step, with its arguments.

        Raises:
            UnavailableError, DispatcherError: the surroundings do not allow the step.
        """
        if self._pauses.is_waiting(name):
            return None
        try:
            answer = function(*args, **kwargs)
        except BaseException as error:
            let_pass(error, self._faults.disk)
            number = self._faults.broken_steps.setdefault(name, next(new_numbers()))
            self._faults.counts["step"] += 1
            pause_s = self._pauses.grow(name)
            log.error(
                "%s ended with an internal error, reported as %s; again in %.0f s",
                name,
                number,
                pause_s,
                exc_info=error,
            )
            return None
        self.forget(name)
        return answer

    def forget(self, *names: str) -> None:
        """These steps work, or are not needed any more."""
        for name in names:
            if self._pauses.end(name):
                self._faults.broken_steps.pop(name, None)
                log.warning("%s works again", name)
