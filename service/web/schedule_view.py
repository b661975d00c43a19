"""The schedules' pages: what needs attention, the next firing of each schedule, and the results of its firings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ablate.remote.documents.firings import FiringView, Today
from ablate.remote.documents.schedules import ScheduleView
from ablate.remote.documents.studies import Page
from service.context import Context
from service.schedules import lifecycle
from service.schedules.today import get_today
from service.web.draw import Chart, draw_curves

PAGE = 50
FIRING_SIGNS = {
    "queued": "○", "running": "◐", "done": "●", "holes": "✕", "cancelled": "⊘", "skipped": "⊘", "missed": "✕",
    "refused": "✕",
}  # fmt: skip
"""A sign for each state of a firing, next to its word."""
DRIFT_SIGNS = {"reference": "○", "steady": "●", "alarm": "▲", "unknown": "?"}
"""A sign for each drift state of a firing."""


@dataclass(frozen=True, slots=True)
class SchedulesPage:
    """Content of the page of schedules."""

    schedules: Page[ScheduleView]
    today: Today
    is_first: bool


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """Content of a schedule's page.

    Attributes:
        history: its firings, newest first.
        chart: each row's mean by firing, oldest first.
    """

    schedule: ScheduleView
    history: Page[FiringView]
    chart: Chart | None

    def compared(self, firing: FiringView) -> tuple[str, str] | None:
        """Ids of the studies of the previous firing with a study and of this one; None if one is missing."""
        older = self.history.items[self.history.items.index(firing) + 1 :]
        before = next((one.study_id for one in older if one.study_id), None)
        return (before, firing.study_id) if before and firing.study_id else None


def read_schedules_page(context: Context, cursor: str | None, at: datetime) -> SchedulesPage:
    """Schedules, newest first, and what happened since yesterday.

    Raises:
        StudyError: the cursor is unknown.
    """
    found = lifecycle.list_schedules(context, at, limit=PAGE, cursor=cursor)
    return SchedulesPage(found, get_today(context, None, at), cursor is None)


def read_schedule_page(context: Context, name: str, cursor: str | None, at: datetime) -> SchedulePage:
    """A schedule with a page of its firings.

    Raises:
        NotFoundError: there is no schedule with that name.
        StudyError: the cursor is unknown.
    """
    schedule = lifecycle.get_schedule(context, name, at)
    history = lifecycle.list_history(context, name, limit=PAGE, cursor=cursor)
    return SchedulePage(schedule, history, _draw(history.items))


def _draw(firings: Sequence[FiringView]) -> Chart | None:
    """The rows' means over the firings that have results; newer firings are to the right."""
    measured = [firing for firing in reversed(firings) if firing.metric and firing.rows]
    if not measured:
        return None
    metric = measured[-1].metric or ""
    rows = list(dict.fromkeys(row.row for firing in measured for row in firing.rows))
    curves = [
        (
            label,
            0,
            [
                {"step": number, "metrics": {metric: row.mean}}
                for number, firing in enumerate(measured, 1)
                for row in firing.rows
                if row.row == label and row.mean is not None
            ],
        )
        for label in rows
    ]
    return draw_curves(rows, curves, metric, counted=True)
