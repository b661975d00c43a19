"""A table as CSV (RFC 4180): one plain number per cell, one line per row, unrounded unless digits are requested.

Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers stay numbers. CSV has no place for
notes below the table, so each row has its own notes and the source of its printed numbers.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence

from ablate.statistics.words import MINUS
from ablate.tables.columns import Column
from ablate.tables.table import Table, TableRow
from ablate.tables.tries import describe_tries
from ablate.tables.words import fixed, metric_unit
from ablate.text import visible

FORMULA_STARTS = frozenset("=+-@")


def guard_formula(text: str) -> str:
    """Text that a spreadsheet does not run as a formula, and in which nothing is hidden.

    Spreadsheets remove white space and read full-width signs as the ordinary ones. Text that looks guarded already gets
    a further apostrophe, so that `unguarded` gives every text back.
    """
    is_guarded = _is_formula(text.lstrip("'")) or text[:1] in ("\t", "\r", "\n")
    return f"'{visible(text)}" if is_guarded else visible(text)


def unguarded(text: str) -> str:
    """The text that `guard_formula` wrote, without the leading apostrophe: what readers of our CSV files see."""
    return text[1:] if text[:1] == "'" and _is_formula(text.lstrip("'")) else text


def _is_formula(text: str) -> bool:
    signs = (sign for sign in unicodedata.normalize("NFKC", text) if sign.isprintable() and not sign.isspace())
    return next(signs, "") in FORMULA_STARTS


def render_csv(table: Table, columns: Sequence[Column], *, digits: int | None = None) -> str:
    """The table (study, scale, state), the row (group, label) and then the plain fields of the columns."""
    shown = {field.header: field for column in columns if column.name != "label" for field in column.fields}
    fields = list(shown.values())
    first = ["study", "scale", "provisional", "exploratory", "group", "label", "baseline"]
    last = ["published_source", "notes"] if table.published else ["notes"]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([guard_formula(name) for name in (*first, *(field.header for field in fields), *last)])
    for row in table.rows:
        lead = [table.study, table.scale, table.provisional, table.exploratory, row.group, row.label, row.baseline]
        values = [_cell(field.value(row), digits if field.rounds else None) for field in fields]
        source = [_source(table, row)] if table.published else []
        notes = guard_formula("; ".join(_notes(table, row)))
        writer.writerow([*(_cell(value) for value in lead), *values, *source, notes])
    return out.getvalue()


def _notes(table: Table, row: TableRow) -> list[str]:
    cell = row.cells[table.metric]
    if cell.tries is None:
        return row.notes
    answer = describe_tries(cell.tries, cell.decision or "undecided", metric_unit(table.metric))
    return [*row.notes, f"tried before; {answer}; mean, difference and interval in this line are of this try alone"]


def _cell(value: object, digits: int | None = None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value) if digits is None else fixed(value, digits).replace(MINUS, "-")
    return str(value) if isinstance(value, int) else guard_formula(str(value))


def _source(table: Table, row: TableRow) -> str:
    """The source of the row's printed numbers."""
    printed = next((cell.published for cell in row.cells.values() if cell.published), None)
    if printed is None or table.published is None:
        return ""
    texts = [f"{key}: {table.published.sources[key]}" for key in printed.source.split(", ")]
    return guard_formula(f"{table.published.id} of {table.published.paper}; read from {'; '.join(texts)}")
