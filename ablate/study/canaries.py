"""Canaries: the rows of a study that a schedule retrains to check that they still give the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ablate.study.checks import refuse_unknown_rows
from ablate.study.document import Study
from ablate.study.names import Named, names_by_text
from ablate.study.rows import Row


def check_canary(study: Study, rows: Sequence[Named]) -> None:
    """Validate the labels in `[canary] rows`.

    Raises:
        StudyError: with every label that is not a row.
    """
    refuse_unknown_rows(study.canary.rows if study.canary else (), "/canary/rows", rows)


def pick_canaries(study: Study, rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows of `[canary]` in the order of the table; without `[canary]`, the baseline of each group.

    If the baseline of a group is not a canary, the group's first canary becomes its baseline, since a table needs one.
    """
    if study.canary is None:
        return tuple(row for row in rows if row.is_baseline)
    meant = names_by_text(rows)
    names = {meant[text] for text in study.canary.rows}
    chosen = [row for row in rows if row.name in names]
    anchors = {row.group: row.label for row in reversed(chosen)}
    anchors |= {row.group: row.label for row in chosen if row.is_baseline}
    return tuple(replace(row, is_baseline=row.label == anchors[row.group]) for row in chosen)
