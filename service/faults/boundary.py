"""Where an internal error ends: at the one piece of work that raised it.

    if not faults.is_set_aside(work):
        with faults.boundary(work):
            ...

What raises inside is logged with a number, stored with its number of tries, and tried again after a growing wait, also
after a restart. The third time it is set aside (*stuck*) until a person retries it. Everything else continues. Absence
of the surroundings (`PASSING`, and errors of the operating system while the state directory cannot be written) is not
an error of the work: it passes, and the caller waits for them.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from ablate.errors import AblateError, describe_error
from ablate.text import visible
from service.errors import ConflictError
from service.faults.disk import Disk
from service.faults.work import PASSING, Work, let_pass, reason_of
from service.store import faults as stored
from service.store.queue.outbox import add_event
from service.store.session import Store
from service.store.sql import now

log = logging.getLogger(__name__)

WAITS_S = (2.0, 10.0)
"""Waits after the first tries; after the next one the work is set aside."""
MAX_ANSWERED = 1000
MARK = "under-way.json"
MARKED = ("table", "firing", "settlement")
"""Kinds of work that compute in the service's own process, and one at a time."""

R = TypeVar("R")


@dataclass(slots=True)
class _Known:
    number: str
    tries: int
    not_before_s: float
    is_stuck: bool


class DiedError(Exception):
    """The process that did a piece of work died."""


class Faults:
    """The faults of this process and its database; safe for several threads.

    Attributes:
        counts: internal errors since the start of this process, by kind of work.
        broken_steps: steps of this process's loops that wait after an internal error (`service.faults.steps`), with the
            number of the error.
        disk: of the state directory; an error of the operating system is not one of the work while it is away.

    Args:
        store: where faults are kept. If it cannot be written, a fault is remembered by this process only.
        home: state directory.
    """

    def __init__(self, store: Store, home: Path) -> None:
        self.disk = Disk(home)
        self._mark = home / MARK
        self.counts: Counter[str] = Counter()
        self.broken_steps: dict[str, str] = {}
        self._store = store
        self._lock = threading.RLock()
        self._known: dict[tuple[str, str], _Known] = {}
        self._is_loaded = False
        self._answered: dict[tuple[object, ...], str] = {}

    def is_set_aside(self, work: Work) -> bool:
        """Whether a piece of work waits for its next try, or for a person.

        Raises:
            UnavailableError: the database cannot be read.
        """
        known = self._load().get(work.name)
        if known is None:
            return False
        return self._is_still_stuck(work) if known.is_stuck else time.monotonic() < known.not_before_s

    def find_reason(self, work: Work) -> str | None:
        """The reason of a piece of work that is stuck, as people read it; None if it is not stuck."""
        known = self._load().get(work.name)
        if known is None or not known.is_stuck or not self._is_still_stuck(work):
            return None
        return reason_of(known.number)

    def _is_still_stuck(self, work: Work) -> bool:
        """Whether nobody has retried it; any process may have."""
        with self._store.read() as connection:
            if stored.is_kept(connection, *work.name):
                return True
        with self._lock:
            self._known.pop(work.name, None)
        return False

    @contextmanager
    def boundary(
        self, work: Work, *, tries: int = len(WAITS_S) + 1, give_up: Callable[[str], object] | None = None
    ) -> Iterator[None]:
        """A piece of work, of which an internal error ends nothing else.

        Args:
            work: what is done inside the block.
            tries: how often it may fail before it is set aside.
            give_up: called with the reason when it is set aside, to leave its subject in an orderly state.

        Raises:
            UnavailableError, DispatcherError: raised inside, or the surroundings do not allow the work.
        """
        try:
            with self._marked(work):
                yield
        except BaseException as error:
            let_pass(error, self.disk)
            reason = self._fail(work, error, tries)
            if reason is not None and give_up is not None:
                self._give_up(work, give_up, reason)
        else:
            self._succeed(work)

    def attempt(self, work: Work, do: Callable[[], R], give_up: Callable[[str], object]) -> R | None:
        """Do a piece of work inside its boundary, unless it is set aside. Returns its answer; None without one.

        Args:
            work: what is done.
            do: the work itself.
            give_up: called with the reason while the work is stuck, to leave its subject in an orderly state.
        """
        if self.is_set_aside(work):
            reason = self.find_reason(work)
            if reason is not None:
                give_up(reason)
            return None
        with self.boundary(work, give_up=give_up):
            return do()
        return None

    @contextmanager
    def _marked(self, work: Work) -> Iterator[None]:
        """Leave a file while work is done that computes, so that a process that dies of it counts as a try."""
        if work.kind not in MARKED:
            yield
            return
        self._mark.write_text(json.dumps([work.kind, work.subject, work.text, work.study_seq]), encoding="utf-8")
        try:
            yield
        finally:
            self._mark.unlink(missing_ok=True)

    def count_death(self) -> None:
        """Count a try of the work during which an earlier service of this state directory died. Call it once."""
        self._load()
        try:
            kind, subject, text, study_seq = json.loads(self._mark.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return
        self._mark.unlink(missing_ok=True)
        self._fail(
            Work(kind, subject, text, study_seq), DiedError("the service died during this work"), len(WAITS_S) + 1
        )

    @contextmanager
    def answering(self, work: Work) -> Iterator[None]:
        """Work for a request, which is not stored: an internal error becomes a ConflictError with its number.

        Raises:
            ConflictError: in words for the user.
        """
        try:
            yield
        except AblateError:
            raise
        except BaseException as error:
            let_pass(error, self.disk)
            raise ConflictError(f"{work.text} {reason_of(self._number_of(work, error))}") from error

    def _number_of(self, work: Work, error: BaseException) -> str:
        """The number of an error that a request met; the same error of the same work is logged once."""
        with self._lock:
            self.counts[work.kind] += 1
            name = (*work.name, type(error), error.__traceback__ and last_line(error.__traceback__))
            if name not in self._answered:
                if len(self._answered) >= MAX_ANSWERED:
                    self._answered.clear()
                self._answered[name] = next(stored.new_numbers())
                log.error(
                    "%s ended with an internal error, reported as %s", work.text, self._answered[name], exc_info=error
                )
            return self._answered[name]

    def _load(self) -> dict[tuple[str, str], _Known]:
        """What is known, with what earlier processes stored: a restart continues to count."""
        with self._lock:
            if not self._is_loaded:
                with self._store.read() as connection:
                    found = stored.list_faults(connection)
                for fault in found:
                    known = _Known(fault.number, fault.tries, 0.0, fault.is_stuck)
                    self._known.setdefault((fault.kind, fault.subject), known)
                self._is_loaded = True
            return self._known

    def _fail(self, work: Work, error: BaseException, most: int) -> str | None:
        """Count a try. Returns the reason if it was the last."""
        with self._lock:
            known = self._known.get(work.name)
            if known is None:
                known = self._known[work.name] = _Known(self._new_number(), 0, 0.0, is_stuck=False)
            known.tries += 1
            known.is_stuck = known.tries >= most
            pause_s = WAITS_S[min(known.tries, len(WAITS_S)) - 1]
            known.not_before_s = time.monotonic() + pause_s
            self.counts[work.kind] += 1
        then = (
            f"set aside; `ablate retry {known.number}` tries it again" if known.is_stuck else f"again in {pause_s:g} s"
        )
        log.error(
            "%s ended with an internal error, reported as %s (try %d of %d, %s)",
            work.text, known.number, known.tries, most, then, exc_info=error,
        )  # fmt: skip
        self._store_try(work, known, error)
        return reason_of(known.number) if known.is_stuck else None

    def _new_number(self) -> str:
        numbers = stored.new_numbers()
        number = next(numbers)
        with (
            suppress(Exception),
            self._store.read() as connection,
        ):  # a number need not be unique to be found in the log
            while stored.is_taken(connection, number):
                number = next(numbers)
        return number

    def _store_try(self, work: Work, known: _Known, error: BaseException) -> None:
        at = now()
        values = {
            "number": known.number, "kind": work.kind, "subject": work.subject, "study_seq": work.study_seq,
            "work": work.text, "error": visible(describe_error(error)), "tries": known.tries,
            "is_stuck": known.is_stuck, "first_at": at, "last_at": at,
        }  # fmt: skip
        try:
            with self._store.write() as connection:
                stored.record_fault(connection, values)
                if work.study_seq is not None:
                    data = {"number": known.number, "work": work.text, "stuck": known.is_stuck}
                    add_event(connection, work.study_seq, "fault", data)
        except Exception:  # the database may be what is broken; the log and this process know the fault
            log.exception("fault %s could not be stored", known.number)

    def _give_up(self, work: Work, give_up: Callable[[str], object], reason: str) -> None:
        try:
            give_up(reason)
        except PASSING:
            raise
        except Exception:
            log.exception("%s was set aside, but its state could not be changed", work.text)

    def _succeed(self, work: Work) -> None:
        with self._lock:
            if self._known.pop(work.name, None) is None:
                return
        with self._store.write() as connection:
            stored.remove_fault(connection, *work.name)
        log.warning("%s: done after internal errors", work.text)


def last_line(traceback: TracebackType) -> tuple[str, int]:
    """File and line where an exception was raised."""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
