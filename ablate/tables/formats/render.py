"""`render(table, format)`: the five formats of a table. All show the same numbers of the same `Table`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial

from ablate.errors import TableError, nearest, quote
from ablate.tables.captions import reading_notes
from ablate.tables.columns import Column, choose_columns
from ablate.tables.formats.csv import render_csv
from ablate.tables.formats.html import html_embedded, render_html
from ablate.tables.formats.latex_full import render_full
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.latex_paper import render_paper
from ablate.tables.formats.markdown import render_markdown
from ablate.tables.pivot import as_printed, cells_note, columns_of
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
    notes: bool = False,
    latex: LatexOptions = LatexOptions(),
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
        robust: whether to add notes on how far the decisions depend on the test, lost runs and single seeds; these
            are shown, too.
        notes: whether Markdown shows all notes, and not only the summary. HTML has them folded, LaTeX below the table
            (style `full`) or as comments, and JSON as a field, in any case.
        latex: style of `tex`; other formats ignore it.

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
    choose = partial(columns_of, table, digits=digits, measured=measured)
    if format == "tex" and latex.style == "paper":
        return render_paper(table, names, choose, [*table.notes, *table.provenance], latex)
    chosen = choose(names)
    if format == "tex":
        return render_full(table, chosen, all_notes(table, chosen), latex)
    table = explained(table, chosen)
    found = all_notes(table, chosen)
    if format == "md":
        return render_markdown(table, chosen, found if notes or robust else [])
    return render_html(table, chosen, found)


def render_embedded(table: Table) -> str:
    """The table as HTML for a page that is not ours, such as a notebook: its styles apply to the table alone."""
    table = as_printed(table)
    chosen = columns_of(table)
    table = explained(table, chosen)
    return html_embedded(table, chosen, all_notes(table, chosen))


def explained(table: Table, columns: Sequence[Column]) -> Table:
    """The table with the meaning of its cells first in its summary: headings of a pivoted table name no metric."""
    return table.model_copy(update={"summary": [*cells_note(table, columns), *table.summary]})


def all_notes(table: Table, columns: Sequence[Column]) -> list[str]:
    """All notes on a table with these columns, without its summary."""
    notes = [*table.notes, *table.provenance, *reading_notes(table, columns)]
    return [note for note in notes if note not in table.summary]


def _render_json(table: Table, columns: list[Column], measured: bool) -> str:
    document = table.to_json(measured=measured) | {"columns": [column.name for column in columns]}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
