"""Schedules at a service: `client.schedules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ablate.remote.answers import read_answer
from ablate.remote.choices import Missed, Mode, Overlap, PlotFormat
from ablate.remote.documents.firings import FiringView
from ablate.remote.documents.schedules import ChangedSchedule, ScheduleView
from ablate.remote.documents.studies import Page
from ablate.remote.names import check_schedule_name
from ablate.remote.tasks import Tasks
from ablate.study.source import StudySource

if TYPE_CHECKING:
    from ablate.remote.connection import Connection


class ScheduleSettings(TypedDict, total=False):
    """Settings of a schedule; `ablate.remote.documents.schedules.Policies` has their defaults and ranges."""

    tz: str
    mode: Mode
    scale: str | None
    seeds: int | None
    priority: int | None
    missed: Missed
    grace_s: int
    overlap: Overlap
    jitter_s: int
    tolerance: float
    reference_firings: int
    false_alarm_every: int


class ScheduleChanges(ScheduleSettings, total=False):
    """What a change of a schedule may set."""

    cron: str
    study: dict[str, Any]
    paused: bool


class Schedules:
    """The schedules of a service; an attribute of `Client`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, name: str, cron: str, study: StudySource, **settings: Unpack[ScheduleSettings]) -> ChangedSchedule:
        """Add a schedule that re-runs a study. The same schedule again changes nothing.

        Args:
            name: name of the schedule.
            cron: cron expression: minute, hour, day of month, month, weekday.
            study: a path to a study file, a mapping, or a `Study`.
            **settings: such as `tz="Europe/Berlin"`, `mode="fresh"`; see `ScheduleSettings`.

        Returns:
            The schedule, with its next firing.

        Raises:
            StudyError: with every problem of the schedule and of its study.
            RefusedError: another schedule has this name.

        Example:
            >>> client.schedules.add("nightly", "0 2 * * *", "study.toml", tz="Europe/Berlin").next_text
        """
        body = {"name": name, "cron": cron, "study": Tasks(self._connection).document_of(study), **settings}
        return read_answer(ChangedSchedule, self._connection.post("/schedules", body))

    def all(self) -> list[ScheduleView]:
        """All schedules, newest first."""
        return [self._read(one) for one in self._connection.get_all("/schedules")]

    def get(self, name: str) -> ScheduleView:
        """One schedule; RefusedError if there is none of this name."""
        return self._read(self._connection.get(_path(name)))

    def change(self, name: str, **changes: Unpack[ScheduleChanges]) -> ChangedSchedule:
        """Change the given settings of a schedule; another study, scale, mode or seeds start a new reference."""
        return read_answer(ChangedSchedule, self._connection.patch(_path(name), changes))

    def pause(self, name: str) -> ChangedSchedule:
        """Fire nothing until the schedule is resumed."""
        return self.change(name, paused=True)

    def resume(self, name: str) -> ChangedSchedule:
        """Resume a paused schedule at its next instant."""
        return self.change(name, paused=False)

    def remove(self, name: str) -> None:
        """Remove a schedule with its history; the studies that it fired stay."""
        self._connection.delete(_path(name))

    def trigger(self, name: str) -> FiringView:
        """Fire a schedule now, even if it is paused; the firing is `refused` if its study cannot be submitted."""
        return read_answer(FiringView, self._connection.post(f"{_path(name)}/trigger"))

    def acknowledge(self, name: str, reason: str, *, keep_reference: bool = False) -> ChangedSchedule:
        """Close the open alarms of a schedule.

        Args:
            name: name of the schedule.
            reason: cause of the change, for the history.
            keep_reference: keep comparing with the present reference, because the cause is fixed; else the next
                firing trains a new one.
        """
        body = {"reason": reason, "keep_reference": keep_reference}
        return read_answer(ChangedSchedule, self._connection.post(f"{_path(name)}/ack", body))

    def history(self, name: str, *, limit: int = 50, cursor: str | None = None) -> Page[FiringView]:
        """A page of the firings of a schedule, newest first.

        Args:
            name: name of the schedule.
            limit: number of firings, at most 200.
            cursor: `next` of the previous page.
        """
        answer = self._connection.get(f"{_path(name)}/history", limit=limit, cursor=cursor)
        return read_answer(Page[FiringView], answer)

    def plot(self, name: str, format: PlotFormat = "svg", *, row: str | None = None) -> bytes:
        """The history of a schedule, of one row or of all, as the bytes of an image file."""
        return self._connection.get_bytes(f"{_path(name)}/history.{format}", row=row)

    def _read(self, answer: object) -> ScheduleView:
        return read_answer(ScheduleView, answer)


def _path(name: str) -> str:
    return f"/schedules/{check_schedule_name(name)}"
