"""A piece of work that may fail alone, and which exceptions are not its failure."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass
from typing import Literal

from ablate.trials.machine import find_fault
from service.dispatch.interface import DispatcherError
from service.errors import UnavailableError
from service.faults.disk import Disk

PASSING = (UnavailableError, DispatcherError)
Kind = Literal["study", "trial", "table", "plot", "schedule", "firing", "settlement", "notice", "mirror"]


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work that may fail alone.

    Attributes:
        kind, subject: identify it; the subject is a number or key in the database.
        text: it in words, such as `the table of study table07`.
        study_seq: the study whose page shows it.
    """

    kind: Kind
    subject: str
    text: str
    study_seq: int | None = None

    @property
    def name(self) -> tuple[str, str]:
        """Kind and subject."""
        return self.kind, self.subject


def reason_of(number: str) -> str:
    """What people read about a fault."""
    return f"ended with an internal error, reported as {number}; the service's log has the traceback"


def let_pass(error: BaseException, disk: Disk) -> None:
    """Raise what is not an internal error of the work that met it; return for an internal error.

    An error of the operating system, such as a disk error, is one of the work while the state directory can be
    written: waiting for the disk would never end it.

    Args:
        error: what the work raised.
        disk: of the state directory.

    Raises:
        UnavailableError: the database or the disk is away.
        DispatcherError: Ray is broken.
        BaseException: a signal to this code, such as KeyboardInterrupt. SystemExit is not one: foreign code raises it.
    """
    if isinstance(error, (*PASSING, KeyboardInterrupt, GeneratorExit, CancelledError)):
        raise error
    if find_fault(error) is not None:
        fault = disk.find_fault(anew=True)
        if fault is not None:
            raise UnavailableError(fault, part="disk") from error
