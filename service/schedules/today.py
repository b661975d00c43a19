"""The daily report: what happened since a given time, and the next firings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from ablate.remote.documents.firings import AlarmView, NextFiring, ScheduledFiring, Today
from ablate.remote.documents.studies import Finding, StudyView
from service.context import Context
from service.faults.disk import FREE_BYTES
from service.schedules.losses import unknown_text
from service.schedules.view import is_stuck, next_text, view_firing
from service.store import studies
from service.store.heartbeat import find_machines
from service.store.overview import read_overviews
from service.store.schedules import alarms, firings, schedules
from service.store.schedules.firings import Firing
from service.store.schedules.schedules import Schedule
from service.store.session import Connection
from service.studies.view import view_study

DEFAULT_SPAN = timedelta(days=1)
MAX_ENDED = 200


def get_today(context: Context, since: datetime | None, at: datetime) -> Today:
    """The report since a given time, by default one day ago."""
    start = since or at - DEFAULT_SPAN
    with context.store.read() as connection:
        finished = _view_ended(connection, start)
        troubled = firings.list_troubled(connection, start)
        doubtful = firings.list_doubtful(connection, start)
        open_, upcoming = alarms.list_open(connection), schedules.list_schedules(connection)
    missed = [ScheduledFiring(schedule=name, firing=view_firing(one)) for name, one in troubled]
    holes = [study for study in finished if study.state == "failed"]
    free = context.free_bytes()
    attention = [
        *_of_alarms(open_), *_of_unknown(doubtful), *_of_holes(holes), *_of_missed(missed), *_of_stuck(upcoming, at),
        *_of_disk(free),
    ]  # fmt: skip
    return Today(
        since=start,
        until=at,
        needs_person=bool(attention),
        attention=attention,
        finished=finished,
        holes=holes,
        missed=missed,
        alarms=open_,
        next=[
            NextFiring(schedule=one.name, next_at=one.next_at, next_text=next_text(one, at))
            for one in sorted(upcoming, key=lambda one: one.due_at)
            if not one.paused and not is_stuck(one)
        ],
        free_mib=free >> 20,
    )


def _view_ended(connection: Connection, since: datetime) -> list[StudyView]:
    ended = studies.list_ended(connection, since, MAX_ENDED)
    overviews, machines = read_overviews(connection, ended), find_machines(connection)
    return [view_study(stored, overviews[stored.seq], machines) for stored in ended]


def _of_alarms(open_: Sequence[AlarmView]) -> Iterator[Finding]:
    for alarm in open_:
        command = f"acknowledge it with: ablate schedule ack {alarm.schedule} --reason ..."
        yield Finding(pointer=f"/schedules/{alarm.schedule}", code="drift", message=f"{alarm.sentence}; {command}")


def _of_unknown(doubtful: Sequence[tuple[str, Firing]]) -> Iterator[Finding]:
    for schedule, firing in doubtful:
        if text := unknown_text(firing):
            known = f"if it is known: ablate schedule ack {schedule} --reason ..."
            message = f"schedule {schedule}, {firing.instant:%Y-%m-%d %H:%M} UTC: {text}; {known}"
            yield Finding(pointer=f"/schedules/{schedule}", code="unknown", message=message)


def _of_holes(holes: Sequence[StudyView]) -> Iterator[Finding]:
    for study in holes:
        text = f"study {study.name} ({study.id}): {study.reason}"
        yield Finding(pointer=f"/studies/{study.id}", code="holes", message=text)


def _of_missed(missed: Sequence[ScheduledFiring]) -> Iterator[Finding]:
    for one in missed:
        firing = one.firing
        if firing.state in ("missed", "refused"):
            text = f"schedule {one.schedule}, {firing.instant:%Y-%m-%d %H:%M} UTC {firing.state}: {firing.reason}"
            yield Finding(pointer=f"/schedules/{one.schedule}", code=firing.state, message=text)


def _of_stuck(found: Sequence[Schedule], at: datetime) -> Iterator[Finding]:
    for schedule in filter(is_stuck, found):
        text = f"schedule {schedule.name}: {next_text(schedule, at)}"
        yield Finding(pointer=f"/schedules/{schedule.name}", code="stuck", message=text)


def _of_disk(free: int) -> Iterator[Finding]:
    if free < FREE_BYTES:
        text = f"only {free >> 20} MiB are free on the service's disk, so no new trials start; free some space"
        yield Finding(pointer="", code="disk", message=text)
