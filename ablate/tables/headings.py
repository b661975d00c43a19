"""What stands above a table in every format: its title, its question, and the heading of a column with its arrow."""

from __future__ import annotations

from ablate.tables.columns import Column
from ablate.tables.notes_verdicts import method_notes
from ablate.tables.table import Table
from ablate.tables.words import ARROWS, listed


def title_of(table: Table) -> str:
    """The study's title, or its name, with the scale; a provisional table says so first."""
    scale = f" (scale {table.scale})" if table.scale else ""
    mark = "Provisional: " if table.provisional else ""
    return f"{mark}{table.title or table.study}{scale}"


def caption_of(table: Table) -> str:
    """What a table in a paper has to say of itself: title, question, setting, seeds, test and what it assumes."""
    methods = method_notes(table)
    numbers = [f"mean ± standard deviation over {_seeds_of(table)}"] if len(table.seeds) > 1 else [_seeds_of(table)]
    setting = "; ".join([", ".join(table.setup), *numbers, *methods])
    texts = (title_of(table), table.question, setting[:1].upper() + setting[1:])
    return " ".join(
        f"{text.rstrip('.')}{'' if text.rstrip().endswith(('?', '!')) else '.'}" for text in texts if text.strip()
    )


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
