"""What both styles of LaTeX share: a float or a longtable with booktabs, and comments at the end.

A table takes one column of a two-column article if it fits, in small type if necessary, else both columns (`table*`).
If both are too narrow, it is split into blocks below each other. A table higher than a page becomes a `longtable`,
which needs the package of that name and continues over pages of one column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ablate.tables.columns import Column
from ablate.tables.formats.latex_layout import LatexLayout, blocks_of, heading_lines, rooms_of
from ablate.tables.formats.latex_text import escape_latex
from ablate.tables.table import Table, TableRow
from ablate.tables.words import SCIENTIFIC
from ablate.text import on_one_line

CONTINUED = "\\multicolumn{{{count}}}{{r@{{}}}}{{\\itshape continued on the next page}} \\\\"
ONE_COLUMN = (
    "\\makeatletter\\if@twocolumn\\onecolumn\\let\\ablateend\\twocolumn\\else\\let\\ablateend\\relax\\fi\\makeatother"
)
"""longtable does not work in two columns; the next page has two columns again."""


def kind_of(column: Column) -> str:
    """The type of a column in a tabular: text aligned left, or numbers aligned right."""
    return "l" if column.is_text else "r"


@dataclass(frozen=True, slots=True)
class LatexSheet:
    """A table in LaTeX.

    Attributes:
        table: its rows.
        columns: its columns, the first one wide enough for broken text.
        layout: its layout.
        caption: its caption, as LaTeX.
        label: for `\\ref`.
        packages: packages that it needs in addition to those of the layout.
        before: lines before the table.
        setup: lines at its begin, which apply to it alone.
        below: lines below the tabular, inside the float.
        comments: text at the end of the file, a comment for each line.
        cell: the text of a cell, as LaTeX.
        heading: the text of a line of a heading, as LaTeX.
        kind: the type of a column.
        last: the end of the last column's type.
    """

    table: Table
    columns: Sequence[Column]
    layout: LatexLayout
    caption: str
    label: str
    packages: Sequence[str] = ()
    before: Sequence[str] = ()
    setup: Sequence[str] = ()
    below: Sequence[str] = ()
    comments: Sequence[str] = ()
    cell: Callable[[Column, TableRow], str] = lambda column, row: escape_latex(column.text(row))
    heading: Callable[[Column, str], str] = lambda column, line: escape_latex(line)
    kind: Callable[[Column], str] = kind_of
    last: str = "@{}"

    @property
    def is_long(self) -> bool:
        """Whether it continues over pages."""
        return self.layout.environment == "longtable"


def print_sheet(sheet: LatexSheet) -> str:
    """The sheet as text."""
    table, layout = sheet.table, sheet.layout
    packages = ",".join(["booktabs", *(["longtable"] if sheet.is_long else []), *sheet.packages])
    head = f"% study {table.study}, scale {on_one_line(table.scale or 'base')}; needs \\usepackage{{{packages}}}"
    end = ["\\endgroup", "\\ablateend\\relax"] if sheet.is_long else [f"\\end{{{layout.environment}}}"]
    body = [*(_long(sheet) if sheet.is_long else _float(sheet)), *sheet.below, *end]
    comments = [f"% {on_one_line(text)}" for text in sheet.comments]
    return "\n".join([head, *sheet.before, *body, *comments, *_keys(table)]) + "\n"


def numbers_in(text: str) -> str:
    """Escaped text whose signed numbers, and numbers with an exponent, are formulas."""
    text = re.sub(rf"(?:\$(-)\$|(\+))?{SCIENTIFIC.pattern}", _power, text)
    text = re.sub(r"\$-\$(\d[\d.]*)", r"$-\1$", text)
    return re.sub(r"(?<![\w$])\+(\d[\d.]*)", r"$+\1$", text)


def _power(match: re.Match[str]) -> str:
    minus, plus, digits, exponent = match.groups()
    return rf"${minus or plus or ''}{digits} \times 10^{{{int(exponent)}}}$"


def _float(sheet: LatexSheet) -> Iterator[str]:
    yield from (f"\\begin{{{sheet.layout.environment}}}[t]", "\\centering", *_type(sheet), *_caption(sheet))
    yield "\\smallskip"
    for index, block in enumerate(blocks_of(sheet.layout, sheet.table, sheet.columns)):
        rooms = rooms_of(sheet.layout, sheet.table, block)
        yield from ["\\par\\medskip"] if index else []
        yield f"\\begin{{tabular}}{{{_spec(sheet, block, rooms)}}}"
        yield from ("\\toprule", *_head(sheet, block), "\\midrule", *_body(sheet, block, rooms))
        yield from ("\\bottomrule", "\\end{tabular}")


def _long(sheet: LatexSheet) -> Iterator[str]:
    """A table over several pages: every page has the headings, and all blocks have the same number."""
    yield from (ONE_COLUMN, "\\begingroup", *_type(sheet))
    for index, block in enumerate(blocks_of(sheet.layout, sheet.table, sheet.columns)):
        rooms = rooms_of(sheet.layout, sheet.table, block)
        again = [f"\\caption[]{{{escape_latex('(continued)')}}} \\\\"]
        head = ["\\toprule", *_head(sheet, block), "\\midrule"]
        yield from ["\\addtocounter{table}{-1}"] if index else []
        yield f"\\begin{{longtable}}{{{_spec(sheet, block, rooms)}}}"
        yield from (*(again if index else [*_caption(sheet), "\\\\"]), *head, "\\endfirsthead")
        yield from (*again, *head, "\\endhead")
        yield from ("\\midrule", CONTINUED.format(count=len(block)), "\\endfoot", "\\bottomrule", "\\endlastfoot")
        yield from (*_body(sheet, block, rooms), "\\end{longtable}")


def _type(sheet: LatexSheet) -> list[str]:
    return [f"\\{sheet.layout.size}", f"\\setlength{{\\tabcolsep}}{{{sheet.layout.gap:g}pt}}", *sheet.setup]


def _caption(sheet: LatexSheet) -> list[str]:
    return [f"\\caption{{{sheet.caption}}}", f"\\label{{{sheet.label}}}"]


def _spec(sheet: LatexSheet, columns: Sequence[Column], rooms: Sequence[float | None]) -> str:
    """The columns' types; text that is broken into lines has a width."""
    kinds = [
        f"p{{{math.floor(room)}pt}}" if room else sheet.kind(column)
        for column, room in zip(columns, rooms, strict=True)
    ]
    return f"@{{}}{''.join(kinds)}{sheet.last}"


def _head(sheet: LatexSheet, columns: Sequence[Column]) -> list[str]:
    """One line of headings, or two."""
    headings = [heading_lines(column, sheet.layout.depth) for column in columns]
    depth = max(len(lines) for lines in headings)
    padded = [(column, [""] * (depth - len(lines)) + lines) for column, lines in zip(columns, headings, strict=True)]
    return [
        " & ".join(sheet.heading(column, lines[level]) for column, lines in padded) + " \\\\" for level in range(depth)
    ]


def _body(sheet: LatexSheet, columns: Sequence[Column], rooms: Sequence[float | None]) -> Iterator[str]:
    """The rows, each group after its name, without a page break after the name."""
    for index, (group, rows) in enumerate(sheet.table.grouped()):
        yield from ["\\midrule"] if index else []
        if group is not None:
            yield f"\\multicolumn{{{len(columns)}}}{{@{{}}l@{{}}}}{{\\textit{{{escape_latex(group)}}}}} \\\\*"
        for row in rows:
            cells = [_cell(sheet, column, row, room) for column, room in zip(columns, rooms, strict=True)]
            yield " & ".join(cells) + (" \\tabularnewline" if rooms[-1] else " \\\\")  # broken text redefines \\


def _cell(sheet: LatexSheet, column: Column, row: TableRow, room: float | None) -> str:
    text = sheet.cell(column, row)
    return f"\\raggedright {text}" if room else text


def _keys(table: Table) -> Iterator[str]:
    """Comments that tie each row to its trials, one line per seed."""
    for row in table.printed_rows:
        yield f"% {on_one_line(row.name)}"
        yield from (f"%   seed {seed}: {key}" for seed, key in zip(table.seeds, row.trials, strict=True))
