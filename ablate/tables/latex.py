"""A table as LaTeX: a `table` float that needs booktabs and nothing else, with the trial keys as comments.

It is set for a two-column article: in one column where it fits, in small type if need be, else across both
(`table*`), and where even that is too narrow, in blocks below each other. Widths are estimated from the Computer
Modern metrics, a little on the wide side.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.tables.columns import Column, is_measured
from ablate.tables.headings import caption_of, heading_of
from ablate.tables.latex_text import escape_latex
from ablate.tables.notes_verdicts import method_notes, open_notes
from ablate.tables.table import Table, TableRow
from ablate.tables.words import SCIENTIFIC

COLUMN_PT, PAGE_PT = 200.0, 410.0
"""Widths of a column and of the text in a two-column article on letter paper, the narrowest of the usual classes."""
LABEL_SHARE = 0.36
"""Share of the width that labels take before they are broken into lines, where other columns need the rest."""
MOST_LINES = 24
"""Lines of a table in one column beyond which broken labels are a reason to take both."""

WIDTHS = {" .,:;'|!ijl[]": 0.62, "()frt-": 0.8, "mwMW%@+=\u2212±→↓↑": 1.57, "ABCDEFGHKLNOPQRSTUVXYZ": 1.3}
"""Characters by their width in digits, in Computer Modern at small sizes; any other is taken for 1."""
WIDTH_OF = {character: width for characters, width in WIDTHS.items() for character in characters}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is set.

    Attributes:
        environment: `table` or `table*`.
        size: the type size's command.
        em: width of a digit in points at that size.
        gap: points on either side of a column.
        width: points there are.
    """

    environment: str
    size: str
    em: float
    gap: float
    width: float


LAYOUTS = (
    Layout("table", "footnotesize", 4.25, 3.0, COLUMN_PT),
    Layout("table", "scriptsize", 3.99, 2.0, COLUMN_PT),
    Layout("table*", "footnotesize", 4.25, 4.0, PAGE_PT),
    Layout("table*", "scriptsize", 3.99, 2.5, PAGE_PT),
)
"""In the order of preference."""


def render_latex(table: Table, columns: Sequence[Column], notes: Sequence[str]) -> str:
    """The float: caption, label, one tabular (or several), notes below."""
    layout = next((layout for layout in LAYOUTS if _fits(layout, table, columns)), LAYOUTS[-1])
    lines = [
        f"% study {table.study}, scale {_comment(table.scale or 'base')}; needs \\usepackage{{booktabs}}",
        f"\\begin{{{layout.environment}}}[t]",
        "\\centering",
        f"\\{layout.size}",
        f"\\setlength{{\\tabcolsep}}{{{layout.gap}pt}}",
        f"\\caption{{{escape_latex(caption_of(table))}}}",
        f"\\label{{tab:{table.study}}}",
        "\\smallskip",
        *_tabulars(layout, table, columns),
        *_notes(notes, _silent(table, columns)),
        f"\\end{{{layout.environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _silent(table: Table, columns: Sequence[Column]) -> list[str]:
    """Notes that no reader of a paper needs: what the caption says, what more seeds would do, when trials ran."""
    said = [*method_notes(table), *open_notes(table)]
    return said if any(is_measured(column.name) for column in columns) else [*said, *table.provenance]


def _fits(layout: Layout, table: Table, columns: Sequence[Column]) -> bool:
    if len(_blocks(layout, table, columns)) > 1:
        return False
    room = _label_room(layout, table, columns)
    lines = sum(math.ceil(_text_width(columns[0].text(row), layout.em) / room) for row in table.rows)
    return layout.environment == "table*" or lines <= max(MOST_LINES, len(table.rows))


def _blocks(layout: Layout, table: Table, columns: Sequence[Column]) -> list[list[Column]]:
    """The columns in as few blocks as the width allows, each with the label in front."""
    label, *rest = columns
    room = layout.width - min(_column_width(layout, table, label), LABEL_SHARE * layout.width)
    blocks: list[list[Column]] = [[label]]
    used = 0.0
    for column in rest:
        width = _column_width(layout, table, column) + 2 * layout.gap
        if used + width > room and len(blocks[-1]) > 1:
            blocks.append([label])
            used = 0.0
        blocks[-1].append(column)
        used += width
        if used > room and layout.environment == "table":
            return [*blocks, []]
    return blocks


def _label_room(layout: Layout, table: Table, columns: Sequence[Column]) -> float:
    """The width that labels may take: their share, or what the other columns leave."""
    others = sum(_column_width(layout, table, column) + 2 * layout.gap for column in columns[1:])
    return max(LABEL_SHARE * layout.width, layout.width - others)


def _column_width(layout: Layout, table: Table, column: Column) -> float:
    texts = [*_heading_lines(column), *(SCIENTIFIC.sub(r"\1 × 10\2", column.text(row)) for row in table.rows)]
    return max(_text_width(text, layout.em) for text in texts)


def _text_width(text: str, em: float) -> float:
    """Estimate of a text's width in points, `em` being that of a digit."""
    return em * sum(WIDTH_OF.get(character, 1.0) for character in text)


def _heading_lines(column: Column) -> list[str]:
    """A heading in one line, or in two where it is long."""
    words = heading_of(column).split()
    lines = [" ".join(words[:cut]) for cut in range(1, len(words))]
    if not lines or len(heading_of(column)) <= 12:
        return [heading_of(column)]
    cuts = [(max(len(line), len(heading_of(column)) - len(line) - 1), line) for line in lines]
    first = min(cuts)[1]
    return [first, heading_of(column)[len(first) + 1 :]]


def _tabulars(layout: Layout, table: Table, columns: Sequence[Column]) -> list[str]:
    lines: list[str] = []
    for index, block in enumerate(_blocks(layout, table, columns)):
        lines += ["\\par\\medskip"] if index else []
        lines += _tabular(layout, table, block, with_keys=index == 0)
    return lines


def _tabular(layout: Layout, table: Table, columns: Sequence[Column], *, with_keys: bool) -> list[str]:
    label = columns[0]
    room = _label_room(layout, table, columns)
    is_broken = _column_width(layout, table, label) > room
    first = f"p{{{math.floor(room)}pt}}" if is_broken else "l"
    rest = "".join("l" if column.is_text else "r" for column in columns[1:])
    lines = [f"\\begin{{tabular}}{{@{{}}{first}{rest}@{{}}}}", "\\toprule", *_head(columns), "\\midrule"]
    for index, (group, rows) in enumerate(table.grouped()):
        if group is not None:
            lines += ["\\addlinespace"] if index else []
            lines.append(f"\\multicolumn{{{len(columns)}}}{{@{{}}l@{{}}}}{{\\textit{{{escape_latex(group)}}}}} \\\\")
        for row in rows:
            lines += _keys(table, row) if with_keys else []
            lines.append(_row(row, columns, is_broken))
    return [*lines, "\\bottomrule", "\\end{tabular}"]


def _head(columns: Sequence[Column]) -> list[str]:
    """One line of headings, or two."""
    headings = [_heading_lines(column) for column in columns]
    depth = max(len(lines) for lines in headings)
    padded = [[""] * (depth - len(lines)) + lines for lines in headings]
    return [" & ".join(escape_latex(lines[level]) for lines in padded) + " \\\\" for level in range(depth)]


def _row(row: TableRow, columns: Sequence[Column], is_broken: bool) -> str:
    label = ("\\raggedright " if is_broken else "") + escape_latex(columns[0].text(row))
    return " & ".join([label, *(_cell(column, row) for column in columns[1:])]) + " \\\\"


def _cell(column: Column, row: TableRow) -> str:
    """A cell's text; a number with an exponent, its sign included, is a formula."""
    text = escape_latex(column.text(row))
    if column.is_text:
        return text
    text = re.sub(rf"(?:\$(-)\$|(\+))?{SCIENTIFIC.pattern}", _power, text)
    return rf"\textbf{{{text}}}" if column.is_strong(row) else text


def _power(match: re.Match[str]) -> str:
    minus, plus, digits, exponent = match.groups()
    return rf"${minus or plus or ''}{digits} \times 10^{{{int(exponent)}}}$"


def _keys(table: Table, row: TableRow) -> list[str]:
    """Comments that tie a row to its trials, one line a seed."""
    seeds = zip(table.seeds, row.trials, strict=True)
    return [f"% {_comment(row.label)}", *(f"%   seed {seed}: {key}" for seed, key in seeds)]


def _comment(text: str) -> str:
    """A text that cannot end the comment it stands in."""
    return "".join(character if character.isprintable() else " " for character in text)


def _notes(notes: Sequence[str], silent: Sequence[str]) -> list[str]:
    """Notes in small type; the silent ones, which no reader of a paper needs, as comments."""
    if not notes:
        return []
    items = [f"% {_comment(note)}" if note in silent else f"{escape_latex(note.rstrip('.'))}.\\par" for note in notes]
    return ["\\par\\smallskip", "\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright", *items, "\\end{minipage}"]
