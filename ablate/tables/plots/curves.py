"""Learning curves: the mean over seeds with a band from the lowest to the highest seed.

Up to `MAX_LINES` rows share one pair of axes. More rows get small panels, each with the baseline in grey.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablate.statistics.decisions.row_comparison import LARGEST
from ablate.tables.plots import canvas
from ablate.tables.plots.fonts import printable
from ablate.tables.plots.look import PlotLook
from ablate.tables.table import Table, TableRow
from ablate.tables.words import drawn_metric
from ablate.trials.trial import TrialRecord

MAX_LINES = 6
PANELS_ACROSS = 4
STYLES = ("-", "--", "-.", ":")


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve of a row at the steps that all of its seeds have, without values that the table does not use either."""

    steps: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def draw_curves(table: Table, records: Mapping[str, TrialRecord], look: PlotLook) -> Figure:
    """The curves of the primary metric if trials report it during training, else of the most reported metric."""
    trials = {row.name: _succeeded(row, records) for row in table.rows}
    metric = drawn_metric(
        table.metric, ([point.metrics for point in record.curve] for found in trials.values() for record in found)
    )
    curves = {label: curve for label, found in trials.items() if (curve := _curve_of(found, metric)) is not None}
    if not curves:
        return _empty(table, look)
    if len(table.rows) <= MAX_LINES:
        return _draw_together(table, curves, metric, look)
    return _draw_panels(table, curves, metric, look)


def _succeeded(row: TableRow, records: Mapping[str, TrialRecord]) -> list[TrialRecord]:
    found = [records[key] for key in row.trials if key in records]
    return [record for record in found if record.outcome.status == "succeeded"]


def _curve_of(records: Sequence[TrialRecord], metric: str) -> Curve | None:
    seeds = [{p.step: value for p in record.curve if _is_drawn(value := p.metrics.get(metric))} for record in records]
    seeds = [points for points in seeds if points]
    steps = sorted(set.intersection(*(set(points) for points in seeds))) if seeds else []
    if not steps:
        return None
    columns = [[points[step] for points in seeds] for step in steps]
    return Curve(
        tuple(steps),
        tuple(statistics.mean(column) for column in columns),
        tuple(min(column) for column in columns),
        tuple(max(column) for column in columns),
    )


def _is_drawn(value: float | None) -> TypeGuard[float]:
    return value is not None and abs(value) < LARGEST


def _draw_together(table: Table, curves: Mapping[str, Curve], metric: str, look: PlotLook) -> Figure:
    figure = canvas.new_figure(table, 4.2 if canvas.figure_width_in() > 4 else 3.4, look=look)
    axes = figure.add_subplot()
    others = 0
    for row in table.rows:
        if row.name in curves:
            _draw_curve(axes, curves[row.name], _line_of(row, others), canvas.label_of(row, row.name))
            others += not row.baseline
    _finish(axes, metric)
    size = canvas.pt(8)
    place: Literal["outside lower center", "outside right center"] = "outside right center"
    if canvas.is_narrow():
        place = "outside lower center"
    columns = canvas.legend_columns(3) if canvas.is_narrow() else 1
    axes.figure.legend(loc=place, ncols=columns, frameon=False, fontsize=size, title=BAND, title_fontsize=size)
    return figure


BAND = "mean, lowest to highest seed"


def _line_of(row: TableRow, index: int) -> tuple[str, str, str]:
    """Colour, line and marker of a row; the baseline has its own."""
    if row.baseline:
        return canvas.INK, "-", ""
    return canvas.PALETTE[index % 7], STYLES[(index + 1) % 4], canvas.MARKERS[index % 7]


def _draw_curve(axes: Axes, curve: Curve, style: tuple[str, str, str], label: str | None = None) -> None:
    color, line, marker = style
    axes.fill_between(curve.steps, curve.low, curve.high, color=color, alpha=0.15, linewidth=0)
    axes.plot(
        curve.steps, curve.mean, color=color, linestyle=line, marker=marker or None, markersize=4, linewidth=1.5,
        markevery=max(1, len(curve.steps) // 8), label=printable(label) if label else None,
    )  # fmt: skip


def _draw_panels(table: Table, curves: Mapping[str, Curve], metric: str, look: PlotLook) -> Figure:
    rows = [row for row in table.rows if row.name in curves]
    across = PANELS_ACROSS if not canvas.is_narrow() else PANELS_ACROSS // 2
    down = math.ceil(len(rows) / across)
    height = 1.1 + 1.75 * down
    figure = canvas.new_figure(table, height, look=look, is_laid_out=False)
    bottom_in = 0.65 if canvas.is_narrow() else 0.5
    edges = {"left": 0.09, "right": 0.99, "bottom": bottom_in / height, "top": 0.98 - 0.75 / height, "hspace": 0.6}
    # shared axes would ask all panels for their limits at each step: the time would grow with the square of the rows
    grid = figure.subplots(down, across, squeeze=False, gridspec_kw={**edges, "wspace": 0.15}).ravel()
    limits = _limits_of(curves.values())
    baselines = {row.group: curves[row.name] for row in rows if row.baseline}
    for axes, row in zip(grid, rows, strict=False):
        if row.group in baselines and not row.baseline:
            _draw_curve(axes, baselines[row.group], (canvas.GREY, "--", ""))
        _draw_curve(axes, curves[row.name], (canvas.INK if row.baseline else canvas.TEAL, "-", ""))
        axes.set_title(printable(canvas.wrapped(row.name, 27)), fontsize=canvas.pt(7))
        axes.update_datalim(limits)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.grid(color=canvas.FAINT, linewidth=0.5)
        axes.label_outer()
    for axes in grid[len(rows) :]:
        axes.set_axis_off()
    for axes in grid[max(0, len(rows) - across) : len(rows)]:
        axes.tick_params(axis="x", labelbottom=True)  # the lowest of its column
    explained = f"step   ({BAND};{chr(10) if canvas.is_narrow() else ' '}dashed grey: the baseline)"
    figure.supxlabel(explained, y=0.08 / height, fontsize=canvas.pt(9))
    figure.supylabel(canvas.metric_label(metric), x=0.01, fontsize=canvas.pt(9))
    return figure


def _limits_of(curves: Collection[Curve]) -> list[tuple[float, float]]:
    """Two corners of the smallest rectangle around all curves."""
    return [
        (min(curve.steps[0] for curve in curves), min(min(curve.low) for curve in curves)),
        (max(curve.steps[-1] for curve in curves), max(max(curve.high) for curve in curves)),
    ]


def _finish(axes: Axes, metric: str) -> None:
    axes.set_xlabel("step")
    axes.set_ylabel(canvas.metric_label(metric))
    axes.grid(color=canvas.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _empty(table: Table, look: PlotLook) -> Figure:
    figure = canvas.new_figure(table, 2.0, look=look)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0.5, 0.5, "no learning curve yet", ha="center", va="center", color=canvas.GREY)
    return figure
