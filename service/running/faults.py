"""Calls on faults: list the work that ended with an internal error, and try it again."""

from __future__ import annotations

from ablate.errors import quote
from ablate.remote.documents.faults import FaultView
from ablate.remote.documents.studies import Page
from service.context import Context
from service.errors import NotFoundError
from service.store import faults, studies
from service.store.faults import Fault
from service.store.queue import outbox
from service.store.schedules import firings, notices
from service.store.session import Connection
from service.store.sql import now
from service.studies.lifecycle import read_cursor, reopen, retry


def list_faults(context: Context, *, stuck: bool | None, limit: int, cursor: str | None) -> Page[FaultView]:
    """Work that ended with an internal error, newest first.

    Raises:
        StudyError: the cursor is unknown.
    """
    with context.store.read() as connection:
        found = faults.list_faults(connection, stuck=stuck, limit=limit + 1, before=read_cursor(cursor))
    page = found[:limit]
    return Page(items=[_view(fault) for fault in page], next=str(page[-1].id) if len(found) > limit else None)


def retry_fault(context: Context, number: str) -> FaultView:
    """Try the work of a fault again, for example after an upgrade. Returns the fault as it was.

    Raises:
        NotFoundError: there is no fault with that number.
    """
    with context.store.write() as connection:
        fault = faults.find_fault(connection, number)
        if fault is None:
            raise NotFoundError(
                f"no internal error has the number {quote(number)}",
                rest="GET /api/v1/faults lists them",
                command="`ablate list --stuck` lists them",
            )
        faults.remove_fault(connection, fault.kind, fault.subject)
        _renew(connection, fault)
        holders = _holders(connection, fault)
    for study_id in holders:
        retry(context, study_id)
    context.changed.set()
    return _view(fault)


def _renew(connection: Connection, fault: Fault) -> None:
    """Leave the subject of a fault so that its work is done anew; the work itself follows in the service's threads."""
    first, _, rest = fault.subject.partition(":")
    if fault.kind == "table":
        reopen(connection, studies.get_by_seq(connection, int(first)))
    elif fault.kind == "firing":
        firings.move_firing(connection, int(first), ("refused",), "queued", reason=None, ended_at=None)
    elif fault.kind == "settlement":
        firings.move_firing(connection, int(first), firings.SETTLED, "holes", ended_at=None)
    elif fault.kind == "notice":
        notices.queue_again(connection, int(first), rest, now())
    elif fault.kind == "mirror":
        outbox.enqueue(connection, [(int(first), rest)])


def _holders(connection: Connection, fault: Fault) -> list[str]:
    """The studies that want the trial of a fault."""
    return studies.list_holders(connection, fault.subject.partition(":")[0]) if fault.kind == "trial" else []


def _view(fault: Fault) -> FaultView:
    return FaultView(
        number=fault.number,
        work=fault.work,
        study_id=fault.study_id,
        error=fault.error,
        tries=fault.tries,
        stuck=fault.is_stuck,
        first_at=fault.first_at,
        last_at=fault.last_at,
    )
