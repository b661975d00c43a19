"""Tables, bars and lines on a terminal, by rich. Without a terminal they are plain text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ablate.text import visible

WIDTH = 200
"""Width in columns without a terminal."""


class Terminal(Console):
    """A console that shows every text as it is, on one line: no markup, no emoji codes, nothing hidden.

    Args:
        stderr: print on stderr, not on stdout.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        stream = sys.stderr if stderr else sys.stdout
        width = None if stream.isatty() else WIDTH
        super().__init__(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Any text that is printed, as a sentence or in a cell of a table."""
        return super().render_str(visible(text), **options)

    def say(self, sentence: str) -> None:
        """Print a sentence, which the terminal may wrap."""
        self.print(sentence, soft_wrap=True)

    def show_rows(self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Print rows under headings, without lines.

        Args:
            headings: of the columns.
            rows: texts of the cells.
            right: numbers of the columns that are aligned right.
        """
        table = Table(box=None, pad_edge=False)
        for number, heading in enumerate(headings):
            table.add_column(heading, overflow="fold", justify="right" if number in right else "left")
        for row in rows:
            table.add_row(*row)
        self.print(table)

    def build_bars(self) -> Progress:
        """Bars with a description, n of m, a note (`fields[note]`) and the time; they disappear at the end."""
        columns: tuple[ProgressColumn, ...] = (
            _Words("{task.description}"), BarColumn(), MofNCompleteColumn(), _Words("{task.fields[note]}"),
            TimeElapsedColumn(),
        )  # fmt: skip
        return Progress(*columns, console=self, transient=True)


class _Words(TextColumn):
    """A column of a bar with text."""

    def render(self, task: Task) -> Text:
        return Text(visible(self.text_format.format(task=task)))
