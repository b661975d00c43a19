"""The join of a study's rows with those of a printed table: by label, or by group and label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from ablate.paper.published import PublishedTable
from ablate.study.names import Named, full_name, other_spelling

V = TypeVar("V")


def join_printed(printed: PublishedTable, rows: Iterable[Named]) -> PublishedTable:
    """The printed table with the rows of a study under their names too.

    A row is joined by its name, in either spelling, or by `GROUP / LABEL`. A label that several groups have is never
    joined alone: a printed row belongs to one of them.
    """
    joined: dict[str, str] = {}
    for row in rows:
        texts = (row.name, other_spelling(row.name), full_name(row.group, row.label))
        label = next((text for text in texts if text in printed.cells), None)
        if label is not None and label != row.name:
            joined[row.name] = label
    if not joined:
        return printed

    def named(of: Mapping[str, V]) -> dict[str, V]:
        return {**of, **{name: of[label] for name, label in joined.items() if label in of}}

    return replace(
        printed,
        factors=named(printed.factors),
        row_notes=named(printed.row_notes),
        cells=named(printed.cells),
        sources=named(printed.sources),
    )
