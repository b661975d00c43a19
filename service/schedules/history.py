"""The history of a schedule as a plot: results of each firing, reference windows, alarms and change points."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ablate.errors import TableError
from ablate.remote.documents.firings import AlarmView
from ablate.study.document import Study
from ablate.tables.history import Heading, History, HistoryAlarm, build_history
from ablate.tables.plots.look import PlotLook
from ablate.trials.registry import get_task
from service.context import Context
from service.errors import NotFoundError
from service.store.schedules import alarms, firings, schedules
from service.store.schedules.firings import Firing
from service.store.schedules.schedules import Schedule


def draw_history(context: Context, name: str, row: str | None, format: str, look: PlotLook = PlotLook()) -> bytes:
    """The plot of a schedule's history, for all rows or for one.

    Raises:
        NotFoundError: there is no schedule with that name, no such row in its history, or no such theme in the format.
    """
    from ablate.tables.plots.plot import plot_history

    try:
        return plot_history(get_history(context, name), row, format, look=look)
    except TableError as error:
        raise NotFoundError(str(error)) from error


def get_history(context: Context, name: str) -> History:
    """The rows of a schedule at each firing with results.

    Raises:
        NotFoundError: there is no schedule with that name.
    """
    with context.store.read() as connection:
        schedule = schedules.get_schedule(connection, name)
        done = firings.list_measured(connection, schedule.seq, schedule.created_at)
        raised = alarms.list_alarms(connection, [schedule.seq], is_open=None)
    return build_history(
        _heading(schedule, done),
        [(one.instant, _values_of(one)) for one in done],
        lost={one.instant: {row["row"]: row["lost"] for row in one.rows} for one in done},
        alarms=[_shown(alarm) for alarm in raised],
        restarts=_restarts(schedule, raised) if schedule.mode == "fresh" else (),
        reference=schedule.reference_firings,
    )


def _heading(schedule: Schedule, done: Sequence[Firing]) -> Heading:
    study = Study.parse(schedule.study)
    task = get_task(str(study.base.get("task", "classify"))).task
    metric = (done[-1].metric if done else None) or study.metric or next(iter(task.metrics))
    return Heading(schedule.name, metric, task.metrics[metric])


def _values_of(firing: Firing) -> dict[str, dict[int, float]]:
    return {row["row"]: {int(seed): value for seed, value in row["values"].items()} for row in firing.rows}


def _shown(alarm: AlarmView) -> HistoryAlarm:
    return HistoryAlarm(
        row=alarm.row,
        at=alarm.instant,
        changed_at=alarm.changed_instant,
        direction=alarm.direction,
        size=alarm.size,
        acknowledged=alarm.ack_reason,
    )


def _restarts(schedule: Schedule, raised: Sequence[AlarmView]) -> list[datetime]:
    """Start times of reference windows: the schedule's creation, and each acknowledged change.

    An unknown row that was acknowledged is stored at that moment, and restarts nothing.
    """
    acknowledged = {
        one.acknowledged_at for one in raised if one.acknowledged_at and one.acknowledged_at > one.raised_at
    }
    return sorted({schedule.created_at, schedule.watched_from} | acknowledged)
