"""The specification curve of a large grid: its cells in the order of their results, and below them their levels.

Above: the difference of each cell from the baseline with its interval; the value itself where there is no baseline with
results. Below: a line for each level of each factor, with a dot in the columns of the cells that have it. A level whose
dots gather at one end makes the results better or worse (Simonsohn, Simmons, Nelson: Specification curve analysis,
2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.tables.plots import canvas
from ablate.tables.plots.fonts import printable
from ablate.tables.plots.look import PlotLook
from ablate.tables.table import Table, TableRow

CURVE_IN, LINE_IN, AROUND_IN = 1.9, 0.17, 1.5
LEVEL_CHARACTERS = 22
DECIDED: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": canvas.TEAL, "zorder": 3}
OPEN: dict[str, Any] = DECIDED | {"markerfacecolor": "white", "markeredgewidth": 1.1}
BASELINE: dict[str, Any] = {"marker": "D", "linestyle": "none", "color": canvas.ORANGE, "zorder": 4}
DOT: dict[str, Any] = {"marker": "s", "linestyle": "none", "color": canvas.INK}


@dataclass(frozen=True, slots=True)
class Specified:
    """A cell of the grid with what is drawn of it: the value and the ends of its interval, if it has one."""

    row: TableRow
    value: float
    low: float | None
    high: float | None


def draw_specification(table: Table, look: PlotLook) -> Figure:
    """The curve above, the levels below, the best cell on the left; a sentence if no cell has a result."""
    cells = _sorted_cells(table)
    levels = _used_levels(table)
    if not cells or not levels:
        figure = canvas.new_figure(table, 2.0, look=look)
        figure.text(0.5, 0.5, "no cell of a grid has a result", ha="center", va="center", color=canvas.GREY)
        return figure
    lines = sum(len(names) + 1 for names in levels.values())
    below_in = canvas.pt(LINE_IN) * lines
    figure = canvas.new_figure(table, AROUND_IN + CURVE_IN + below_in, look=look)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[CURVE_IN, below_in])
    _draw_curve(above, cells, table)
    _draw_levels(below, cells, levels)
    return figure


def _sorted_cells(table: Table) -> list[Specified]:
    """The cells with a result, the best one first; differences if any cell has one."""
    rows = [row for row in table.rows if row.levels and row.cells[table.metric].mean is not None]
    is_relative = any(row.cells[table.metric].diff for row in rows)
    found = [one for row in rows if (one := _specified(row, table.metric, is_relative=is_relative)) is not None]
    return sorted(found, key=lambda one: one.value if table.lower_is_better else -one.value)


def _specified(row: TableRow, metric: str, *, is_relative: bool) -> Specified | None:
    cell = row.cells[metric]
    if not is_relative:
        return None if cell.mean is None else Specified(row, cell.mean, None, None)
    if row.baseline:
        return Specified(row, 0.0, None, None)
    return Specified(row, cell.diff.mean, cell.diff.low, cell.diff.high) if cell.diff else None


def _used_levels(table: Table) -> dict[str, list[str]]:
    """The levels of each factor that some row has, in the order of the study."""
    used = {(name, level) for row in table.rows for name, level in row.levels.items()}
    found = {name: [level for level in levels if (name, level) in used] for name, levels in table.factors.items()}
    return {name: levels for name, levels in found.items() if levels}


def _draw_curve(axes: Axes, cells: list[Specified], table: Table) -> None:
    size = max(2.0, min(5.0, 60 * canvas.figure_width_in() / 7 / len(cells)))
    is_relative = any(one.low is not None or one.row.baseline for one in cells)
    if is_relative:
        axes.axhline(0, color=canvas.GREY, linewidth=1, linestyle="--", zorder=1)
    for place, one in enumerate(cells):
        if one.low is not None and one.high is not None:
            axes.plot([place, place], [one.low, one.high], color=canvas.TEAL, linewidth=min(1.6, size / 2.5), zorder=2)
        is_decided = one.row.cells[table.metric].decision in ("better", "worse", "equivalent")
        axes.plot([place], [one.value], **(_mark(one, is_decided=is_decided) | {"markersize": size}))
    arrow = "↓" if table.lower_is_better else "↑"
    what = f"difference in {canvas.metric_label(table.metric)}" if is_relative else canvas.metric_label(table.metric)
    axes.set_ylabel(f"{what}\n{arrow} better", fontsize=canvas.pt(8.5))
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.grid(axis="y", color=canvas.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    _legend(axes, cells, table)


def _mark(one: Specified, *, is_decided: bool) -> dict[str, Any]:
    if one.row.baseline:
        return BASELINE
    return DECIDED if is_decided else OPEN


def _draw_levels(axes: Axes, cells: list[Specified], levels: dict[str, list[str]]) -> None:
    """A line for each level, below the name of its factor."""
    size = max(1.5, min(4.5, 50 * canvas.figure_width_in() / 7 / len(cells)))
    names: list[tuple[str, bool]] = []
    for factor, found in levels.items():
        names.append((factor, True))
        for level in found:
            places = [place for place, one in enumerate(cells) if one.row.levels.get(factor) == level]
            axes.axhline(len(names), color=canvas.FAINT, linewidth=0.5, zorder=0)
            axes.plot(places, [len(names)] * len(places), **(DOT | {"markersize": size}))
            names.append((level, False))
    room = canvas.share_of_width(LEVEL_CHARACTERS)
    axes.set_yticks(range(len(names)), [printable(canvas.shortened(name, room)) for name, _ in names])
    for tick, (_, is_factor) in zip(axes.get_yticklabels(), names, strict=True):
        tick.set_fontweight("bold" if is_factor else "normal")
    axes.tick_params(axis="y", length=0, labelsize=canvas.pt(8))
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-0.8, len(cells) - 0.2)
    axes.set_xlabel(f"{len(cells)} cells of the grid, the best one on the left", fontsize=canvas.pt(9))
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _legend(axes: Axes, cells: list[Specified], table: Table) -> None:
    """A legend of the marks that this plot contains."""
    decisions = {one.row.cells[table.metric].decision for one in cells}
    handles = []
    if decisions & {"better", "worse", "equivalent"}:
        handles += axes.plot([], [], **DECIDED, markersize=5, label="decided")
    if decisions & {"undecided", None}:
        handles += axes.plot([], [], **OPEN, markersize=5, label="undecided" if "undecided" in decisions else "cell")
    if any(one.row.baseline for one in cells):
        handles += axes.plot([], [], **BASELINE, markersize=5, label="baseline")
    if any(one.low is not None for one in cells):
        handles += axes.plot([], [], color=canvas.TEAL, linewidth=1.6, label="95 % t interval")
    canvas.legend_below(axes, handles, 4)
