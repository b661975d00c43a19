"""The events of a study, or the log of a trial, until it ends, across connections that break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.errors import quote
from ablate.remote.answers import read_answer
from ablate.remote.choices import LOG_END
from ablate.remote.documents.events import KINDS, StudyEvent
from ablate.remote.documents.trials import TrialView
from ablate.remote.errors import BrokenError, RefusedError, UnreachableError

if TYPE_CHECKING:
    from ablate.remote.connection import Connection, ServerEvent

RECONNECT_S = 60.0
"""For how long a client tries to reconnect to a lost event stream."""
RETRY_S = 1.0
SAME_VERSION = "check that the service has the version of this client"
LOOK_S = 1.0
"""How often a log is read while its trial has not ended."""
FINAL = ("succeeded", "diverged", "failed", "cancelled")
"""States of a trial that has ended."""


@dataclass(slots=True)
class Absence:
    """The time for which a service has not answered.

    Attributes:
        url: address of the service.
        notify: is called with a sentence when the absence begins, and when it ends.
        since_s: monotonic time at which it began; None while the service answers.
    """

    url: str
    notify: Callable[[str], None]
    since_s: float | None = None

    def wait(self, error: UnreachableError) -> None:
        """Wait before the next attempt; raise UnreachableError after `RECONNECT_S`."""
        if self.since_s is None:
            self.since_s = time.monotonic()
            self.notify(f"{error}; reconnecting for up to {RECONNECT_S:g} s")
        if time.monotonic() - self.since_s > RECONNECT_S:
            text = f"no answer from {self.url} for {RECONNECT_S:g} s ({error}); nothing that the service stored is lost"
            raise UnreachableError(f"{text}; start it with `ablate serve`, then watch the study again") from error
        time.sleep(RETRY_S)

    def end(self) -> None:
        """The service answers again."""
        if self.since_s is not None:
            self.since_s = None
            self.notify("connected again")


def follow(connection: Connection, study_id: str, notify: Callable[[str], None]) -> Iterator[StudyEvent]:
    """A study's events until it has ended; after a lost connection the stream resumes where it broke.

    Args:
        connection: to the service.
        study_id: id of the study.
        notify: is called with a sentence when the connection is lost, and when it is restored.

    Raises:
        UnreachableError: the connection was lost for more than `RECONNECT_S`.
    """
    last_id, absence = "", Absence(connection.url, notify)
    while True:
        try:
            for event in connection.stream(f"/studies/{study_id}/events", last_id, absence.end):
                last_id = event.id or last_id
                yield _read_event(event)
                if event.kind == "done":
                    return
            raise UnreachableError("the service closed the event stream")
        except UnreachableError as error:
            absence.wait(error)


def follow_log(connection: Connection, key: str, notify: Callable[[str], None]) -> Iterator[str]:
    """The log of a trial, part by part, until the trial has ended; it may not have started yet.

    Args:
        connection: to the service.
        key: of the trial.
        notify: is called with a sentence when the connection is lost, and when it is restored.

    Raises:
        UnreachableError: the connection was lost for more than `RECONNECT_S`.
        RefusedError: there is no such trial, or it ended without a log.
    """
    start, absence = 0, Absence(connection.url, notify)
    while True:
        try:
            trial = read_answer(TrialView, connection.get(f"/trials/{key}"))  # before the log, which is complete then
            has_ended = trial.state in FINAL
            try:
                part = connection.get_file(f"/trials/{key}/log", start=start)
                yield part.text
                end = part.headers.get(LOG_END, "")
                if not end.isdecimal():
                    raise BrokenError(f"the log has no {LOG_END}; {SAME_VERSION}")
                start = int(end)
            except RefusedError:  # there is no log yet
                if has_ended:
                    raise
            absence.end()
        except UnreachableError as error:
            absence.wait(error)
            continue
        if has_ended:
            return
        time.sleep(LOOK_S)


def _read_event(event: ServerEvent) -> StudyEvent:
    if event.kind not in KINDS:
        raise BrokenError(f"unknown event {quote(event.kind)}; {SAME_VERSION}")
    return StudyEvent(event.id, event.kind, read_answer(KINDS[event.kind], event.data))
