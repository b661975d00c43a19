"""The title and the caption of a table in every format, and the heading of a column with its arrow."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.tables.columns import Column
from ablate.tables.notes_verdicts import method_notes
from ablate.tables.pivot import cells_note
from ablate.tables.table import Table
from ablate.tables.words import ARROWS, listed, seeds_text


def title_of(table: Table) -> str:
    """The study's title, or its name, with the scale; `Provisional`, `Imported` and `Exploratory` come first."""
    scale = f" (scale {table.scale})" if table.scale else ""
    marks = [mark for mark in ("provisional", "imported", "exploratory") if getattr(table, mark)]
    mark = f"{', '.join(marks).capitalize()}: " if marks else ""
    return f"{mark}{table.title or table.study}{scale}"


def caption_of(table: Table, columns: Sequence[Column]) -> str:
    """The caption of a table in a paper: title, question, setup, seeds, test with its assumptions, code."""
    numbers = f"mean ± standard deviation over {_seeds_of(table)}" if len(table.seeds) > 1 else _seeds_of(table)
    setting = "; ".join(part for part in (", ".join(table.setup), numbers) if part)
    notes = (*method_notes(table), *reading_notes(table, columns))
    texts = (title_of(table), table.question, setting[:1].upper() + setting[1:], *notes)
    return " ".join(
        f"{text.rstrip('.')}{'' if text.rstrip().endswith(('?', '!')) else '.'}" for text in texts if text.strip()
    )


def reading_notes(table: Table, columns: Sequence[Column]) -> list[str]:
    """The meaning of the cells of a pivoted table and of bold cells, and the commits of the training code."""
    notes = [*cells_note(table, columns)]
    notes += (
        ["Bold means decided to be better than the baseline."]
        if any(column.is_strong(row) for column in columns for row in table.rows)
        else []
    )
    if table.commits:
        word = "commit" if len(table.commits) == 1 else "commits"
        changed = " (+: with uncommitted changes)" if any(commit.endswith("+") for commit in table.commits) else ""
        notes.append(f"Trained with {word} {listed(table.commits)}{changed}.")
    return notes


def _seeds_of(table: Table) -> str:
    if table.folds:
        return seeds_text(len(table.seeds), table.folds)
    first, last, n = min(table.seeds), max(table.seeds), len(table.seeds)
    which = (
        f"{first}" if n == 1 else f"{first}-{last}" if last - first == n - 1 else listed(list(map(str, table.seeds)))
    )
    return f"seed {which}" if n == 1 else f"{n} seeds ({which})"


def heading_of(column: Column) -> str:
    """A column's heading, with an arrow in the direction of better values."""
    if column.lower_is_better is None:
        return column.heading
    return f"{column.heading} {ARROWS[column.lower_is_better]}"
