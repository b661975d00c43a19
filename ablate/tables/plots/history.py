"""The history of a schedule: a panel for each row, narrow enough for a phone.

It shows means with their intervals over time and the shaded reference window, whose mean is extended. An open alarm is
a full line with a filled triangle, an acknowledged alarm a dotted line with a hollow triangle. The estimated first
changed firing is a dashed line with a diamond. A mean that lacks lost seeds is hollow, and a firing at which all seeds
were lost has a cross at the bottom. The plot does not depend on colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ablate.tables.history import History, HistoryAlarm, HistoryRow, alarm_sentence
from ablate.tables.plots import canvas
from ablate.tables.plots.fonts import printable
from ablate.tables.words import decimals_of

WIDTH_IN, PANEL_IN = 4.1, 1.55
TITLE_CHARACTERS, TITLE_PT, LABEL_PT = 46, 10, 8.5
TITLE_IN, LABEL_IN = 3.9, 3.6
"""Widths available for a line of the title and for the heading of a panel."""
DAY_S = 86_400
HALF_FIRING = 0.5
"""Margin of a shaded window at both ends, as a share of the typical pause between firings."""

POINT: dict[str, Any] = {
    "marker": "o", "markersize": 3.2, "linestyle": "none", "color": canvas.TEAL, "zorder": 3,
}  # fmt: skip
PARTIAL: dict[str, Any] = POINT | {"markerfacecolor": "white", "markersize": 4.2}
UNKNOWN: dict[str, Any] = {"marker": "x", "markersize": 6, "linestyle": "none", "color": canvas.ORANGE, "zorder": 3}
INTERVAL: dict[str, Any] = {"color": canvas.TEAL, "linewidth": 1.0, "alpha": 0.55, "zorder": 2}
WINDOW: dict[str, Any] = {"facecolor": canvas.FAINT, "edgecolor": canvas.GREY, "linewidth": 0.4, "hatch": "////"}
LEVEL: dict[str, Any] = {"color": canvas.INK, "linewidth": 0.9, "linestyle": "-", "zorder": 1}
CHANGED: dict[str, Any] = {"color": canvas.ORANGE, "linewidth": 1.1, "linestyle": "--", "marker": "D", "markersize": 4}
OPEN: dict[str, Any] = {"color": canvas.ORANGE, "linewidth": 1.6, "linestyle": "-", "marker": "v", "markersize": 7}
CLOSED: dict[str, Any] = {
    "color": canvas.GREY, "linewidth": 1.2, "linestyle": ":", "marker": "v", "markersize": 7,
    "markerfacecolor": "white",
}  # fmt: skip


def draw_history(history: History, row: str | None = None) -> Figure:
    """One row, or all rows below each other over the same time axis.

    Raises:
        TableError: there is no such row.
    """
    rows = [history.row(row)] if row is not None else history.rows
    figure = Figure(figsize=(WIDTH_IN, 1.5 + PANEL_IN * max(1, len(rows))), layout="constrained", facecolor="white")
    lines = canvas.wrapped(f"{history.schedule}: {history.measure}", TITLE_CHARACTERS).splitlines()
    title = "\n".join(canvas.fitted(line, TITLE_IN, TITLE_PT) for line in lines)
    figure.suptitle(printable(title), x=0.01, ha="left", fontsize=TITLE_PT)
    if not any(one.points or one.unknown for one in rows):
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no firing with a result yet", ha="center", va="center", color=canvas.GREY)
        return figure
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for axes, one in zip(panels, rows, strict=True):
        _draw_row(axes, one, history)
    _date(panels[-1])
    figure.legend(handles=_legend(panels[0], rows), loc="outside lower left", ncols=2, frameon=False, fontsize=8)
    return figure


def _date(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=6, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]


def _draw_row(axes: Axes, row: HistoryRow, history: History) -> None:
    margin = HALF_FIRING * _pause(history.instants)
    for window in row.windows:
        axes.axvspan(_x(window.first) - margin, _x(window.last) + margin, zorder=0, **WINDOW)
        axes.plot([_x(window.first), _x(window.until)], [window.mean] * 2, **LEVEL)
    ends = [(_x(one.at), one.low, one.high) for one in row.points if one.low is not None and one.high is not None]
    if ends:
        places, low, high = zip(*ends, strict=True)
        axes.vlines(places, low, high, **INTERVAL)
    for look, is_partial in ((POINT, False), (PARTIAL, True)):
        points = [point for point in row.points if bool(point.lost) == is_partial]
        axes.plot([_x(point.at) for point in points], [point.mean for point in points], **look)
    if row.unknown:
        instants, bottom = [_x(at) for at in row.unknown], [0.0] * len(row.unknown)
        axes.plot(instants, bottom, transform=axes.get_xaxis_transform(), clip_on=False, **UNKNOWN)
    if not row.points:
        axes.set_yticks([])
    for alarm in row.alarms:
        if alarm.changed_at != alarm.at:
            _mark(axes, alarm.changed_at, CHANGED)
        _mark(axes, alarm.at, _look(alarm))
    axes.set_title(printable(_title(row, _decimals_of(history))), fontsize=LABEL_PT)
    axes.grid(axis="y", color=canvas.FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.margins(x=0.03, y=0.12)


def _decimals_of(history: History) -> int:
    """Decimals that show two digits of the typical half interval of a firing's mean."""
    ends = [(point.low, point.high) for row in history.rows for point in row.points]
    return decimals_of((high - low) / 2 for low, high in ends if low is not None and high is not None)


def _title(row: HistoryRow, decimals: int) -> str:
    """The label and, below it, the open alarms."""
    still = [alarm for alarm in row.alarms if alarm.acknowledged is None]
    lines = [row.label, *(alarm_sentence(alarm, decimals) for alarm in still)]
    return "\n".join(canvas.fitted(line, LABEL_IN, LABEL_PT) for line in lines)


def _look(alarm: HistoryAlarm) -> dict[str, Any]:
    return OPEN if alarm.acknowledged is None else CLOSED


def _mark(axes: Axes, at: datetime, look: dict[str, Any]) -> None:
    """A line over the whole height with its mark at the top."""
    axes.plot([_x(at)] * 2, [0, 1], transform=axes.get_xaxis_transform(), markevery=[1], clip_on=False, **look)


def _pause(instants: Sequence[datetime]) -> float:
    """The median pause between firings, in days."""
    pauses = sorted(_x(after) - _x(before) for before, after in pairwise(instants))
    return pauses[len(pauses) // 2] if pauses else 1.0


def _x(at: datetime) -> float:
    """Days since 1970, as matplotlib counts dates."""
    return at.timestamp() / DAY_S


def _legend(axes: Axes, rows: Sequence[HistoryRow]) -> list[Artist]:
    """A legend of the marks and lines that this plot contains."""
    alarms = [alarm for row in rows for alarm in row.alarms]
    has_interval = any(point.low is not None for row in rows for point in row.points)
    lines = {
        "mean, 95 % interval" if has_interval else "one seed": (POINT, True),
        "mean over the seeds that ended": (PARTIAL, any(point.lost for row in rows for point in row.points)),
        "all seeds lost": (UNKNOWN, any(row.unknown for row in rows)),
        "alarm": (OPEN, any(alarm.acknowledged is None for alarm in alarms)),
        "acknowledged alarm": (CLOSED, any(alarm.acknowledged is not None for alarm in alarms)),
        "estimated change": (CHANGED, any(alarm.changed_at != alarm.at for alarm in alarms)),
    }
    handles: list[Artist] = []
    for label, (look, is_there) in lines.items():
        if is_there:
            handles += axes.plot([], [], label=label, **look)
    if any(row.windows for row in rows):
        handles += [Patch(**WINDOW, label="reference window"), *axes.plot([], [], **LEVEL, label="its mean")]
    return handles
