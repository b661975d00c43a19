"""Columns with one value for each line of a pivoted table: names, headings, texts, and plain values in a CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ablate.tables.cells import Field, value_at
from ablate.tables.lines import Line, Pivot
from ablate.tables.table import TableRow
from ablate.tables.words import MISSING, decision_with_p, fixed, number, places_of

LINE_ABOUT = {
    "line": "row of the pivoted table in which this row is one cell",
    "mean_rank": "mean over the groups of the rank among the lines that have a value in every group; 1 is best",
    "mean_diff": "mean over the groups of the difference from the baseline",
    "overall": "better, worse or undecided over all groups; in brackets p of the sign-flip test over groups, corrected",
}
LINE_HEADINGS = {"line": "line", "mean_rank": "mean rank", "mean_diff": "mean diff.", "overall": "overall (p)"}
LINE_PATHS: dict[str, dict[str, str]] = {
    "line": {"line": "label"},
    "mean_rank": {"mean_rank": "mean_rank"},
    "mean_diff": {"mean_diff": "mean_diff"},
    "overall": {"overall": "decision", "overall_p": "p", "overall_p_adj": "p_adj"},
}
"""Name of a column -> header of each plain value -> its path in the line."""


def line_text(row: TableRow, *, lines: Mapping[str, Line], name: str, decimals: int) -> str:
    """The text of the line of a row in one of these columns; `decimals` are those of the metric."""
    line = lines.get(row.line or "")
    if line is None:
        return MISSING
    if name == "line":
        return line.label
    if name == "overall":
        return decision_with_p(line.decision, line.reason, line.p_adj)
    value = line.mean_rank if name == "mean_rank" else line.mean_diff
    if value is None:
        return MISSING
    return fixed(value, 2) if name == "mean_rank" else number(value, places_of((value,), decimals), signed=True)


def line_fields(pivot: Pivot, name: str) -> tuple[Field, ...]:
    """The plain values of the line of a row."""
    lines = {line.label: line for line in pivot.lines}

    def value(row: TableRow, path: str) -> object:
        return value_at(lines.get(row.line or ""), path)

    paths = LINE_PATHS[name].items()
    return tuple(Field(header, partial(value, path=path), rounds=name == "mean_diff") for header, path in paths)


def has_lines(pivot: Pivot, name: str) -> bool:
    """Whether any line has a value in the column."""
    return any(value_at(line, path) is not None for line in pivot.lines for path in LINE_PATHS[name].values())
