"""The interaction plot: means per pair of levels, one panel a pair of factors; lines that are not parallel interact.

A factor alone has one panel with its means. Intervals are 95 % t intervals of the comparison between levels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.tables import canvas
from ablate.tables.table import Table
from ablate.tables.verdicts import Effects, LevelMean
from ablate.tables.words import fixed, metric_name

COLUMNS, MOST_PANELS = 2, 8
PANEL_IN = 2.6
LINES = ("-", "--", "-.", ":")


def draw_effects(table: Table) -> Figure:
    """The panels in the order of the interactions' shares, the largest first; a sentence where there is nothing."""
    pairs = _pairs(table.effects) if table.effects else []
    rows = max(math.ceil(len(pairs) / COLUMNS), 1)
    figure = canvas.new_figure(table, 0.9 + PANEL_IN * rows)
    if table.effects is None or not pairs:
        figure.text(0.5, 0.45, _nothing(table), ha="center", color=canvas.GREY, wrap=True)
        return figure
    panels = figure.subplots(rows, min(COLUMNS, len(pairs)), squeeze=False, sharey=True).flatten()
    for axes, factors in zip(panels, pairs, strict=False):
        _draw_panel(axes, factors, table, table.effects)
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    arrow = "\u2193" if table.lower_is_better else "\u2191"
    figure.supylabel(f"{metric_name(table.metric)}  {arrow} better", fontsize=9, color=canvas.INK)
    return figure


def _pairs(effects: Effects) -> list[tuple[str, ...]]:
    """The pairs of factors that have means, or the factors where there is one alone."""
    shares = {tuple(effect.factors): effect.share for effect in effects.effects}
    found = dict.fromkeys(tuple(mean.levels) for mean in effects.means)
    most = max((len(names) for names in found), default=0)
    chosen = [names for names in found if len(names) == most]
    return sorted(chosen, key=lambda names: -shares.get(names, 0.0))[:MOST_PANELS]


def _nothing(table: Table) -> str:
    if table.effects is not None:
        return "; ".join(table.effects.notes) or "no effect to look at"
    return "results are outstanding" if table.provisional or not table.families else "the study is no grid"


def _draw_panel(axes: Axes, factors: tuple[str, ...], table: Table, effects: Effects) -> None:
    """The factor with more levels along the axis, a line for each level of the other."""
    across = max(factors, key=lambda name: len(table.factors[name]))
    others = [name for name in factors if name != across]
    places = {level: place for place, level in enumerate(table.factors[across])}
    means = [mean for mean in effects.means if tuple(mean.levels) == factors]
    levels = table.factors[others[0]] if others else [""]
    for index, level in enumerate(levels):
        line = [mean for mean in means if not others or mean.levels[others[0]] == level]
        shift = 0.08 * (index - (len(levels) - 1) / 2)
        _draw_line(axes, [places[mean.levels[across]] + shift for mean in line], line, index, level)
    axes.set_xticks(list(places.values()), [canvas.printable(canvas.wrapped(level, 14)) for level in places])
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel(canvas.printable(canvas.shortened(across, 40)))
    axes.grid(axis="y", color=canvas.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(_title(factors, effects), fontsize=8.5)
    if others:
        title = canvas.printable(canvas.shortened(others[0], 30))
        axes.legend(title=title, title_fontsize=7.5, fontsize=7.5, frameon=False, loc="best")


def _draw_line(axes: Axes, x: Sequence[float], line: Sequence[LevelMean], index: int, level: str) -> None:
    colour = canvas.PALETTE[index % len(canvas.PALETTE)]
    for place, mean in zip(x, line, strict=True):
        if mean.low is not None and mean.high is not None:
            axes.plot([place, place], [mean.low, mean.high], color=colour, linewidth=1.1)
    axes.plot(
        x,
        [mean.mean for mean in line],
        color=colour,
        marker=canvas.MARKERS[index % len(canvas.MARKERS)],
        markersize=4.5,
        linewidth=1.5,
        linestyle=LINES[index % len(LINES)],
        label=canvas.printable(canvas.shortened(level, 24)),
    )


def _title(factors: tuple[str, ...], effects: Effects) -> str:
    found = next((effect for effect in effects.effects if tuple(effect.factors) == factors), None)
    if found is None:
        return ""
    return canvas.printable(
        f"{' x '.join(canvas.shortened(name, 24) for name in factors)}: {fixed(100 * found.share, 1)} %"
    )
