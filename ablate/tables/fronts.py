"""The Pareto fronts of a table: the rows that no other row beats in both mean and cost, and the sentences on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ablate.statistics.pareto import pareto_front
from ablate.statistics.words import of_planned
from ablate.tables.table import Table, TableRow
from ablate.tables.verdicts import Front
from ablate.tables.words import count, listed, named

COSTS = ("multiply_adds", "params", "train_s")


def find_fronts(rows: Sequence[TableRow], metric: str, *, lower_is_better: bool) -> list[Front]:
    """The Pareto front of the metric against each cost that differs between rows, without `incomparable_rows`."""
    left_out = incomparable_rows(rows, metric)
    means = {row.name: row.cells[metric].mean for row in rows if row.name not in left_out}
    fronts = []
    for cost in COSTS:
        paid: Mapping[str, float | None] = {row.name: getattr(row, cost) for row in rows}
        if len({value for value in paid.values() if value is not None}) > 1:
            found = pareto_front(means, paid, lower_is_better=lower_is_better)
            fronts.append(Front(cost=cost, rows=list(found)))
    return fronts


def incomparable_rows(rows: Sequence[TableRow], metric: str) -> list[str]:
    """Rows whose mean may be good only because their bad runs failed.

    If failed runs leave a comparison undecided, it is the one of the two rows that lost more runs.
    """
    baselines = {row.group: row for row in rows if row.baseline}
    found = []
    for row in rows:
        tested = row.cells[metric].tested
        if tested is not None and tested.reason == "failures":
            found.append(min(row, baselines[row.group], key=lambda one: len(one.cells[metric].values)).label)
    return list(dict.fromkeys(found))


def front_notes(table: Table) -> Iterator[str]:
    """Pareto fronts over counted costs only, since times are measured again in each run."""
    left_out = incomparable_rows(table.rows, table.metric)
    without = f" {named(left_out)} are not compared, since failed runs may explain the mean." if left_out else ""
    without = without.replace(" are not", " is not") if len(left_out) == 1 else without
    for front in table.fronts:
        if front.cost != "train_s" and len(front.rows) < len(table.rows):
            paid = {row.name: getattr(row, front.cost) for row in table.rows}
            shown = listed([f"'{label}' ({count(paid[label])})" for label in front.rows])
            resting = _resting_on(table, left_out)
            cost = front.cost.replace("_", "-")
            yield f"No row beats these in both mean and {cost} (Pareto-optimal): {shown}.{without}{resting}"


def _resting_on(table: Table, left_out: Sequence[str]) -> str:
    """On how many seeds the compared means rest, if runs failed."""
    compared = [len(row.cells[table.metric].values) for row in table.rows if row.name not in left_out]
    counts = [count for count in compared if count]
    if min(counts, default=len(table.seeds)) == len(table.seeds):
        return ""
    return f" Failed runs are left out, so each mean is over {of_planned(min(counts), max(counts), len(table.seeds))}."
