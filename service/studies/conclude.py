"""The end of a study: build and store its table, settle its holes, and notify operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ablate.remote.choices import StudyState
from ablate.remote.documents.studies import Progress
from service.context import Context
from service.documents.states import LIVE
from service.errors import ConflictError
from service.store import studies
from service.store.overview import read_overview
from service.store.queue import outbox
from service.store.schedules.notices import NoticeKind, queue_notice
from service.store.session import Connection
from service.store.sql import now
from service.store.studies import Stored
from service.studies.results import get_final_table, work_of_table
from service.studies.tries import end_tries


def conclude_safely(context: Context, study_seq: int) -> bool:
    """The same as `conclude`, for the scheduler: an internal error ends no other study.

    The study waits for another try, and after the last one it is `failed` with the reason; its results are kept.

    Raises:
        UnavailableError: the database or the disk is away.
    """
    is_concluded = context.faults.attempt(
        work_of_table(study_seq),
        partial(conclude, context, study_seq),
        partial(_conclude_without_table, context, study_seq),
    )
    return bool(is_concluded)


def _conclude_without_table(context: Context, study_seq: int, reason: str) -> None:
    reason = f"its table {reason}"
    with context.store.write() as connection:
        if studies.move(connection, study_seq, LIVE, "failed", reason=reason, ended_at=now(), result=None):
            studies.settle_holes(connection, study_seq, ("failed",), "failed")
            outbox.add_event(connection, study_seq, "table", {"provisional": False})
            outbox.enqueue(connection, [(study_seq, "")])


def conclude(context: Context, study_seq: int) -> bool:
    """Conclude a study whose cells have all ended. Returns whether it did; other studies stay unchanged.

    The table is built before the transaction, which stores it only if the counts of cells have not changed since.
    """
    with context.store.read() as connection:
        stored = studies.get_by_seq(connection, study_seq)
        if stored.state not in LIVE or not studies.is_finished(connection, study_seq):
            return False
        progress = read_overview(connection, stored).progress
    try:
        table, no_table = get_final_table(context, stored), None
    except ConflictError as error:
        table, no_table = None, str(error)
    state, reason = _ending(progress)
    with context.store.write() as connection:
        present = read_overview(connection, studies.get_by_seq(connection, study_seq)).progress
        if present != progress:  # it was extended, or a trial was queued again: its next end concludes it
            return False
        values = {"reason": reason or no_table, "ended_at": now(), "result": table and table.model_dump(mode="json")}
        if not studies.move(connection, study_seq, LIVE, state, **values):
            return False
        studies.settle_holes(connection, study_seq, ("failed",), "failed")
        outbox.add_event(connection, study_seq, "table", {"provisional": False})
        _announce(connection, stored, state, values)
        outbox.enqueue(connection, [(study_seq, "")])
        end_tries(connection, context.settings.home, studies.get_by_seq(connection, study_seq))
    return True


def _announce(connection: Connection, stored: Stored, state: StudyState, values: Mapping[str, Any]) -> None:
    """Notify operators; holes of a schedule's study are reported with its firing."""
    if state == "failed" and stored.schedule is not None:
        return
    named = f"study {stored.name} ({stored.id})"
    document = {
        "study_id": stored.id, "name": stored.name, "schedule": stored.schedule, "state": state,
        "reason": values["reason"],
        "sentence": f"{named} is done" if state == "succeeded" else f"{named} {state}: {values['reason']}",
    }  # fmt: skip
    kind: NoticeKind = "finished" if state == "succeeded" else "holes"
    about = f"study:{stored.id}:{values['ended_at'].isoformat()}"
    queue_notice(connection, kind, about, document, values["ended_at"])


def _ending(progress: Progress) -> tuple[StudyState, str | None]:
    holes = progress.failed + progress.cancelled
    if holes == 0:
        return "succeeded", None
    text = f"{holes} of {progress.trials} cells have no result: {_listed(progress)}"
    return "failed", f"{text}; retry the study to queue them again"


def _listed(progress: Progress) -> str:
    counts: Iterable[tuple[int, str]] = ((progress.failed, "failed"), (progress.cancelled, "cancelled"))
    return ", ".join(f"{count} {state}" for count, state in counts if count)
