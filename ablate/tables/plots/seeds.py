"""The strip plot: the value of every seed, the mean of each row, and the baseline's mean as a line in its group."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.tables.plots import canvas
from ablate.tables.plots.look import PlotLook
from ablate.tables.table import Table, TableRow

SPREAD = 0.22
"""Half the height for the seeds of a row, in lines."""


def draw_seeds(table: Table, look: PlotLook) -> Figure:
    """One line per row; a seed has the same place within every line."""
    lines = canvas.grouped_rows(table)
    figure = canvas.new_figure(table, canvas.rows_height_in(lines), look=look)
    axes = canvas.row_axes(figure, lines)
    for place, line in enumerate(lines):
        if not isinstance(line, str):
            _draw_row(axes, place, line, table)
    _draw_baselines(axes, lines, table)
    axes.set_xlabel(f"{canvas.metric_label(table.metric)}  {canvas.better(table.lower_is_better)}")
    axes.margins(x=0.05)
    _legend(axes)
    return figure


def _draw_row(axes: Axes, place: int, row: TableRow, table: Table) -> None:
    cell = row.cells[table.metric]
    heights = {seed: place + _offset(index, len(table.seeds)) for index, seed in enumerate(table.seeds)}
    axes.plot(list(cell.values.values()), [heights[seed] for seed in cell.values], **SEED)
    if cell.mean is not None:
        axes.plot([cell.mean] * 2, [place - 0.32, place + 0.32], color=canvas.INK, linewidth=1.8)
    holes = {"diverged": row.n_diverged, "failed": row.n_failed}
    holes["missing"] = row.n_planned - row.n_ok - row.n_diverged - row.n_failed
    text = ", ".join(f"{count} {word}" for word, count in holes.items() if count)
    canvas.write_beside(axes, place, text)


SEED: dict[str, Any] = {
    "marker": "o", "markersize": 5, "linestyle": "none", "color": canvas.TEAL, "markeredgecolor": "white",
    "markeredgewidth": 0.5, "alpha": 0.85, "zorder": 3,
}  # fmt: skip


def _offset(index: int, count: int) -> float:
    return 0.0 if count == 1 else SPREAD * (2 * index / (count - 1) - 1)


def _draw_baselines(axes: Axes, lines: list[TableRow | str], table: Table) -> None:
    """A dashed line at each baseline's mean, over the rows of its group."""
    rows = {row.name: place for place, row in enumerate(lines) if not isinstance(row, str)}
    for _, members in table.grouped():
        baseline = next((row for row in members if row.baseline), None)
        mean = baseline.cells[table.metric].mean if baseline else None
        if mean is not None:
            ends = [rows[members[0].name] - 0.5, rows[members[-1].name] + 0.5]
            axes.plot([mean] * 2, ends, color=canvas.GREY, linewidth=1, linestyle="--", zorder=1)


def _legend(axes: Axes) -> None:
    tick: dict[str, Any] = {
        "color": canvas.INK,
        "marker": "|",
        "markersize": 11,
        "markeredgewidth": 1.8,
        "linestyle": "none",
    }
    handles = [
        *axes.plot([], [], **SEED, label="one seed"),
        *axes.plot([], [], **tick, label="mean"),
        *axes.plot([], [], color=canvas.GREY, linestyle="--", linewidth=1, label="mean of the baseline"),
    ]
    canvas.legend_below(axes, handles, 3)
