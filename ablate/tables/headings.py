"""What stands above a table in every format: its title, its question, and the heading of a column with its arrow."""

from __future__ import annotations

from ablate.tables.columns import Column
from ablate.tables.table import Table
from ablate.tables.words import ARROWS


def title_of(table: Table) -> str:
    """The study's title, or its name, with the scale; a provisional table says so first."""
    scale = f" (scale {table.scale})" if table.scale else ""
    mark = "Provisional: " if table.provisional else ""
    return f"{mark}{table.title or table.study}{scale}"


def heading_of(column: Column) -> str:
    """A column's heading, with an arrow that says which direction is better."""
    if column.lower_is_better is None:
        return column.heading
    return f"{column.heading} {ARROWS[column.lower_is_better]}"
