"""A table with its groups side by side: one row for each line, one column for each group. A view; no number changes.

`as_printed` gives the table as it is printed, and `columns_of` its columns. The rows of a `PivotedTable` are those of
the study, so that sentences on it stay the same; only `grouped` gives the lines. A column of a group shows the row of
its line that is in that group.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from ablate.tables.columns import FACTOR, Column, choose_columns
from ablate.tables.line_cells import LINE_PATHS
from ablate.tables.pivot_results import lines_of
from ablate.tables.table import Table, TableRow
from ablate.tables.words import MISSING, metric_name, seeds_text
from ablate.text import on_one_line

EVERY_COLUMN = "all"
Lines = Mapping[str, Mapping[str, TableRow]]
"""Label of a line -> group -> row."""


class PivotedTable(Table):
    """A table that prints a row for each line."""

    def grouped(self) -> list[tuple[str | None, list[TableRow]]]:
        """The lines as one group without a name; each is the first row of the line under the label of the line."""
        if self.pivot is None:
            return super().grouped()
        baseline = self.pivot.baseline
        return [(None, [_row_of(label, label == baseline, found) for label, found in lines_of(self.rows).items()])]


def _row_of(label: str, is_baseline: bool, members: Mapping[str, TableRow]) -> TableRow:
    """The row of a line, with the trial keys of all groups, seed by seed."""
    keys = [[f"{key} ({on_one_line(group)})" for key in row.trials] for group, row in members.items()]
    trials = [", ".join(of_seed) for of_seed in zip(*keys, strict=True)]
    first = next(iter(members.values()))
    return first.model_copy(
        update={"label": label, "row": None, "group": None, "baseline": is_baseline, "trials": trials}
    )


def as_printed(table: Table, names: Iterable[str] | None = None) -> Table:
    """The table as it is printed: pivoted, if its study has a pivot and the reader does not ask for every column."""
    if table.pivot is None or EVERY_COLUMN in (names or ()):
        return table
    return PivotedTable.model_validate(dict(table))


def columns_of(
    table: Table, names: Iterable[str] | None = None, *, digits: int | None = None, measured: bool = True
) -> list[Column]:
    """The columns of a table from `as_printed`; see `choose_columns`.

    In a pivoted table, factors, ranks and the test have one column. Any other name makes a column for each group;
    neighbours among them stay together, group by group. None means the means, ranks, and the test if there is one.

    Raises:
        TableError: see `choose_columns`.
    """
    if not isinstance(table, PivotedTable) or table.pivot is None:
        return choose_columns(table, names, digits=digits, measured=measured)
    wanted = default_names(table) if names is None else list(names)
    label, *columns = choose_columns(table, wanted, digits=digits, measured=measured)
    lines, of_group = lines_of(table.rows), _columns_by_group(table, wanted, digits=digits, measured=measured)
    is_heading = sum(column.name in table.directions for column in columns) == 1
    is_whole = _is_whole(table)
    made = [dataclasses.replace(label, text=_label_text)]
    for is_shared, run in groupby(range(len(columns)), key=lambda at: _is_shared(columns[at].name)):
        places = list(run)
        if is_shared:
            made += [columns[at] for at in places if not _is_told_by_group(columns[at].name, table)]
            continue
        for group in of_group:
            of = (of_group[group][at] for at in places)
            made += [_in_group(column, group, lines, is_heading=is_heading, is_whole=is_whole) for column in of]
    return made


def cells_note(table: Table, columns: Sequence[Column]) -> Iterator[str]:
    """What the cells of a pivoted table show, since the headings have the names of the groups."""
    if isinstance(table, PivotedTable) and any(column.name == table.metric for column in columns):
        counts = "" if _is_whole(table) else " (number of seeds)"
        over = f"over {seeds_text(len(table.seeds), table.folds)}" if _is_whole(table) else "over seeds"
        better = "lower" if table.lower_is_better else "higher"
        what = f"mean ± sample standard deviation {over}{counts}" if len(table.seeds) > 1 else "one seed"
        yield f"Cells show {metric_name(table.metric)}, {better} is better: {what}."


def default_names(table: Table) -> list[str]:
    """The names of the default columns of a table from `as_printed`."""
    pivot = table.pivot
    if not isinstance(table, PivotedTable) or pivot is None:
        return list(table.columns)
    ranks = ["mean_rank"] if any(line.mean_rank is not None for line in pivot.lines) else []
    return [table.metric, *ranks, *(["mean_diff", "overall"] if pivot.test else [])]


def _columns_by_group(
    table: Table, wanted: Sequence[str], *, digits: int | None, measured: bool
) -> dict[str, list[Column]]:
    """The columns of each group without the label, with the decimals that suit its rows."""
    groups = table.pivot.groups if table.pivot else []
    parts = {group: [row for row in table.rows if row.group == group] for group in groups}
    parts = {group: rows for group, rows in parts.items() if rows}
    return {
        group: choose_columns(table.model_copy(update={"rows": rows}), wanted, digits=digits, measured=measured)[1:]
        for group, rows in parts.items()
    }


def _is_shared(name: str) -> bool:
    """Whether all groups have the same value, so that there is one column."""
    return name in LINE_PATHS or name.startswith(FACTOR)


def _is_told_by_group(name: str, table: Table) -> bool:
    """Whether the headings or labels already show the column: a factor that tells the groups apart, or the line."""
    factor = name.removeprefix(FACTOR)
    found = lines_of(table.rows).values()
    levels = [{row.levels.get(factor) for row in members.values()} for members in found]
    return name == "line" or (name.startswith(FACTOR) and any(len(one) > 1 for one in levels))


def _in_group(column: Column, group: str, lines: Lines, *, is_heading: bool, is_whole: bool) -> Column:
    """The column for the rows of one group.

    Args:
        column: as it is for these rows.
        group: the group.
        lines: rows by line and group.
        is_heading: whether the name of the group is the whole heading of a metric.
        is_whole: whether cells leave out the number of seeds, because it is the same in all of them.
    """

    def source(row: TableRow) -> TableRow | None:
        return lines.get(row.line or "", {}).get(group)

    def text(row: TableRow) -> str:
        found = source(row)
        if found is None:
            return MISSING
        parts = list(filter(None, column.mean(found))) if column.mean and is_whole else []
        return " ± ".join(parts) or column.text(found)

    of, strong, more = column.mean, column.is_strong, column.more
    return dataclasses.replace(
        column,
        heading=group if column.mean and is_heading else f"{group}: {column.heading}",
        text=text,
        fields=(),
        is_strong=lambda row: (found := source(row)) is not None and strong(found),
        more=lambda row: more(found) if (found := source(row)) else "",
        mean=(lambda row: of(found) if (found := source(row)) else ("", "")) if of else None,
        source=source,
        group=group,
    )


def _label_text(row: TableRow) -> str:
    label = row.line or row.label
    return f"{label} (baseline)" if row.baseline and row.group is None else label


def _is_whole(table: Table) -> bool:
    """Whether every value is over all seeds, so that a note can say it once."""
    cells = [row.cells[table.metric] for row in table.rows]
    return all(len(cell.values) == len(table.seeds) for cell in cells if cell.values)
