"""The interaction plot: means per pair of levels, one panel per pair of factors; lines that are not parallel interact.

A factor that varies together with no other one, such as one in which the others are nested, has a panel with the means
of its levels. Intervals are 95 % t intervals of the comparison between levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.tables.plots import canvas
from ablate.tables.plots.fonts import printable, text_width_in
from ablate.tables.plots.look import PlotLook
from ablate.tables.table import Table
from ablate.tables.verdicts import Effects, LevelMean
from ablate.tables.words import fixed

MAX_PANELS, MAX_LEVELS = 8, 10
"""Largest number of panels, and of levels in panels that are side by side."""
EDGE_IN, GUTTER_IN, PANEL_IN = 1.0, 0.2, 1.9
"""Width left of the panels, width between two panels side by side, and height of the lines in a panel."""
TICK_PT, LEGEND_PT, TITLE_PT = 8.0, 7.5, 8.5
TICK_LINE_IN, LEGEND_LINE_IN, HANDLE_IN, GAP_IN = 0.14, 0.155, 0.55, 0.08
LINES = ("-", "--", "-.", ":")


@dataclass(frozen=True, slots=True)
class Panel:
    """The content of a panel, with texts that fit into it.

    Attributes:
        factors: one or two factors.
        across: factor along the axis, the one with more levels.
        levels: levels of `across` with a mean.
        other: factor with a line for each level; None for a single factor.
        other_levels: levels of `other` with a mean; one empty name for a single factor.
        title: factors with their share.
        ticks: labels of the levels of `across`.
        is_upright: whether these labels are rotated.
        lines: labels of the levels of `other`.
        columns: number of columns for these labels.
    """

    factors: tuple[str, ...]
    across: str
    levels: tuple[str, ...]
    other: str | None
    other_levels: tuple[str, ...]
    title: str
    ticks: tuple[str, ...]
    is_upright: bool
    lines: tuple[str, ...]
    columns: int

    @property
    def height_in(self) -> float:
        """Height of the panel with labels and legend."""
        depth = max(tick.count("\n") + 1 for tick in self.ticks) * TICK_LINE_IN
        if self.is_upright:
            depth = max(text_width_in(tick, TICK_PT) for tick in self.ticks)
        legend = 1.5 + math.ceil(len(self.lines) / self.columns) if self.lines else 1
        return PANEL_IN + depth + legend * LEGEND_LINE_IN + 0.45


def draw_effects(table: Table, look: PlotLook) -> Figure:
    """The panels by the share of their interaction, the largest first; a sentence if there is nothing to show."""
    pairs = _pairs(table.effects) if table.effects else []
    if table.effects is None or not pairs:
        figure = canvas.new_figure(table, 3.5, look=look)
        figure.text(0.5, 0.45, _nothing(table), ha="center", color=canvas.GREY, wrap=True)
        return figure
    most = max(len(_levels(name, factors, table, table.effects)) for factors in pairs for name in factors)
    per_line = 1 if len(pairs) == 1 or most > MAX_LEVELS or canvas.is_narrow() else 2
    room_in = (canvas.figure_width_in() - EDGE_IN - (per_line - 1) * GUTTER_IN) / per_line
    effects = table.effects
    panels = [_plan_panel(factors, table, effects, room_in) for factors in pairs]
    rows = math.ceil(len(panels) / per_line)
    figure = canvas.new_figure(table, 0.7 + rows * max(panel.height_in for panel in panels), look=look)
    places = figure.subplots(rows, per_line, squeeze=False, sharey=True).flatten()
    for axes, panel in zip(places, panels, strict=False):
        _draw_panel(axes, panel, effects, room_in)
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    arrow = "\u2193" if table.lower_is_better else "\u2191"
    figure.supylabel(f"{canvas.metric_label(table.metric)}  {arrow} better", fontsize=canvas.pt(9), color=canvas.INK)
    if any(mean.low is not None for mean in effects.means):
        _legend(places[0])
    return figure


def _pairs(effects: Effects) -> list[tuple[str, ...]]:
    """The pairs of factors that have means, and each factor that is in no such pair."""
    shares = {tuple(effect.factors): effect.share for effect in effects.effects}
    found = dict.fromkeys(tuple(mean.levels) for mean in effects.means)
    paired = {name for names in found if len(names) == 2 for name in names}
    chosen = [names for names in found if len(names) == 2 or names[0] not in paired]
    return sorted(chosen, key=lambda names: -shares.get(names, 0.0))[:MAX_PANELS]


def _nothing(table: Table) -> str:
    if table.effects is not None:
        return "; ".join(table.effects.notes) or "there are no effects"
    return "results are outstanding" if table.provisional or not table.families else "the study is not a grid"


def _levels(name: str, factors: tuple[str, ...], table: Table, effects: Effects) -> tuple[str, ...]:
    """The levels of a factor that have a mean in the panel of these factors."""
    shown = {mean.levels[name] for mean in effects.means if tuple(mean.levels) == factors}
    return tuple(level for level in table.factors[name] if level in shown)


def _plan_panel(factors: tuple[str, ...], table: Table, effects: Effects, width_in: float) -> Panel:
    levels = {name: _levels(name, factors, table, effects) for name in factors}
    across = max(factors, key=lambda name: len(levels[name]))
    other = next((name for name in factors if name != across), None)
    ticks, is_upright = _ticks(levels[across], width_in)
    lines = [canvas.fitted(level, width_in / 2, LEGEND_PT) for level in (levels[other] if other else ())]
    widest = max((text_width_in(line, LEGEND_PT) for line in lines), default=1.0)
    columns = max(1, min(len(lines), math.floor(width_in / (widest + HANDLE_IN))))
    title = _title(factors, effects, width_in)
    other_levels = levels[other] if other else ("",)
    return Panel(factors, across, levels[across], other, other_levels, title, ticks, is_upright, tuple(lines), columns)


def _ticks(levels: Sequence[str], width_in: float) -> tuple[tuple[str, ...], bool]:
    """Labels that do not touch: broken into lines if there is room, else rotated; of very many only some."""
    slot_in = width_in / len(levels) - GAP_IN
    for room in (18, 14, 11, 8):
        labels = [canvas.wrapped(level, room) for level in levels]
        if max(text_width_in(line, TICK_PT) for label in labels for line in label.split("\n")) <= slot_in:
            return tuple(labels), False
    step = math.ceil(len(levels) * TICK_LINE_IN / width_in)
    shown = [canvas.fitted(level, 1.6, TICK_PT) for level in levels]
    return tuple(label if place % step == 0 else "" for place, label in enumerate(shown)), True


def _title(factors: tuple[str, ...], effects: Effects, width_in: float) -> str:
    """The effect and its share; long names are shortened."""
    found = next((effect for effect in effects.effects if tuple(effect.factors) == factors), None)
    name = found.name if found else " x ".join(factors)
    share = f": share {fixed(100 * found.share, 1)} %" if found else ""
    return canvas.fitted(name, width_in - text_width_in(share, TITLE_PT), TITLE_PT) + share


def _draw_panel(axes: Axes, panel: Panel, effects: Effects, room_in: float) -> None:
    """Draw the factor with more levels along the axis and a line for each level of the other."""
    places = {level: place for place, level in enumerate(panel.levels)}
    means = [mean for mean in effects.means if tuple(mean.levels) == panel.factors]
    levels = panel.other_levels
    for index, level in enumerate(levels):
        line = [mean for mean in means if panel.other is None or mean.levels[panel.other] == level]
        shift = min(0.08, 0.6 / len(levels)) * (index - (len(levels) - 1) / 2)
        _draw_line(axes, [places[mean.levels[panel.across]] + shift for mean in line], line, index)
    rotation = 90 if panel.is_upright else 0
    axes.set_xticks(list(places.values()), [printable(tick) for tick in panel.ticks], rotation=rotation)
    axes.tick_params(axis="x", labelsize=canvas.pt(TICK_PT))
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel(printable(canvas.fitted(panel.across, room_in, 9)))
    axes.grid(axis="y", color=canvas.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    _label_lines(axes, panel)


def _label_lines(axes: Axes, panel: Panel) -> None:
    """Write the title and, below it, the legend of the lines."""
    if panel.other is None:
        axes.set_title(printable(panel.title), fontsize=canvas.pt(TITLE_PT))
        return
    handles = [axes.plot([], [], **_look(index))[0] for index in range(len(panel.lines))]
    axes.legend(
        handles, [printable(line) for line in panel.lines], ncols=panel.columns, loc="lower left",
        bbox_to_anchor=(0, 1), borderaxespad=0.2, borderpad=0, frameon=False, fontsize=canvas.pt(LEGEND_PT),
        title=printable(panel.title), title_fontsize=canvas.pt(TITLE_PT), handlelength=3, columnspacing=1.2,
        alignment="left",
    )  # fmt: skip


def _draw_line(axes: Axes, x: Sequence[float], line: Sequence[LevelMean], index: int) -> None:
    look = _look(index)
    for place, mean in zip(x, line, strict=True):
        if mean.low is not None and mean.high is not None:
            axes.plot([place, place], [mean.low, mean.high], color=look["color"], linewidth=1.1)
    axes.plot(x, [mean.mean for mean in line], **look)


def _look(index: int) -> dict[str, Any]:
    return {
        "color": canvas.PALETTE[index % len(canvas.PALETTE)],
        "marker": canvas.MARKERS[index % len(canvas.MARKERS)],
        "markersize": 4.5,
        "linewidth": 1.5,
        "linestyle": LINES[index % len(LINES)],
    }


def _legend(axes: Axes) -> None:
    """A legend of the vertical bars."""
    bar = axes.plot([], [], color=canvas.INK, marker="|", markersize=11, markeredgewidth=1.1, linestyle="none")
    axes.figure.legend(bar, ["95 % t interval"], loc="outside lower right", frameon=False, fontsize=canvas.pt(8))
