"""The forest plot: each row's difference from the baseline with its interval, and printed differences as hollow
diamonds.

Decided rows have a mark of a different shape, so the plot does not depend on colour.
"""

from __future__ import annotations

from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ablate.statistics.decisions.row_comparison import LARGEST
from ablate.tables.cells import difference_text
from ablate.tables.plots import canvas
from ablate.tables.plots.look import PlotLook
from ablate.tables.table import Table, TableRow
from ablate.tables.words import fixed


def draw_forest(table: Table, decimals: int, look: PlotLook) -> Figure:
    """One line per row, with the numbers on the right; a narrow plot has no room for the ends of the intervals."""
    lines = canvas.grouped_rows(table)
    figure = canvas.new_figure(table, canvas.rows_height_in(lines), look=look)
    axes = canvas.row_axes(figure, lines)
    if table.margin:
        margin = min(table.margin, LARGEST)
        axes.axvspan(-margin, margin, **MARGIN)
    axes.axvline(0, color=canvas.GREY, linewidth=1, linestyle="--")
    for place, line in enumerate(lines):
        if not isinstance(line, str):
            _draw_row(axes, place, line, table, decimals)
    what, arrow = f"difference in {canvas.metric_label(table.metric)}", canvas.better(table.lower_is_better)
    axes.set_xlabel(f"{what}  {arrow}" if canvas.is_narrow() else f"{what} from the baseline  {arrow}")
    axes.margins(x=0.08)
    _keep_zero_inside(axes)
    _legend(axes, table)
    return figure


def _draw_row(axes: Axes, place: int, row: TableRow, table: Table, decimals: int) -> None:
    cell = row.cells[table.metric]
    if row.baseline:
        axes.plot([0], [place], marker="|", markersize=11, color=canvas.INK, markeredgewidth=2)
        canvas.write_beside(axes, place, "baseline")
    elif cell.diff is None:
        canvas.write_beside(axes, place, "diverged" if row.n_diverged and not row.n_ok else "no result")
    else:
        low, high = cell.diff.low, cell.diff.high
        if cell.tested and cell.tested.simultaneous:
            ends = [cell.tested.simultaneous.low, cell.tested.simultaneous.high]
            axes.plot(ends, [place, place], **SIMULTANEOUS)
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], **INTERVAL)
        axes.plot([cell.diff.mean], [place], **MARKS.get(cell.decision or "", OPEN))
        decided = f" {cell.decision}" if cell.decision and cell.decision != "undecided" else ""
        difference = (
            fixed(cell.diff.mean, decimals, signed=True) if canvas.is_narrow() else difference_text(cell, decimals)
        )
        canvas.write_beside(axes, place, difference + decided)
    if cell.published and cell.published.diff is not None:
        axes.plot([cell.published.diff], [place], **PRINTED)


DECIDED: dict[str, Any] = {"marker": "o", "markersize": 6, "color": canvas.TEAL, "zorder": 3}
OPEN: dict[str, Any] = DECIDED | {"markerfacecolor": "white", "markeredgewidth": 1.4}
EQUIVALENT: dict[str, Any] = DECIDED | {"marker": "s"}
MARKS = {"better": DECIDED, "worse": DECIDED, "equivalent": EQUIVALENT}
"""Marks by decision; rows that are undecided or not tested have an open mark."""
INTERVAL: dict[str, Any] = {"color": canvas.TEAL, "linewidth": 2.4, "solid_capstyle": "butt"}
SIMULTANEOUS: dict[str, Any] = {"color": canvas.TEAL, "linewidth": 0.8}
MARGIN: dict[str, Any] = {"color": canvas.FAINT, "alpha": 0.45, "linewidth": 0, "zorder": 0}
PRINTED: dict[str, Any] = {
    "marker": "D", "markersize": 7, "markerfacecolor": "none", "markeredgecolor": canvas.ORANGE,
    "markeredgewidth": 1.4, "linestyle": "none", "zorder": 4,
}  # fmt: skip


def _keep_zero_inside(axes: Axes) -> None:
    low, high = axes.get_xlim()
    if not axes.lines or low == high:
        axes.set_xlim(-1, 1)


def _legend(axes: Axes, table: Table) -> None:
    """A legend of the marks and lines that this plot contains."""
    cells = [row.cells[table.metric] for row in table.rows]
    decisions = {cell.decision for cell in cells}
    marks: dict[str, tuple[set[str | None], dict[str, Any]]] = {
        "better or worse": ({"better", "worse"}, DECIDED),
        "equivalent": ({"equivalent"}, EQUIVALENT),
        "undecided" if decisions & {*MARKS, "undecided"} else "not tested": ({"undecided", None}, OPEN),
    }
    handles: list[Artist] = []
    for label, (meant, mark) in marks.items():
        if decisions & meant:
            handles += axes.plot([], [], **mark, linestyle="none", label=label)
    if any(cell.diff is not None and cell.diff.low is not None for cell in cells):
        handles += axes.plot([], [], **INTERVAL, label="95 % t interval")
    if any(cell.tested and cell.tested.simultaneous for cell in cells):
        handles += axes.plot([], [], **SIMULTANEOUS, label="simultaneous interval")
    if table.margin:
        handles.append(Patch(**MARGIN, label=f"margin ±{table.margin:g}"))
    if any(cell.published and cell.published.diff is not None for cell in cells):
        handles += axes.plot([], [], **PRINTED, label="printed")
    canvas.legend_below(axes, handles, 4)
