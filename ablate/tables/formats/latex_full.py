"""The full style of a table in LaTeX: the default columns, the whole method in the caption, all notes below."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.tables.captions import caption_of, reading_notes
from ablate.tables.columns import Column, is_measured
from ablate.tables.formats.latex_layout import LatexLayout, choose_layout
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.latex_sheet import LatexSheet, numbers_in, print_sheet
from ablate.tables.formats.latex_text import escape_latex
from ablate.tables.notes_verdicts import method_notes
from ablate.tables.table import Table, TableRow


def render_full(table: Table, columns: Sequence[Column], notes: Sequence[str], options: LatexOptions) -> str:
    """The table in the full style."""
    silent = _silent(table, columns)
    printed = [*table.summary, *(note for note in notes if note not in silent)]
    caption = options.caption or caption_of(table, columns)
    layout = choose_layout(table, columns, caption, printed)
    sheet = LatexSheet(
        table,
        columns,
        layout,
        caption=escape_latex(caption),
        label=options.label or f"tab:{table.study}",
        below=_notes(layout, printed),
        comments=[note for note in notes if note in silent],
        cell=_cell,
    )
    return print_sheet(sheet)


def _silent(table: Table, columns: Sequence[Column]) -> list[str]:
    """Notes that a reader of a paper does not need: text of the caption, and when trials ran."""
    repeated = [*method_notes(table), *reading_notes(table, columns)]
    return repeated if any(is_measured(column.name) for column in columns) else [*repeated, *table.provenance]


def _cell(column: Column, row: TableRow) -> str:
    text = escape_latex(column.text(row))
    if column.is_text:
        return text
    return rf"\textbf{{{numbers_in(text)}}}" if column.is_strong(row) else numbers_in(text)


def _notes(layout: LatexLayout, notes: Sequence[str]) -> list[str]:
    """Summary and notes in small type, one paragraph each. Long tables may break them."""
    if not notes:
        return []
    items = [f"{escape_latex(note.rstrip('.'))}.\\par" for note in notes]
    if layout.environment == "longtable":
        return ["{\\scriptsize\\raggedright\\setlength{\\parindent}{0pt}%", *items, "}"]
    return ["\\par\\smallskip", "\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright", *items, "\\end{minipage}"]
