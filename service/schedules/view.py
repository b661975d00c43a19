"""Schedules and firings as REST documents, from their rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ablate.remote.documents.firings import AlarmView, FiringView
from ablate.remote.documents.schedules import ScheduleLinks, ScheduleView
from ablate.tables.words import duration_text
from service.schedules.instants import find_zone_fault, in_words, is_too_frequent, local_text
from service.schedules.launch import Reference
from service.schedules.losses import unknown_text
from service.store.schedules.firings import Firing
from service.store.schedules.schedules import Schedule
from service.store.sql import document_of

TROUBLE = ("holes", "cancelled", "refused", "missed")


def view_firing(firing: Firing) -> FiringView:
    """A firing's view."""
    return document_of(FiringView, firing)


def view_schedule(schedule: Schedule, last: Firing | None, alarms: Sequence[AlarmView], at: datetime) -> ScheduleView:
    """A schedule's view.

    Args:
        schedule: its row.
        last: its newest firing that was not skipped.
        alarms: its open alarms.
        at: the current time.
    """
    base = f"/api/v1/schedules/{schedule.name}"
    links = {"self": base, "history": f"{base}/history", "studies": f"/api/v1/studies?schedule={schedule.name}"}
    reference = Reference.from_json(schedule.reference) if schedule.reference else None
    return document_of(
        ScheduleView,
        schedule,
        cron_text=in_words(schedule.cron),
        study_name=schedule.study["name"],
        state="paused" if schedule.paused else "active",
        next_at=None if schedule.paused or is_stuck(schedule) else schedule.next_at,
        next_text=next_text(schedule, at),
        last=view_firing(last) if last else None,
        alarms=list(alarms),
        reference_at=datetime.fromisoformat(reference.instant) if reference and reference.instant else None,
        needs_person=bool(alarms) or (last is not None and _is_in_trouble(last)) or is_stuck(schedule),
        links=ScheduleLinks(**links),
    )


def _is_in_trouble(firing: Firing) -> bool:
    return firing.state in TROUBLE or unknown_text(firing) is not None


def is_stuck(schedule: Schedule) -> bool:
    """Whether it is active and cannot fire, because this machine does not know its time zone."""
    return not schedule.paused and find_zone_fault(schedule.tz) is not None


def next_text(schedule: Schedule, at: datetime) -> str:
    """The next firing in words, such as `Thu 26 Nov 2026, 02:00 CET (in 3 h 52 min)`; or why there is none."""
    if schedule.paused:
        return "paused; does not fire until it is resumed"
    if fault := find_zone_fault(schedule.tz):
        return f"cannot fire: {fault}"
    wait_s = (schedule.due_at - at).total_seconds()
    until = f"in {duration_text(wait_s)}" if wait_s > 0 else "due now"
    jitter = f", up to {schedule.jitter_s} s late" if schedule.jitter_s else ""
    often = "; warning: less than 5 minutes apart; choose a longer interval" if is_too_frequent(schedule.cron) else ""
    return f"{local_text(schedule.next_at, schedule.tz)} ({until}{jitter}){often}"
