"""What stands above a table in every format: its title, its caption, and the heading of a column with its arrow."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.tables.columns import Column
from ablate.tables.notes_verdicts import method_notes
from ablate.tables.table import Table
from ablate.tables.words import ARROWS, listed


def title_of(table: Table) -> str:
    """The study's title, or its name, with the scale; a provisional or an exploratory table says so first."""
    scale = f" (scale {table.scale})" if table.scale else ""
    marks = [mark for mark in ("provisional", "exploratory") if getattr(table, mark)]
    mark = f"{', '.join(marks).capitalize()}: " if marks else ""
    return f"{mark}{table.title or table.study}{scale}"


def caption_of(table: Table, columns: Sequence[Column]) -> str:
    """What a table in a paper has to say of itself: title, question, setting, seeds, test, what it assumes, code."""
    numbers = f"mean ± standard deviation over {_seeds_of(table)}" if len(table.seeds) > 1 else _seeds_of(table)
    parts = (", ".join(table.setup), numbers, *method_notes(table), *reading_notes(table, columns))
    setting = "; ".join(part for part in parts if part)
    texts = (title_of(table), table.question, setting[:1].upper() + setting[1:])
    return " ".join(
        f"{text.rstrip('.')}{'' if text.rstrip().endswith(('?', '!')) else '.'}" for text in texts if text.strip()
    )


def reading_notes(table: Table, columns: Sequence[Column]) -> list[str]:
    """What bold cells mean, where there are some, and the commits of the code that trained."""
    notes = ["bold: decided better"] if any(column.is_strong(row) for column in columns for row in table.rows) else []
    if table.commits:
        word = "commit" if len(table.commits) == 1 else "commits"
        changed = " (+: with changes on top)" if any(commit.endswith("+") for commit in table.commits) else ""
        notes.append(f"trained with {word} {listed(table.commits)}{changed}")
    return notes


def _seeds_of(table: Table) -> str:
    first, last, n = min(table.seeds), max(table.seeds), len(table.seeds)
    which = (
        f"{first}" if n == 1 else f"{first}-{last}" if last - first == n - 1 else listed(list(map(str, table.seeds)))
    )
    return f"seed {which}" if n == 1 else f"{n} seeds ({which})"


def heading_of(column: Column) -> str:
    """A column's heading, with an arrow that says which direction is better."""
    if column.lower_is_better is None:
        return column.heading
    return f"{column.heading} {ARROWS[column.lower_is_better]}"
