"""The layout of a table in LaTeX: one column or both, type size, number of blocks, one page or several.

Widths and heights are estimates from the Computer Modern metrics, slightly too large, in points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.tables.captions import heading_of
from ablate.tables.columns import Column
from ablate.tables.table import Table, TableRow
from ablate.tables.words import SCIENTIFIC

COLUMN_PT, PAGE_PT, HEIGHT_PT = 200.0, 345.0, 500.0
"""Width of a column, width and height of the text, for the smallest of the usual classes: a column of a two-column
article on letter paper, the text of an article of one column, such as LNCS (347 pt)."""
TEXT_SHARE = 0.36
"""Largest share of the width for a column of text before it is broken into lines, if others need the rest."""
MAX_LINES = 24
"""Number of lines of a table in one column above which broken labels are a reason to use both columns."""
NOTE_EM, NOTE_LINE, CAPTION_EM, CAPTION_LINE = 3.99, 8.0, 5.0, 12.0

WIDTHS = {" .,:;'|!ijl[]": 0.62, "()frt-": 0.8, "mwMW%@+=\u2212±→↓↑": 1.57, "ABCDEFGHKLNOPQRSTUVXYZ": 1.3}
"""Characters by their width in digits, in Computer Modern at small sizes; other characters count as 1."""
WIDTH_OF = {character: width for characters, width in WIDTHS.items() for character in characters}


@dataclass(frozen=True, slots=True)
class LatexLayout:
    """The layout of a table.

    Attributes:
        environment: `table`, `table*`, or `longtable`, which continues over pages.
        size: command of the type size.
        em: width of a digit in points at that size.
        line: distance of lines in points.
        gap: space on either side of a column in points.
        width: available width in points.
        depth: largest number of lines of a heading.
    """

    environment: str
    size: str
    em: float
    line: float
    gap: float
    width: float
    depth: int = 2


LAYOUTS = (
    LatexLayout("table", "footnotesize", 4.25, 9.5, 3.0, COLUMN_PT),
    LatexLayout("table", "scriptsize", 3.99, 8.0, 2.0, COLUMN_PT),
    LatexLayout("table*", "footnotesize", 4.25, 9.5, 4.0, PAGE_PT),
    LatexLayout("table*", "scriptsize", 3.99, 8.0, 2.5, PAGE_PT),
)
"""The layouts in order of preference."""
PAPER = tuple(
    LatexLayout(environment, size, em, line, gap, width, depth)
    for environment, size, em, line, gap, width in (
        ("table", "small", 4.63, 11.0, 4.0, COLUMN_PT),
        ("table", "footnotesize", 4.25, 9.5, 3.0, COLUMN_PT),
        ("table*", "small", 4.63, 11.0, 6.0, PAGE_PT),
        ("table*", "footnotesize", 4.63, 11.0, 4.0, PAGE_PT),  # as large as \small in LNCS
        ("table", "scriptsize", 3.99, 8.0, 2.0, COLUMN_PT),  # of many rows
        ("table*", "scriptsize", 3.99, 8.0, 2.5, PAGE_PT),
    )
    for depth in (1, 2)
)
"""The layouts of the style `paper` in order of preference."""
LONG = (
    LatexLayout("longtable", "footnotesize", 4.25, 9.5, 3.0, PAGE_PT),
    LatexLayout("longtable", "scriptsize", 3.99, 8.0, 2.0, PAGE_PT),
)
"""The layouts of tables higher than a page."""


def choose_layout(
    table: Table,
    columns: Sequence[Column],
    caption: str,
    notes: Sequence[str] = (),
    *,
    layouts: Sequence[LatexLayout] = LAYOUTS,
) -> LatexLayout:
    """The first layout in which everything fits, in blocks if necessary, else one over several pages."""
    for layout in layouts:
        if _fits(layout, table, columns) and _height(layout, table, columns, caption, notes) <= HEIGHT_PT:
            return layout
    if _height(layouts[-1], table, columns, caption, notes) <= HEIGHT_PT:
        return layouts[-1]
    return next((layout for layout in LONG if len(blocks_of(layout, table, columns)) == 1), LONG[-1])


def choose_paper_layout(table: Table, columns: Sequence[Column], caption: str) -> LatexLayout:
    """The first layout in which everything fits and no label is broken; if there is none, labels are broken."""
    for layout in PAPER:
        if len(table.printed_rows) * layout.line > HEIGHT_PT:
            continue
        is_whole = len(blocks_of(layout, table, columns)) == 1 and not any(rooms_of(layout, table, columns))
        if is_whole and _height(layout, table, columns, caption, ()) <= HEIGHT_PT:
            return layout
    return choose_layout(table, columns, caption, layouts=PAPER[-1:])


def blocks_of(layout: LatexLayout, table: Table, columns: Sequence[Column]) -> list[list[Column]]:
    """The columns in as few blocks as the width allows, each with the label first."""
    label, *rest = columns
    room = layout.width - min(_natural_width(layout, table, label), TEXT_SHARE * layout.width)
    blocks: list[list[Column]] = [[label]]
    used = 0.0
    for column in rest:
        width = _width(layout, table, column) + 2 * layout.gap
        if used + width > room and len(blocks[-1]) > 1:
            blocks.append([label])
            used = 0.0
        blocks[-1].append(column)
        used += width
        if used > room and layout.environment == "table":
            return [*blocks, []]
    return blocks


def rooms_of(layout: LatexLayout, table: Table, columns: Sequence[Column]) -> list[float | None]:
    """The width in points at which the text of each column of a block is broken; None if it is not broken."""
    others = sum(_width(layout, table, column) + 2 * layout.gap for column in columns[1:])
    rooms = [max(TEXT_SHARE * layout.width, layout.width - others)]
    rooms += [TEXT_SHARE * layout.width for _ in columns[1:]]
    return [
        room if (column.name == "label" or column.is_text) and _natural_width(layout, table, column) > room else None
        for column, room in zip(columns, rooms, strict=True)
    ]


def heading_lines(column: Column, depth: int = 2) -> list[str]:
    """A heading in one line, or in two lines if it is long and may have them."""
    words = heading_of(column).split()
    lines = [" ".join(words[:cut]) for cut in range(1, len(words))]
    if depth == 1 or not lines or len(heading_of(column)) <= 12:
        return [heading_of(column)]
    cuts = [(max(len(line), len(heading_of(column)) - len(line) - 1), line) for line in lines]
    first = min(cuts)[1]
    return [first, heading_of(column)[len(first) + 1 :]]


def _fits(layout: LatexLayout, table: Table, columns: Sequence[Column]) -> bool:
    """Whether there is a single block and, in one column, no page of broken labels."""
    if len(blocks_of(layout, table, columns)) > 1:
        return False
    return layout.environment == "table*" or _lines(layout, table, columns) <= max(MAX_LINES, len(table.printed_rows))


def _lines(layout: LatexLayout, table: Table, columns: Sequence[Column]) -> int:
    """Number of lines of the rows of a block."""
    rooms = rooms_of(layout, table, columns)
    return sum(
        max(_lines_of(layout, row, *pair) for pair in zip(columns, rooms, strict=True)) for row in table.printed_rows
    )


def _lines_of(layout: LatexLayout, row: TableRow, column: Column, room: float | None) -> int:
    return 1 if room is None else math.ceil(1.1 * _text_width(column.text(row), layout.em) / room)


def _height(layout: LatexLayout, table: Table, columns: Sequence[Column], caption: str, notes: Sequence[str]) -> float:
    """Height from the caption to the last note in points; lines of text are rarely full."""
    blocks = blocks_of(layout, table, columns)
    groups = [group for group, _ in table.grouped() if group is not None]
    lines = sum(_lines(layout, table, block) + 1.5 * len(groups) + 3.5 for block in blocks)
    below = sum(math.ceil(1.05 * _text_width(note, NOTE_EM) / layout.width) for note in notes)
    above = math.ceil(1.05 * _text_width(caption, CAPTION_EM) / layout.width)
    return lines * layout.line + below * NOTE_LINE + (above + 1) * CAPTION_LINE


def _width(layout: LatexLayout, table: Table, column: Column) -> float:
    """Width of a column with broken text."""
    width = _natural_width(layout, table, column)
    return min(width, TEXT_SHARE * layout.width) if column.is_text else width


def _natural_width(layout: LatexLayout, table: Table, column: Column) -> float:
    texts = [
        *heading_lines(column, layout.depth),
        *(SCIENTIFIC.sub(r"\1 × 10\2", column.text(row)) for row in table.printed_rows),
    ]
    return max(_text_width(text, layout.em) for text in texts)


def _text_width(text: str, em: float) -> float:
    """Estimated width of a text in points; `em` is the width of a digit."""
    return em * sum(WIDTH_OF.get(character, 1.0) for character in text)
