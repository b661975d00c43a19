"""`plot(table, ...)`: the plots of a table. matplotlib is imported when the first plot is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.errors import TableError, nearest, quote
from ablate.study.plan import Plan
from ablate.tables.columns import metric_decimals
from ablate.tables.gains import TaskGains
from ablate.tables.history import History
from ablate.tables.table import Table
from ablate.trials.trial import TrialRecord

PLOTS = {
    "forest": "differences from the baseline with their intervals, and the printed differences",
    "seeds": "value of every seed",
    "curves": "learning curves, mean and range over seeds",
    "effects": "means per pair of levels of a grid, with the shares of the effects",
}
PLOT_FORMATS = ("svg", "png")


def plots_of(table: Table) -> list[str]:
    """The plots that apply to a table; `effects` needs a grid."""
    return [name for name in PLOTS if name != "effects" or table.effects is not None]


def plot(table: Table, records: Mapping[str, TrialRecord], plan: Plan, name: str, format: str = "svg") -> bytes:
    """A plot of a study's results; the same table and records give the same bytes.

    Args:
        table: table to plot.
        records: records by trial key, the source of the curves.
        plan: plan of the study.
        name: one of `PLOTS`.
        format: `svg` or `png`.

    Raises:
        TableError: the plot or the format is unknown.
    """
    del plan  # every plot is made from the table and the records
    return plot_table(table, name, format, records=records)


def plot_table(
    table: Table, name: str, format: str = "svg", *, records: Mapping[str, TrialRecord] | None = None
) -> bytes:
    """A plot of a table; the same table and records give the same bytes.

    Args:
        table: what to show.
        name: one of `PLOTS`.
        format: `svg` or `png`.
        records: by trial key; only `curves` needs them.

    Raises:
        TableError: an unknown plot or format.
    """
    if name not in PLOTS:
        raise TableError(f"no plot {quote(name)}{nearest(name, PLOTS)}")
    _check_format(format)
    from ablate.tables.plots import canvas
    from ablate.tables.plots.curves import draw_curves
    from ablate.tables.plots.effects import draw_effects
    from ablate.tables.plots.forest import draw_forest
    from ablate.tables.plots.seeds import draw_seeds

    with canvas.drawing():
        figure = {
            "forest": lambda: draw_forest(table, metric_decimals(table, table.metric)),
            "seeds": lambda: draw_seeds(table),
            "curves": lambda: draw_curves(table, records or {}),
            "effects": lambda: draw_effects(table),
        }[name]()
        return canvas.to_bytes(figure, format)


def plot_gains(gains: Sequence[TaskGains], scale: str, format: str = "svg") -> bytes:
    """The paper's Figure 1 with our gains next to the printed ones; the same gains give the same bytes.

    Args:
        gains: gains of each task, see `ablate.tables.gains`.
        scale: name of the scale of our training.
        format: `svg` or `png`.

    Raises:
        TableError: the format is unknown.
    """
    _check_format(format)
    from ablate.tables.plots import canvas
    from ablate.tables.plots.gains import draw_gains

    with canvas.drawing():
        return canvas.to_bytes(draw_gains(gains, scale), format)


def plot_history(history: History, row: str | None = None, format: str = "svg") -> bytes:
    """The history of a schedule over time; the same history gives the same bytes.

    Args:
        history: history of the schedule, see `ablate.tables.history`.
        row: label of the row to show; None shows all rows below each other.
        format: `svg` or `png`.

    Raises:
        TableError: the format or the row is unknown.
    """
    _check_format(format)
    from ablate.tables.plots import canvas
    from ablate.tables.plots.history import draw_history

    with canvas.drawing():
        return canvas.to_bytes(draw_history(history, row), format)


def _check_format(format: str) -> None:
    if format not in PLOT_FORMATS:
        raise TableError(f"no plot format {quote(format)}{nearest(format, PLOT_FORMATS)}")
