"""`render(table, format)`: the five formats of a table. All show the same numbers of the same `Table`."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ablate.errors import TableError, nearest, quote
from ablate.tables.captions import reading_notes
from ablate.tables.columns import Column, choose_columns
from ablate.tables.formats.csv import render_csv
from ablate.tables.formats.html import html_embedded, render_html
from ablate.tables.formats.latex import render_latex
from ablate.tables.formats.markdown import render_markdown
from ablate.tables.pivot import as_printed, columns_of
from ablate.tables.robustness import robustness_notes
from ablate.tables.table import Table

FORMATS = ("md", "tex", "csv", "html", "json")


def render(
    table: Table,
    format: str,
    *,
    columns: Iterable[str] | None = None,
    digits: int | None = None,
    measured: bool = True,
    robust: bool = False,
) -> str:
    """The table as text.

    Args:
        table: table to render.
        format: `md`, `tex`, `csv`, `html` or `json`.
        columns: names from `list_columns`, or `all`. None means the table's default, and all columns for CSV. JSON
            always contains every cell. `all`, JSON and CSV have the groups of a pivoted table below each other.
        digits: decimals of metrics. None derives them from the spread (two digits of the median sd) and leaves CSV and
            JSON unrounded. Numbers that are too large or too small for these decimals have four digits and an exponent.
        measured: False leaves out measured times, memory, provenance notes and commits, so that the bytes do not change
            when the study is run again.
        robust: whether to add notes on how far the decisions depend on the test, lost runs and single seeds.

    Raises:
        TableError: the format or a column is unknown, or digits is out of range.
    """
    if format not in FORMATS:
        raise TableError(f"no table format {quote(format)}{nearest(format, FORMATS)}")
    if not measured:
        table = table.model_copy(update={"provenance": [], "commits": []})
    if robust:
        table = table.model_copy(update={"notes": [*table.notes, *robustness_notes(table)]})
    names = columns.split(",") if isinstance(columns, str) else None if columns is None else list(columns)
    if format in ("json", "csv"):
        whole = ["all"] if format == "csv" and names is None else names
        chosen = choose_columns(table, whole, digits=digits, measured=measured)
        return _render_json(table, chosen, measured) if format == "json" else render_csv(table, chosen, digits=digits)
    table = as_printed(table, names)
    chosen = columns_of(table, names, digits=digits, measured=measured)
    notes = [*table.notes, *table.provenance, *reading_notes(table, chosen)]
    renderer = {"md": render_markdown, "tex": render_latex, "html": render_html}[format]
    return renderer(table, chosen, notes)


def render_embedded(table: Table) -> str:
    """The table as HTML for a page that is not ours, such as a notebook: its styles apply to the table alone."""
    table = as_printed(table)
    chosen = columns_of(table)
    return html_embedded(table, chosen, [*table.notes, *table.provenance, *reading_notes(table, chosen)])


def _render_json(table: Table, columns: list[Column], measured: bool) -> str:
    document = table.to_json(measured=measured) | {"columns": [column.name for column in columns]}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
