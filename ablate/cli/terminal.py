"""Tables, bars and lines on a terminal, by rich. Without a terminal they are plain text."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ablate.text import visible

WIDTH = 200
"""Width in columns without a terminal."""
GAP = 2
"""Columns between two columns of a table."""
SHORT, LONG = 16, 24
"""A cell up to the first length is on one line; a word, such as an id, up to the second one is not broken."""


class Terminal(Console):
    """A console that shows every text as it is, on one line: no markup, no emoji codes, nothing hidden.

    Args:
        stderr: print on stderr, not on stdout.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        width = None if stream.isatty() else WIDTH
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    @property
    def has_bars(self) -> bool:
        """Whether lines can be overwritten: not in a file, even if colours are forced, nor on a dumb terminal."""
        return self.file.isatty() and not self.is_dumb_terminal

    def render_str(self, text: str, **options: Any) -> Text:
        """Any text that is printed, as a sentence or in a cell of a table."""
        return super().render_str(visible(text), **options)

    def say(self, sentence: str) -> None:
        """Print a sentence, which the terminal may wrap."""
        self.print(sentence, soft_wrap=True)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show that something goes on, where a line can be overwritten."""
        with self.status(text) if self.has_bars else nullcontext():
            yield

    def show_rows(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right: Sequence[int] = (),
        spare: Sequence[str] = (),
    ) -> None:
        """Print rows under headings, without lines. On a narrow terminal columns are left out, so that no id is broken.

        Args:
            headings: of the columns; the first one is never left out.
            rows: texts of the cells.
            right: numbers of the columns that are aligned right.
            spare: headings of the columns that are left out first, in this order; then those on the right.
        """
        columns = [[visible(row[number]) for row in (headings, *rows)] for number in range(len(headings))]
        least = [max(map(_least_width, cells)) for cells in columns]
        shown = self._fitting(least, [headings.index(heading) for heading in spare])
        room = self.width - sum(least[number] + GAP for number in shown) + GAP
        table = Table(box=None, pad_edge=False)
        for number in shown:
            wider = max(min(max(map(cell_len, columns[number])) - least[number], room), 0)
            room -= wider
            justify: Literal["left", "right"] = "right" if number in right else "left"
            table.add_column(headings[number], overflow="fold", justify=justify, width=least[number] + wider)
        for row in rows:
            table.add_row(*(row[number] for number in shown))
        self.print(table)
        left_out = [heading for number, heading in enumerate(headings) if number not in shown]
        if left_out:
            self.say(f"left out: {', '.join(left_out)}; a wider terminal or --json shows them")

    def _fitting(self, widths: Sequence[int], spare: Sequence[int]) -> list[int]:
        """The columns that fit on the terminal; all of them in a file."""
        shown = list(range(len(widths)))
        from_the_right = [number for number in reversed(shown[1:]) if number not in spare]
        for number in (*spare, *from_the_right):
            if not self.is_terminal or sum(widths[one] + GAP for one in shown) - GAP <= self.width:
                break
            shown.remove(number)
        return shown

    def build_bars(self) -> Progress:
        """Bars with a description, n of m, a note (`fields[note]`) and the time; they disappear at the end."""
        columns: tuple[ProgressColumn, ...] = (
            _Words("{task.description}"), BarColumn(), MofNCompleteColumn(), _Words("{task.fields[note]}"),
            TimeElapsedColumn(),
        )  # fmt: skip
        return Progress(*columns, console=self, transient=True)


def _least_width(cell: str) -> int:
    """The width that a cell needs so that it is not broken if it is short, nor any of its words."""
    return min(max(map(cell_len, [cell] if cell_len(cell) <= SHORT else cell.split(" "))), LONG)


class _Words(TextColumn):
    """A column of a bar with text."""

    def render(self, task: Task) -> Text:
        return Text(visible(self.text_format.format(task=task)))
