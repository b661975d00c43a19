"""The paper's Figure 1: gains over ReLU on three tasks, ours with intervals, printed ones as hollow diamonds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.tables import canvas
from ablate.tables.gains import ACTIVATIONS, TaskGains
from ablate.tables.plot_forest import DECIDED, OPEN, PRINTED
from ablate.tables.words import fixed

GAP = 0.8
"""Room between two tasks, in places of an activation."""
SIDE = 0.14
"""Ours stand to the left of their place, printed ones to the right."""
HEIGHT_IN = 3.6


def draw_gains(gains: Sequence[TaskGains], scale: str) -> Figure:
    """A group of places for each task, one for each activation; what is not trained says so."""
    figure = canvas.titled_figure(f"Gains over ReLU, ResNet-50 (scale {scale})", HEIGHT_IN)
    axes = figure.add_subplot()
    axes.axhline(0, color=canvas.GREY, linewidth=1, linestyle="--", zorder=1)
    places = {}
    for index, task in enumerate(gains):
        first = index * (len(ACTIVATIONS) + GAP)
        places[task.task] = {name: first + place for place, name in enumerate(ACTIVATIONS)}
        _draw_task(axes, task, places[task.task])
    ticks = [place for group in places.values() for place in group.values()]
    axes.set_xticks(ticks, [name for group in places.values() for name in group])
    axes.set_xlim(ticks[0] - 0.95, ticks[-1] + 0.85)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=canvas.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["bottom"].set_visible(False)
    axes.margins(y=0.12)
    axes.set_ylabel("gain over ReLU (points)  better \u2192")
    _legend(axes, gains)
    return figure


def _draw_task(axes: Axes, task: TaskGains, places: dict[str, float]) -> None:
    for name, place in places.items():
        if gain := task.ours.get(name):
            if gain.low is not None and gain.high is not None:
                axes.plot([place - SIDE] * 2, [gain.low, gain.high], **INTERVAL)
            axes.plot([place - SIDE], [gain.mean], **(DECIDED if gain.is_decided else OPEN))
            _write(axes, place - SIDE, gain.mean, -1)
        axes.plot([place + SIDE], [task.printed[name]], **PRINTED)
        _write(axes, place + SIDE, task.printed[name], 1)
    middle = sum(places.values()) / len(places)
    axes.annotate(_caption(task), (middle, 0), xycoords=("data", "axes fraction"), **CAPTION)


def _write(axes: Axes, place: float, value: float, side: int) -> None:
    """A number beside its mark, on white: the lines behind it would cross it out."""
    axes.annotate(
        fixed(value, 1, signed=True), (place, value), xytext=(7 * side, 0), textcoords="offset points",
        ha="left" if side > 0 else "right", va="center", fontsize=7.5, color=canvas.INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip


INTERVAL: dict[str, Any] = {"color": canvas.BLUE, "linewidth": 2.4, "solid_capstyle": "butt"}
CAPTION: dict[str, Any] = {
    "xytext": (0, -20), "textcoords": "offset points", "ha": "center", "va": "top", "fontsize": 8,
    "color": canvas.INK, "linespacing": 1.35,
}  # fmt: skip


def _caption(task: TaskGains) -> str:
    """What a group is about: the task, its table, and what ours was trained on, or that it was not."""
    number = task.table_id.removeprefix("T")
    if not task.ours:
        return f"{task.task} (Table {number})\nnot trained yet"
    seeds = sorted({gain.n for gain in task.ours.values()})
    count = f"n = {seeds[0]}" if len(seeds) == 1 else f"n = {seeds[0]}-{seeds[-1]}"
    return canvas.printable(f"{task.task} (Table {number})\n{task.setup[0] if task.setup else 'ours'}, {count}")


def _legend(axes: Axes, gains: Sequence[TaskGains]) -> None:
    ours = [gain for task in gains for gain in task.ours.values()]
    handles = []
    if ours:
        label = "ours, 95 % t interval" if any(gain.low is not None for gain in ours) else "ours, one seed"
        handles += axes.plot([], [], label=label, **OPEN, linewidth=2.4)
    if any(gain.is_decided for gain in ours):
        handles += axes.plot([], [], label="decided", **DECIDED, linestyle="none")
    handles += axes.plot([], [], **PRINTED, label="printed (Figure 1: ImageNet, COCO, Cityscapes)")
    axes.figure.legend(handles=handles, loc="outside lower right", ncols=3, frameon=False, fontsize=8)
