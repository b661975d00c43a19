"""A table as LaTeX: a `table` float that needs only the package booktabs, with the trial keys as comments.

It is made for a two-column article. It takes one column if it fits, in small type if necessary, else both columns
(`table*`). If both are too narrow, it is split into blocks below each other. A table higher than a page becomes a
`longtable`, which needs the package of that name and continues over pages of one column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from ablate.tables.captions import caption_of, reading_notes
from ablate.tables.columns import Column, is_measured
from ablate.tables.formats.latex_layout import LatexLayout, blocks_of, choose_layout, heading_lines, rooms_of
from ablate.tables.formats.latex_text import escape_latex
from ablate.tables.notes_verdicts import method_notes
from ablate.tables.table import Table, TableRow
from ablate.tables.words import SCIENTIFIC
from ablate.text import on_one_line

CONTINUED = "\\multicolumn{{{count}}}{{r@{{}}}}{{\\itshape continued on the next page}} \\\\"
ONE_COLUMN = (
    "\\makeatletter\\if@twocolumn\\onecolumn\\let\\ablateend\\twocolumn\\else\\let\\ablateend\\relax\\fi\\makeatother"
)
"""longtable does not work in two columns; the next page has two columns again."""


def render_latex(table: Table, columns: Sequence[Column], notes: Sequence[str], is_open: bool) -> str:
    """Caption, label, one or more tabulars, and the summary below; the notes too if `is_open`, else as comments."""
    silent = _silent(table, columns) if is_open else notes
    printed = [*table.summary, *(note for note in notes if note not in silent)]
    layout = choose_layout(table, columns, caption_of(table, columns), printed)
    packages = "booktabs,longtable" if layout.environment == "longtable" else "booktabs"
    head = f"% study {table.study}, scale {on_one_line(table.scale or 'base')}; needs \\usepackage{{{packages}}}"
    hidden = [f"% {on_one_line(note)}" for note in notes if note in silent]
    body = _long(layout, table, columns) if layout.environment == "longtable" else _float(layout, table, columns)
    return "\n".join([head, *body, *_notes(layout, printed), *hidden, *_end(layout)]) + "\n"


def _silent(table: Table, columns: Sequence[Column]) -> list[str]:
    """Notes that a reader of a paper does not need: text of the caption, and when trials ran."""
    repeated = [*method_notes(table), *reading_notes(table, columns)]
    return repeated if any(is_measured(column.name) for column in columns) else [*repeated, *table.provenance]


def _float(layout: LatexLayout, table: Table, columns: Sequence[Column]) -> Iterator[str]:
    yield from (
        f"\\begin{{{layout.environment}}}[t]",
        "\\centering",
        *_type(layout),
        *_caption(table, columns),
        "\\smallskip",
    )
    for index, block in enumerate(blocks_of(layout, table, columns)):
        rooms = rooms_of(layout, table, block)
        yield from ["\\par\\medskip"] if index else []
        yield f"\\begin{{tabular}}{{{_spec(block, rooms)}}}"
        yield from ("\\toprule", *_head(block), "\\midrule", *_body(table, block, rooms, with_keys=index == 0))
        yield from ("\\bottomrule", "\\end{tabular}")


def _long(layout: LatexLayout, table: Table, columns: Sequence[Column]) -> Iterator[str]:
    """A table over several pages: every page has the headings, and all blocks have the same number."""
    yield from (ONE_COLUMN, "\\begingroup", *_type(layout))
    for index, block in enumerate(blocks_of(layout, table, columns)):
        rooms = rooms_of(layout, table, block)
        again = [f"\\caption[]{{{escape_latex('(continued)')}}} \\\\"]
        head = ["\\toprule", *_head(block), "\\midrule"]
        yield from ["\\addtocounter{table}{-1}"] if index else []
        yield f"\\begin{{longtable}}{{{_spec(block, rooms)}}}"
        yield from (*(again if index else [*_caption(table, columns), "\\\\"]), *head, "\\endfirsthead")
        yield from (*again, *head, "\\endhead")
        yield from ("\\midrule", CONTINUED.format(count=len(block)), "\\endfoot", "\\bottomrule", "\\endlastfoot")
        yield from (*_body(table, block, rooms, with_keys=index == 0), "\\end{longtable}")


def _end(layout: LatexLayout) -> list[str]:
    if layout.environment == "longtable":
        return ["\\endgroup", "\\ablateend\\relax"]
    return [f"\\end{{{layout.environment}}}"]


def _type(layout: LatexLayout) -> list[str]:
    return [f"\\{layout.size}", f"\\setlength{{\\tabcolsep}}{{{layout.gap}pt}}"]


def _caption(table: Table, columns: Sequence[Column]) -> list[str]:
    return [f"\\caption{{{escape_latex(caption_of(table, columns))}}}", f"\\label{{tab:{table.study}}}"]


def _spec(columns: Sequence[Column], rooms: Sequence[float | None]) -> str:
    """The columns' types: broken text, text aligned left, or numbers aligned right."""
    kinds = [
        f"p{{{math.floor(room)}pt}}" if room else "l" if column.is_text else "r"
        for column, room in zip(columns, rooms, strict=True)
    ]
    return f"@{{}}{''.join(kinds)}@{{}}"


def _head(columns: Sequence[Column]) -> list[str]:
    """One line of headings, or two."""
    headings = [heading_lines(column) for column in columns]
    depth = max(len(lines) for lines in headings)
    padded = [[""] * (depth - len(lines)) + lines for lines in headings]
    return [" & ".join(escape_latex(lines[level]) for lines in padded) + " \\\\" for level in range(depth)]


def _body(table: Table, columns: Sequence[Column], rooms: Sequence[float | None], *, with_keys: bool) -> Iterator[str]:
    """The rows, each group after its name, without a page break after the name."""
    for index, (group, rows) in enumerate(table.grouped()):
        if group is not None:
            yield from ["\\addlinespace"] if index else []
            yield f"\\multicolumn{{{len(columns)}}}{{@{{}}l@{{}}}}{{\\textit{{{escape_latex(group)}}}}} \\\\*"
        for row in rows:
            yield from _keys(table, row) if with_keys else []
            cells = [_cell(column, row, room) for column, room in zip(columns, rooms, strict=True)]
            yield " & ".join(cells) + (" \\tabularnewline" if rooms[-1] else " \\\\")  # broken text redefines \\


def _cell(column: Column, row: TableRow, room: float | None) -> str:
    """The text of a cell; a number with an exponent and its sign is a formula."""
    text = escape_latex(column.text(row))
    if column.is_text:
        return f"\\raggedright {text}" if room else text
    text = re.sub(rf"(?:\$(-)\$|(\+))?{SCIENTIFIC.pattern}", _power, text)
    return rf"\textbf{{{text}}}" if column.is_strong(row) else text


def _power(match: re.Match[str]) -> str:
    minus, plus, digits, exponent = match.groups()
    return rf"${minus or plus or ''}{digits} \times 10^{{{int(exponent)}}}$"


def _keys(table: Table, row: TableRow) -> list[str]:
    """Comments that tie a row to its trials, one line per seed."""
    seeds = zip(table.seeds, row.trials, strict=True)
    return [f"% {on_one_line(row.label)}", *(f"%   seed {seed}: {key}" for seed, key in seeds)]


def _notes(layout: LatexLayout, notes: Sequence[str]) -> list[str]:
    """Notes in small type, one paragraph each. Long tables may break them."""
    if not notes:
        return []
    items = [f"{escape_latex(note.rstrip('.'))}.\\par" for note in notes]
    if layout.environment == "longtable":
        return ["{\\scriptsize\\raggedright\\setlength{\\parindent}{0pt}%", *items, "}"]
    return ["\\par\\smallskip", "\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright", *items, "\\end{minipage}"]
