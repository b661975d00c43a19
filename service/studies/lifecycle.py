"""Calls on studies: get, list, cancel, retry, pause, resume. Every call is one transaction.

`service.studies.submit` stores new studies, `service.studies.extend` adds to them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ablate.errors import Problem, StudyError
from ablate.remote.choices import StudyState
from ablate.remote.documents.studies import ChangedStudy, Page, StudyView
from ablate.statistics.words import counted
from ablate.study.plan import Plan
from ablate.study.preregistration import register
from service.context import Context
from service.documents.states import LIVE
from service.errors import ConflictError
from service.store import faults, studies
from service.store.heartbeat import find_machines
from service.store.overview import read_overview, read_overviews
from service.store.queue import demand, limits, needs, outbox
from service.store.session import Connection
from service.store.sql import now
from service.store.studies import Stored, Wanted
from service.studies.prepare import plan_stored
from service.studies.tries import end_tries, register_rows
from service.studies.view import view_study


def get_study(context: Context, study_id: str) -> StudyView:
    """One study.

    Raises:
        NotFoundError: no study has this id or name.
    """
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        return view_study(stored, read_overview(connection, stored), find_machines(connection))


def list_studies(
    context: Context,
    *,
    state: StudyState | None = None,
    name: str | None = None,
    schedule: str | None = None,
    limit: int,
    cursor: str | None,
) -> Page[StudyView]:
    """Studies, newest first.

    Raises:
        StudyError: the cursor is unknown.
    """
    wanted = Wanted(state, name, schedule)
    with context.store.read() as connection:
        found = studies.list_studies(connection, wanted, limit=limit + 1, before=read_cursor(cursor))
        page = found[:limit]
        overviews, machines = read_overviews(connection, page), find_machines(connection)
    items = [view_study(stored, overviews[stored.seq], machines) for stored in page]
    return Page(items=items, next=str(page[-1].seq) if len(found) > limit else None)


def read_cursor(cursor: str | None) -> int | None:
    """The number in a cursor.

    Raises:
        StudyError: the cursor is unknown.
    """
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        text = "unknown cursor; pass the `next` value of the previous page"
        raise StudyError([Problem("/cursor", "invalid", text)])
    return int(cursor)


def cancel(context: Context, study_id: str) -> ChangedStudy:
    """Cancel a study's unfinished trials; trials shared with another live study keep running."""
    withdrawn: Collection[str] = ()
    with context.store.write() as connection:
        stored = studies.get_study(connection, study_id)
        is_changed = studies.move(
            connection, stored.seq, LIVE, "cancelled", reason="cancelled on request", ended_at=now()
        )
        if is_changed:
            withdrawn = studies.settle_holes(connection, stored.seq, ("queued", "running"), "cancelled")
            studies.settle_holes(connection, stored.seq, ("failed",), "failed")
            demand.cancel_unwanted(connection, stored.seq, now())
            demand.refresh_demand(connection, stored.seq)
            outbox.add_event(connection, stored.seq, "table", {"provisional": False})
            outbox.enqueue(connection, [(stored.seq, ""), *((stored.seq, key) for key in withdrawn)])
            end_tries(connection, context.settings.home, studies.get_by_seq(connection, stored.seq))
    if is_changed:
        done = f"cancelled: {counted(len(set(withdrawn)), 'trial')} will not run for this study; its results stay"
        return changed(context, stored.id, done)
    return changed(context, stored.id, nothing=ended_text(stored, "cancel"))


def changed(context: Context, study_id: str, done: str = "", *, nothing: str = "") -> ChangedStudy:
    """The answer of a call that changes a study: what was done, or why nothing was. The scheduler looks at it now."""
    context.wake(study_id)
    message = done or f"nothing changed: {nothing}"
    return ChangedStudy(**dict(get_study(context, study_id)), changed=bool(done), message=message)


def ended_text(stored: Stored, verb: str) -> str:
    """Why there is nothing to do to a study in its state."""
    is_so = f"is already {stored.state}" if stored.state in ("cancelled", "paused") else f"has ended ({stored.state})"
    return f"the study {is_so}, so there is nothing to {verb}"


def retry(context: Context, study_id: str) -> ChangedStudy:
    """Queue a study's failed and cancelled trials again; without such trials nothing changes.

    A study whose table ended with an internal error is concluded again. If a study was cancelled before any of its rows
    was begun, its design counts from now on: else one could register many, and retry one after a look at others.

    Raises:
        ConflictError: the study was cancelled, and this version of ablate cannot plan it.
    """
    with context.store.read() as connection:
        found = studies.get_study(connection, study_id)
    plan = plan_stored(context, found) if found.state == "cancelled" else None
    with context.store.write() as connection:
        stored = studies.get_study(connection, found.id)
        if plan is not None:
            _register_again(connection, context, stored, plan)
        holes = studies.unsettle(connection, stored.seq)
        keys = [cell.key for cell in studies.list_cell_keys(connection, stored.seq)]
        queued = demand.requeue_holes(connection, list(dict.fromkeys(keys)))
        is_concluded_again = faults.remove_fault(connection, "table", str(stored.seq))
        if holes or queued or is_concluded_again:
            reopen(connection, stored)
        demand.refresh_demand(connection, stored.seq)
        needs.settle_needs(connection, list(queued), now())
        outbox.announce(connection, sorted(queued))
    if holes or queued:
        done = f"{counted(len(queued), 'failed or cancelled trial')} {'is' if len(queued) == 1 else 'are'} queued again"
        return changed(context, stored.id, done if queued else "its cancelled cells count again")
    if is_concluded_again:
        return changed(context, stored.id, "its table is built again")
    return changed(context, stored.id, nothing="no trial of the study has failed or is cancelled")


def _register_again(connection: Connection, context: Context, stored: Stored, plan: Plan) -> None:
    at, is_firing = now(), stored.schedule is not None
    if register_rows(connection, context.settings.home, plan, (stored.seq, stored.id), at, is_firing=is_firing):
        studies.update_plan(connection, stored.seq, {"registrations": [register(plan, at).model_dump()]})


def reopen(connection: Connection, stored: Stored) -> None:
    """Make an ended study live again; the scheduler concludes it when all its cells have ended."""
    faults.remove_fault(connection, "table", str(stored.seq))
    ended: tuple[StudyState, ...] = ("succeeded", "failed", "cancelled")
    if studies.move(connection, stored.seq, ended, "queued", reason=None, ended_at=None, result=None, budget_from=None):
        outbox.enqueue(connection, [(stored.seq, "")])


def pause(context: Context, study_id: str) -> ChangedStudy:
    """Claim no more trials that only paused studies need; running trials finish."""
    return _switch(context, study_id, "pause", ("queued", "running"), "paused")


def pause_over(context: Context, at: datetime) -> None:
    """Pause the studies that have used the hours of their `[limits]`; running trials finish."""
    with context.store.read() as connection:
        over = limits.list_over(connection, at)
    for seq, hours in over:
        reason = (
            f"it has used its {hours:g} h (hours in [limits]), so no more of its trials start; resume it, and it gets "
            "as many again"
        )
        with context.store.write() as connection:
            if studies.move(connection, seq, ("queued", "running"), "paused", reason=reason):
                demand.refresh_demand(connection, seq)
                outbox.enqueue(connection, [(seq, "")])


def resume(context: Context, study_id: str) -> ChangedStudy:
    """Resume a paused study; the hours of its `[limits]` count from its next trial on."""
    return _switch(context, study_id, "resume", ("paused",), "queued")


SWITCHED = {"pause": "paused: no more of its trials start; those that run go on", "resume": "resumed: its trials start"}


def _switch(
    context: Context, study_id: str, verb: str, leaving: tuple[StudyState, ...], to: StudyState
) -> ChangedStudy:
    with context.store.write() as connection:
        stored = studies.get_study(connection, study_id)
        refuse_cancelled(stored, verb)
        if to == "queued" and studies.has_started(connection, stored.seq):
            to = "running"
        if is_changed := studies.move(connection, stored.seq, leaving, to, reason=None, budget_from=None):
            demand.refresh_demand(connection, stored.seq)
            outbox.enqueue(connection, [(stored.seq, "")])
    if is_changed:
        return changed(context, stored.id, SWITCHED[verb])
    is_live = verb == "resume" and stored.state in LIVE
    return changed(context, stored.id, nothing="the study is not paused" if is_live else ended_text(stored, verb))


def refuse_cancelled(stored: Stored, verb: str) -> None:
    """Raise ConflictError if the study is cancelled."""
    if stored.state == "cancelled":
        raise ConflictError(f"the study is cancelled, so it cannot {verb}; retry it, or submit it again")
