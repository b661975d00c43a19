"""`plot(table, ...)`: the plots of a table. matplotlib is imported when the first plot is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.errors import TableError, nearest, quote
from ablate.tables.columns import metric_decimals
from ablate.tables.gains import TaskGains
from ablate.tables.history import History
from ablate.tables.plots.look import PlotLook
from ablate.tables.table import Table
from ablate.trials.trial import TrialRecord

PLOTS = {
    "forest": "differences from the baseline with their intervals, and the printed differences",
    "seeds": "value of every seed",
    "curves": "learning curves, mean and range over seeds",
    "effects": "means per pair of levels of a grid, with the shares of the effects",
    "specification": "cells of a large grid in the order of their results, above the levels that each of them has",
}
PLOT_FORMATS = ("svg", "png", "pdf")
NEEDED = {
    "effects": "only a grid of factors has effects",
    "specification": "only a grid of more than 12 cells has a specification curve",
}
"""What a study must be for the plots that not every study has."""
MIN_SPECIFIED = 13
"""Smallest number of cells of a grid for which the specification curve is drawn; fewer are read in the forest plot."""


def plots_of(table: Table) -> list[str]:
    """The plots that apply to a table; `effects` needs a grid, `specification` a grid of more than 12 cells."""
    cells = sum(1 for row in table.rows if row.levels)
    applies = {"effects": table.effects is not None, "specification": cells >= MIN_SPECIFIED}
    return [name for name in PLOTS if applies.get(name, True)]


def check_applies(table: Table, name: str) -> None:
    """Check that a plot applies to a table.

    Raises:
        TableError: with the reason, if the plot does not apply.
    """
    if name in PLOTS and name not in plots_of(table):
        undecided = (note for note in table.notes if note.startswith("nothing is decided"))
        reason = NEEDED[name] if table.families else next(undecided, "results are outstanding")
        raise TableError(f"the study has no plot '{name}': {reason}; its plots are {', '.join(plots_of(table))}")


def plot_table(
    table: Table,
    name: str,
    format: str = "svg",
    *,
    records: Mapping[str, TrialRecord] | None = None,
    look: PlotLook = PlotLook(),
) -> bytes:
    """A plot of a table; the same table and records give the same bytes.

    Args:
        table: what to show.
        name: one of `PLOTS`.
        format: `svg`, `png` (300 dpi) or `pdf` (with embedded TrueType fonts).
        records: by trial key; only `curves` needs them.
        look: width, font, title and theme.

    Raises:
        TableError: an unknown plot or format, or the dark theme in another format than SVG.
    """
    if name not in PLOTS:
        raise TableError(f"no plot {quote(name)}{nearest(name, PLOTS)}")
    _check_format(format, look)
    from ablate.tables.plots import canvas
    from ablate.tables.plots.curves import draw_curves
    from ablate.tables.plots.effects import draw_effects
    from ablate.tables.plots.forest import draw_forest
    from ablate.tables.plots.seeds import draw_seeds
    from ablate.tables.plots.specification import draw_specification

    decimals = metric_decimals(table, table.metric)
    with canvas.drawing(look):
        figure = {
            "forest": lambda: draw_forest(table, decimals, look),
            "seeds": lambda: draw_seeds(table, look),
            "curves": lambda: draw_curves(table, records or {}, look),
            "effects": lambda: draw_effects(table, look),
            "specification": lambda: draw_specification(table, look),
        }[name]()
        return canvas.to_bytes(figure, format, look)


def plot_gains(gains: Sequence[TaskGains], scale: str, format: str = "svg", *, look: PlotLook = PlotLook()) -> bytes:
    """The paper's Figure 1 with our gains next to the printed ones; the same gains give the same bytes.

    Args:
        gains: gains of each task, see `ablate.tables.gains`.
        scale: name of the scale of our training.
        format: `svg`, `png` or `pdf`.
        look: width, font and theme.

    Raises:
        TableError: the format is unknown, or the dark theme is wanted in another format than SVG.
    """
    _check_format(format, look)
    from ablate.tables.plots import canvas
    from ablate.tables.plots.gains import draw_gains

    with canvas.drawing(look):
        return canvas.to_bytes(draw_gains(gains, scale), format, look)


def plot_history(
    history: History, row: str | None = None, format: str = "svg", *, look: PlotLook = PlotLook()
) -> bytes:
    """The history of a schedule over time; the same history gives the same bytes.

    Args:
        history: history of the schedule, see `ablate.tables.history`.
        row: label of the row to show; None shows all rows below each other.
        format: `svg`, `png` or `pdf`.
        look: theme and font; the width is that of a phone.

    Raises:
        TableError: the format or the row is unknown, or the dark theme is wanted in another format than SVG.
    """
    _check_format(format, look)
    from ablate.tables.plots import canvas
    from ablate.tables.plots.history import draw_history

    with canvas.drawing(look):
        return canvas.to_bytes(draw_history(history, row), format, look)


def _check_format(format: str, look: PlotLook) -> None:
    if format not in PLOT_FORMATS:
        raise TableError(f"no plot format {quote(format)}{nearest(format, PLOT_FORMATS)}")
    if look.theme == "dark" and format != "svg":
        raise TableError(f"the dark theme is for SVG only, not for {format}; leave the theme out, or choose svg")
