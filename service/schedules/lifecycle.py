"""Calls on schedules: add, list, change, remove, trigger, acknowledge. Every change is one transaction.

`service.schedules.fire` fires them. The current time is an argument, because the next firing depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from ablate.errors import Findings, Problem, StudyError
from ablate.remote.documents.firings import FiringView
from ablate.remote.documents.schedules import (
    Acknowledgement,
    ChangedSchedule,
    ScheduleChange,
    ScheduleSpec,
    ScheduleView,
)
from ablate.remote.documents.studies import Page
from ablate.statistics.words import counted
from ablate.trials.trial import Repetition
from service.context import Context
from service.errors import ConflictError
from service.schedules import launch, losses
from service.schedules.instants import check_cron, check_zone, due_time, next_instant
from service.schedules.view import view_firing, view_schedule
from service.schedules.written import plain_cron
from service.store.schedules import alarms, firings
from service.store.schedules import schedules as stored
from service.store.schedules.schedules import Schedule
from service.studies import lifecycle
from service.studies.prepare import prepare

STUDY_FIELDS = ("study", "scale", "seeds", "mode")
"""Fields that define the study: after a change of one, earlier results cannot be its reference."""


def add_schedule(context: Context, spec: ScheduleSpec, at: datetime) -> tuple[ChangedSchedule, bool]:
    """Store a schedule. Returns it, and whether it is new: adding the same one again changes nothing.

    Raises:
        StudyError: with every problem of cron expression, time zone and study.
        ConflictError: a different schedule has that name.
    """
    given = spec.model_dump() | {"cron": plain_cron(spec.cron)}
    _check(context, given, given.keys(), at)
    with context.store.write() as connection:
        values = given | _times(spec.name, given, at) | _new_reference(at)
        values |= {
            "paused": False,
            "created_at": at,
            "changed_at": at,
            "last_at": None,
            "next_seed": 0,
            "renews": False,
        }
        is_new = stored.add_schedule(connection, values)
        schedule = stored.get_schedule(connection, spec.name)
    if not is_new and any(getattr(schedule, name) != value for name, value in given.items()):
        raise ConflictError(
            f"a schedule named '{spec.name}' exists, with different content",
            rest="choose another name, change it (PATCH), or remove it first (DELETE)",
            command=f"choose another name, or remove it first (ablate schedule remove {spec.name})",
        )
    done = "added" if is_new else ""
    return _changed(context, spec.name, at, done, nothing="the schedule exists, with the same content"), is_new


def _check(context: Context, wanted: Mapping[str, Any], named: Collection[str], at: datetime) -> None:
    """Raise StudyError with every problem of a schedule's fields.

    Args:
        context: see there.
        wanted: the new value of every field.
        named: the fields to check: a schedule whose study cannot be planned any more can still be paused.
        at: the current time.
    """
    found = Findings()
    if "cron" in named:
        with found.collecting():
            check_cron(wanted["cron"], at)
    if "tz" in named:
        with found.collecting():
            check_zone(wanted["tz"])
    if any(field in named for field in (*STUDY_FIELDS, "priority")):
        with found.collecting():
            _check_study(context, wanted)
    if found:
        raise StudyError([_of_body(problem) for problem in found.problems], found.more)


def _check_study(context: Context, wanted: Mapping[str, Any]) -> None:
    """Plan the study, and count its networks; a study that cannot run here now is not an error."""
    document = launch.document_of_fields(wanted["study"], wanted["seeds"], wanted["priority"])
    repetition = Repetition(canary_only=wanted["mode"] == "verify")
    prepare(context, document, scale=wanted["scale"], repetition=repetition, strict=False)


def _of_body(problem: Problem) -> Problem:
    own = problem.pointer in ("/cron", "/tz", "/scale")
    return problem if own else Problem(f"/study{problem.pointer}", problem.code, problem.message)


def _times(name: str, given: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    upcoming = next_instant(given["cron"], given["tz"], at)
    return {"next_at": upcoming, "due_at": due_time(name, upcoming, given["jitter_s"])}


def _new_reference(at: datetime) -> dict[str, Any]:
    return {"reference": None, "watched_from": at}


def get_schedule(context: Context, name: str, at: datetime) -> ScheduleView:
    """One schedule.

    Raises:
        NotFoundError: there is no schedule with that name.
    """
    with context.store.read() as connection:
        schedule = stored.get_schedule(connection, name)
    (view,) = _view(context, [schedule], at)
    return view


def list_schedules(context: Context, at: datetime, *, limit: int, cursor: str | None) -> Page[ScheduleView]:
    """Schedules, newest first.

    Raises:
        StudyError: the cursor is unknown.
    """
    with context.store.read() as connection:
        found = stored.list_schedules(connection, limit=limit + 1, before=lifecycle.read_cursor(cursor))
    page = found[:limit]
    return Page(items=_view(context, page, at), next=str(page[-1].seq) if len(found) > limit else None)


def _view(context: Context, schedules: Sequence[Schedule], at: datetime) -> list[ScheduleView]:
    seqs = [schedule.seq for schedule in schedules]
    with context.store.read() as connection:
        last, open_ = firings.find_last(connection, seqs), alarms.list_open(connection, seqs)
    return [
        view_schedule(schedule, last.get(schedule.seq), [one for one in open_ if one.schedule == schedule.name], at)
        for schedule in schedules
    ]


def list_history(context: Context, name: str, *, limit: int, cursor: str | None) -> Page[FiringView]:
    """The firings of a schedule, newest first.

    Raises:
        NotFoundError: there is no schedule with that name.
        StudyError: the cursor is unknown.
    """
    with context.store.read() as connection:
        schedule = stored.get_schedule(connection, name)
        before = lifecycle.read_cursor(cursor)
        found = firings.list_firings(connection, schedule.seq, limit=limit + 1, before=before)
    page = found[:limit]
    return Page(items=[view_firing(one) for one in page], next=str(page[-1].id) if len(found) > limit else None)


def _changed(context: Context, name: str, at: datetime, done: str, *, nothing: str = "") -> ChangedSchedule:
    """The answer of a call that changes a schedule: what was done, or why nothing was."""
    message = done or f"nothing changed: {nothing}"
    return ChangedSchedule(**dict(get_schedule(context, name, at)), changed=bool(done), message=message)


def change_schedule(context: Context, name: str, change: ScheduleChange, at: datetime) -> ChangedSchedule:
    """Change the given fields. A resumed schedule fires at its next time; firings during the pause are not missed.

    Raises:
        NotFoundError: there is no schedule with that name.
        StudyError: with every problem of the given fields.
    """
    given = change.model_dump(exclude_unset=True)
    if "cron" in given:
        given["cron"] = plain_cron(given["cron"])
    while (values := _change(context, name, given, at)) is None:
        continue
    if given.keys() == {"paused"}:
        done = "paused: it fires nothing until it is resumed" if given["paused"] else "resumed"
        nothing = "the schedule is already paused" if given["paused"] else "the schedule is not paused"
    else:
        done, nothing = f"changed: {', '.join(values)}", "the schedule has these values already"
    return _changed(context, name, at, done if values else "", nothing=nothing)


def _change(context: Context, name: str, given: dict[str, Any], at: datetime) -> dict[str, Any] | None:
    """Check and store a change. Returns the values that differ; None, and stores nothing, if another came in between.

    The study is planned before the transaction, because that may take seconds; the transaction verifies that the
    checked fields are still current.
    """
    with context.store.read() as connection:
        before = stored.get_schedule(connection, name)
    _check(context, _fields(before) | given, given.keys(), at)
    with context.store.write() as connection:
        schedule = stored.get_schedule(connection, name, locked=True)
        if _fields(schedule) != _fields(before):
            return None
        values = {field: value for field, value in given.items() if value != getattr(schedule, field)}
        if values:
            consequences = _follow(schedule, values, at)
            stored.change_schedule(connection, schedule.seq, values | consequences | {"changed_at": at})
    return values


def _fields(schedule: Schedule) -> dict[str, Any]:
    """The fields of a schedule that a user sets."""
    return {field: getattr(schedule, field) for field in (*ScheduleSpec.model_fields, "paused")}


def _follow(schedule: Schedule, values: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Further changes that follow from these. A paused schedule has no next time until it is resumed."""
    wanted = _fields(schedule) | values
    follows: dict[str, Any] = {}
    if not wanted["paused"] and {"cron", "tz", "paused"} & values.keys():
        follows |= _times(schedule.name, wanted, at)
    elif not wanted["paused"] and "jitter_s" in values:  # a time that is already due still fires
        follows["due_at"] = due_time(schedule.name, schedule.next_at, values["jitter_s"])
    if any(field in values for field in STUDY_FIELDS):
        follows |= _new_reference(at) | {"renews": False}
    return follows


def remove_schedule(context: Context, name: str) -> None:
    """Remove a schedule with its history. The studies that it started stay, and running trials continue.

    Raises:
        NotFoundError: there is no schedule with that name.
    """
    with context.store.write() as connection:
        stored.remove_schedule(connection, stored.get_schedule(connection, name, locked=True).seq)


def trigger(context: Context, name: str, at: datetime) -> FiringView:
    """Fire a schedule now, even if it is paused.

    Raises:
        NotFoundError: there is no schedule with that name.
        ConflictError: a firing waits or runs, and the schedule's policy is not to queue another one.
    """
    with context.store.write() as connection:
        schedule = stored.get_schedule(connection, name, locked=True)
        if (open_ := firings.find_open(connection, schedule.seq)) and schedule.overlap == "skip":
            waits = "runs" if open_.state == "running" else "waits"
            busy = f"the firing of {open_.instant:%Y-%m-%d %H:%M} UTC still {waits}"
            raise ConflictError(f"{busy}; wait until it has ended, or set the schedule's overlap to 'queue'")
        firing_id = firings.add_firing(connection, schedule.seq, at, cause="manual", state="queued")
        if firing_id is None:
            raise ConflictError("the schedule was triggered at the same time by another call; see its history")
    if open_ is None:
        with context.store.read() as connection:
            waiting = firings.get_firing(connection, firing_id)
        launch.launch(context, waiting, at)
    with context.store.read() as connection:
        return view_firing(firings.get_firing(connection, firing_id))


def acknowledge(context: Context, name: str, given: Acknowledgement, at: datetime) -> ChangedSchedule:
    """Close the open alarms of a schedule and start a new reference window; mark its unknown rows as known.

    Without an open alarm, the reference stays: the other rows are watched as before.

    Raises:
        NotFoundError: there is no schedule with that name.
        ConflictError: there is nothing to acknowledge.
        StudyError: the reference of a schedule that trains new seeds cannot be kept.
    """
    with context.store.write() as connection:
        schedule = stored.get_schedule(connection, name, locked=True)
        if given.keep_reference and schedule.mode == "fresh":
            text = "a schedule of mode 'fresh' has no reference to keep; acknowledge without keeping it"
            raise StudyError([Problem("/keep_reference", "invalid", text)])
        closed = alarms.acknowledge_alarms(connection, schedule.seq, given.reason, at)
        if not losses.acknowledge_unknown(connection, schedule, given.reason, at) and not closed:
            text = f"schedule '{name}' has no open alarm and no unknown row, so there is nothing to acknowledge"
            raise ConflictError(
                f"{text}; its reference stays",
                rest=f"see GET /api/v1/schedules/{name}/history",
                command=f"see `ablate schedule history {name}`",
            )
        if closed:
            renewal = {} if given.keep_reference else {"reference": None, "renews": True}
            stored.change_schedule(connection, schedule.seq, {"watched_from": at} | renewal)
    alarms_text = f"{counted(closed, 'alarm')} closed" if closed else "unknown rows are marked as known"
    return _changed(context, name, at, f"acknowledged: {alarms_text}")
