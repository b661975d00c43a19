"""What the commands about schedules print on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablate.cli.output import say
from service.cli.show_studies import minute_text, show_rows

if TYPE_CHECKING:
    from ablate.remote.documents.firings import AlarmView, FiringView, Today
    from ablate.remote.documents.schedules import ScheduleView


def show_schedules(schedules: Sequence[ScheduleView]) -> None:
    """One line for each schedule."""
    show_rows(
        ("name", "study", "mode", "next", "last", "needs"),
        [(one.name, one.study_name, one.mode, one.next_text, _last(one.last), _needs(one)) for one in schedules],
        ("mode", "last", "study"),
    )


def show_history(schedule: ScheduleView, firings: Sequence[FiringView]) -> None:
    """The firings of a schedule, and its open alarms with what differs."""
    show_rows(
        ("instant (UTC)", "kind", "state", "study", "found"),
        [(minute_text(one.instant), _kind(one), one.state, one.study_id or "-", _found(one)) for one in firings],
        ("kind", "study"),
    )
    for alarm in schedule.alarms:
        show_alarm(alarm)


def show_alarm(alarm: AlarmView) -> None:
    """An alarm, and what differs between the last good firing and the first changed one."""
    say(f"alarm of {minute_text(alarm.instant)} UTC, row '{alarm.row}': {alarm.sentence}")
    for one in alarm.differences:
        say(f"  {one.what}: {one.then} -> {one.now}")


def show_today(today: Today) -> None:
    """Recent results on one screen; what needs a person comes first."""
    ended = f"{len(today.finished)} {'study' if len(today.finished) == 1 else 'studies'} ended"
    say(f"since {minute_text(today.since)} UTC: {ended}")
    for finding in today.attention:
        say(f"! {finding.code}: {finding.message}")
    for study in today.finished:
        by = f", schedule {study.schedule}" if study.schedule else ""
        say(f"  {study.state:9} {study.name} ({study.id}{by})")
    for missed in today.missed:
        say(f"  {missed.firing.state:9} {missed.schedule}, {minute_text(missed.firing.instant)} UTC")
    for coming in today.next:
        say(f"  next      {coming.schedule}: {coming.next_text}")
    if not today.needs_person:
        say("nothing needs a person")


def _needs(schedule: ScheduleView) -> str:
    if schedule.alarms:
        return f"{len(schedule.alarms)} to acknowledge"
    return "attention" if schedule.needs_person else "-"


def _kind(firing: FiringView) -> str:
    return (firing.kind or "-") + (" (manual)" if firing.cause == "manual" else "")


def _last(firing: FiringView | None) -> str:
    if firing is None:
        return "-"
    drift = f", {firing.drift.state}" if firing.drift else ""
    return f"{minute_text(firing.instant)} {firing.state}{drift}"


def _found(firing: FiringView) -> str:
    parts = [firing.drift.sentence] if firing.drift else []
    parts += [firing.reason] if firing.reason else []
    return "; ".join(parts) or "-"
