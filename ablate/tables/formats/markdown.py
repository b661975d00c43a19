"""A table as Markdown (the GitHub dialect), aligned so that a terminal shows it well too. All text is escaped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ablate.tables.captions import heading_of, title_of
from ablate.tables.columns import Column
from ablate.tables.table import Table, TableRow
from ablate.text import on_one_line

# The start of an entity or a tag; a lone `&` or `>` is neither and stays readable in a terminal.
MARKUP = re.compile(r"&(?=#?[A-Za-z0-9]+;)|<")
ENTITIES = {"&": "&amp;", "<": "&lt;"}
# An underscore inside a word (`leaky_relu`) is not emphasis and stays readable.
SPECIAL = re.compile(r"[\\|`*\[\]~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def escape_markdown(text: str) -> str:
    """Text that Markdown shows unchanged, on one line."""
    line = MARKUP.sub(lambda match: ENTITIES[match[0]], on_one_line(text))
    return SPECIAL.sub(lambda match: "\\" + match[0], line)


def render_markdown(table: Table, columns: Sequence[Column], notes: Sequence[str]) -> str:
    """Title, question, the table with a spanning line for each group, the summary, and the notes under a heading."""
    parts = [f"### {escape_markdown(title_of(table))}"]
    if table.question.strip():
        parts.append(_paragraph(table.question))
    parts.append(_grid(table, columns))
    if table.summary:
        parts.append(_list(table.summary))
    if notes:
        parts += ["#### Notes", _list(notes)]
    return "\n\n".join(parts) + "\n"


def _list(texts: Sequence[str]) -> str:
    return "\n".join(f"- {_paragraph(text)}" for text in texts)


def _paragraph(text: str) -> str:
    """Escaped text whose start does not become a list, a rule, a heading or a quotation."""
    line = escape_markdown(text)
    return re.sub(r"^(\d+)([.)])|^([-+=>])", lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}", line)


def _grid(table: Table, columns: Sequence[Column]) -> str:
    lines = [[escape_markdown(heading_of(column)) for column in columns]]
    for group, rows in table.grouped():
        if group is not None:
            lines.append([f"**{escape_markdown(group)}**", *[""] * (len(columns) - 1)])
        lines += [[_cell(column, row) for column in columns] for row in rows]
    return aligned(lines, is_text=[column.is_text for column in columns])


def aligned(lines: Sequence[Sequence[str]], *, is_text: Sequence[bool]) -> str:
    """A table of escaped cells; the first line is the heading. Text is aligned left, numbers are aligned right."""
    widths = [max(3, *(_width(line[index]) for line in lines)) for index in range(len(is_text))]
    rule = ["-" * width if left else "-" * (width - 1) + ":" for left, width in zip(is_text, widths, strict=True)]
    body = [[_pad(*cell) for cell in zip(line, widths, is_text, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [body[0], rule, *body[1:]])


def _cell(column: Column, row: TableRow) -> str:
    """A cell: text of a user is escaped, numbers are not, since their brackets cannot become a link."""
    text = escape_markdown(column.text(row)) if column.is_text else column.text(row)
    return f"**{text}**" if column.is_strong(row) else text


def _pad(cell: str, width: int, is_text: bool) -> str:
    space = " " * (width - _width(cell))
    return cell + space if is_text else space + cell


def _width(text: str) -> int:
    """The width of a text in a terminal."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
