"""Gains over ReLU on three tasks: ours, and those printed in the paper's Figure 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ablate.paper.published import Published
from ablate.study.names import names_by_text
from ablate.tables.table import Table, TableCell

FIGURE = "F1"
ACTIVATIONS = ("PReLU", "Swish", "FReLU")
TASKS: Mapping[str, tuple[str, str]] = {
    "classification": ("T1", "resnet50 / "),
    "detection": ("T3", "resnet50 / "),
    "segmentation": ("T4", ""),
}
"""Task of the figure -> its table, and the prefix of the activation in the labels of its ResNet-50 rows."""


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain over ReLU in units of the primary metric, positive if better.

    Attributes:
        mean: mean over seeds.
        low, high: ends of the 95 % t interval; None below n = 2.
        n: number of seeds.
        is_decided: whether the table decides better or worse and is not exploratory.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    is_decided: bool


@dataclass(frozen=True, slots=True)
class TaskGains:
    """One task of the figure.

    Attributes:
        task: name of the task.
        table_id: id of the printed table.
        setup: common setup of our rows in words; empty if no row of the table is trained.
        ours: activation -> our gain, without activations that have none.
        printed: activation -> printed gain.
        exploratory: whether our table is exploratory, so that its p-values do not keep their level.
    """

    task: str
    table_id: str
    setup: tuple[str, ...]
    ours: Mapping[str, Gain]
    printed: Mapping[str, float]
    exploratory: bool = False


def collect_gains(tables: Mapping[str, Table], published: Published) -> list[TaskGains]:
    """Every task of the figure, in its order.

    Args:
        tables: id of a printed table -> our table; tables without trained rows are absent. Only differences from the
            ReLU row as baseline are gains.
        published: printed tables.

    Raises:
        TableError: the printed tables lack the numbers of the figure.
    """
    figure = published.column(FIGURE)
    gains = []
    for task, (table_id, prefix) in TASKS.items():
        table = tables.get(table_id)
        ours = _gains_of(table, prefix) if table else {}
        printed = {name: figure.cells[name][task].value for name in ACTIVATIONS}
        setup = tuple(table.setup) if table and ours else ()
        is_exploratory = bool(table and ours and table.exploratory)
        gains.append(TaskGains(task, table_id, setup, ours, printed, is_exploratory))
    return gains


def _gains_of(table: Table, prefix: str) -> dict[str, Gain]:
    by_name = {row.name: row for row in table.rows}
    rows = {text: by_name[name] for text, name in names_by_text(table.rows).items()}
    baseline = rows.get(f"{prefix}ReLU")
    if baseline is None or not baseline.baseline:
        return {}
    labels = {name: f"{prefix}{name}" for name in ACTIVATIONS if f"{prefix}{name}" in rows}
    found = {name: _gain(rows[label].cells[table.metric], table) for name, label in labels.items()}
    return {name: gain for name, gain in found.items() if gain is not None}


def _gain(cell: TableCell, table: Table) -> Gain | None:
    """A difference from the baseline, with the sign that makes a gain positive."""
    if cell.diff is None:
        return None
    ends = [cell.diff.low, cell.diff.high]
    if table.lower_is_better:
        ends = [None if end is None else -end for end in reversed(ends)]
    mean = -cell.diff.mean if table.lower_is_better else cell.diff.mean
    is_decided = cell.decision in ("better", "worse") and not table.exploratory
    return Gain(mean, ends[0], ends[1], cell.diff.n, is_decided)
