"""The paper's Figure 1: gains over ReLU on three tasks, ours with intervals, printed gains as hollow diamonds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.tables.gains import ACTIVATIONS, TaskGains
from ablate.tables.plots import canvas
from ablate.tables.plots.fonts import printable
from ablate.tables.plots.forest import DECIDED, INTERVAL, OPEN, PRINTED
from ablate.tables.words import fixed

SIDE = 0.14
"""Shift of our gains to the left of their place, and of printed gains to the right."""
HEIGHT_IN = 4.1
NAME_PT, OURS_PT, PRINTED_PT, CAPTION_PT = -5, -19, -31, -48
"""Lines below an axis: name of the activation, our gain, the printed gain, and the task."""


def draw_gains(gains: Sequence[TaskGains], scale: str) -> Figure:
    """Axes for each task, since points of error, mAP and mean IU are different units.

    Untrained and exploratory tasks are marked; in an exploratory one, no gain is shown as decided.
    """
    known = [task.task for task in gains if task.exploratory]
    below = f"Exploratory ({', '.join(known)}): {canvas.EXPLORATORY}" if known else ""
    figure = canvas.titled_figure(f"Gains over ReLU, ResNet-50 (scale {scale})", HEIGHT_IN, below)
    for index, task in enumerate(gains):
        axes = figure.add_subplot(1, len(gains), index + 1)
        _draw_task(axes, task)
        if index == 0:
            axes.set_ylabel("gain over ReLU (points)  better \u2192")
            _head_lines(axes)
    _legend(figure, gains)
    return figure


def _draw_task(axes: Axes, task: TaskGains) -> None:
    axes.axhline(0, color=canvas.GREY, linewidth=1, linestyle="--", zorder=1)
    for place, name in enumerate(ACTIVATIONS):
        if gain := task.ours.get(name):
            if gain.low is not None and gain.high is not None:
                axes.plot([place - SIDE] * 2, [gain.low, gain.high], **INTERVAL)
            axes.plot([place - SIDE], [gain.mean], **(DECIDED if gain.is_decided else OPEN))
        axes.plot([place + SIDE], [task.printed[name]], **PRINTED)
        _write(axes, place, NAME_PT, name, canvas.INK)
        _write(axes, place, OURS_PT, _number(gain.mean if gain else None), canvas.TEAL)
        _write(axes, place, PRINTED_PT, _number(task.printed[name]), canvas.ORANGE)
    _write(axes, (len(ACTIVATIONS) - 1) / 2, CAPTION_PT, _caption(task), canvas.INK)
    axes.set_xlim(-0.6, len(ACTIVATIONS) - 0.4)
    axes.set_xticks([])
    axes.grid(axis="y", color=canvas.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["bottom"].set_visible(False)
    axes.margins(y=0.12)


def _head_lines(axes: Axes) -> None:
    """Label the lines of numbers on their left."""
    for below_pt, text, colour in ((OURS_PT, "ours", canvas.TEAL), (PRINTED_PT, "printed", canvas.ORANGE)):
        axes.annotate(
            text, (0, 0), xytext=(-6, below_pt), color=colour, **(LINE | {"xycoords": "axes fraction", "ha": "right"})
        )


def _write(axes: Axes, place: float, below_pt: float, text: str, colour: str) -> None:
    axes.annotate(text, (place, 0), xytext=(0, below_pt), color=colour, **LINE)


LINE: dict[str, Any] = {
    "xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "center", "va": "top", "fontsize": 8,
    "linespacing": 1.35,
}  # fmt: skip


def _number(value: float | None) -> str:
    return "\u2013" if value is None else fixed(value, 1, signed=True)


def _caption(task: TaskGains) -> str:
    """The caption of a task: name, table, our training data and seeds, and whether it is exploratory or untrained."""
    number = task.table_id.removeprefix("T")
    if not task.ours:
        return f"{task.task} (Table {number})\nnot trained yet"
    seeds = sorted({gain.n for gain in task.ours.values()})
    count = f"n = {seeds[0]}" if len(seeds) == 1 else f"n = {seeds[0]}-{seeds[-1]}"
    name = task.setup[0] if task.setup else "ours"
    return printable(f"{task.task} (Table {number})\n{name}, {count}") + "\nexploratory" * task.exploratory


def _legend(figure: Figure, gains: Sequence[TaskGains]) -> None:
    ours, axes = [gain for task in gains for gain in task.ours.values()], figure.axes[0]
    handles = []
    if ours:
        label = "ours, 95 % t interval" if any(gain.low is not None for gain in ours) else "ours, one seed"
        handles += axes.plot([], [], label=label, **OPEN, linewidth=2.4)
    if any(gain.is_decided for gain in ours):
        handles += axes.plot([], [], label="decided", **DECIDED, linestyle="none")
    handles += axes.plot([], [], **PRINTED, label="printed (Figure 1: ImageNet, COCO, Cityscapes)")
    canvas.legend_below(axes, handles, 3)
