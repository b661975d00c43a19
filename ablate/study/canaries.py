"""Canaries: the rows of a study that a schedule retrains to check that they still give the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ablate.errors import Findings, Problem, quote
from ablate.study.document import Study
from ablate.study.rows import Row


class Labelled(Protocol):
    """A row, or a row as it is written."""

    @property
    def label(self) -> str:
        """Its label."""


def check_canary(study: Study, rows: Sequence[Labelled]) -> None:
    """Validate the labels in `[canary] rows`.

    Raises:
        StudyError: with every label that is not a row.
    """
    labels = dict.fromkeys(row.label for row in rows)
    found = Findings()
    for index, label in enumerate(study.canary.rows if study.canary else ()):
        if label not in labels:
            text = f"no row {quote(label)}{found.nearest(label, labels)}"
            found.add(Problem(f"/canary/rows/{index}", "unknown_row", text))
    found.refuse()


def pick_canaries(study: Study, rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows of `[canary]` in the order of the table; without `[canary]`, the baseline of each group.

    If the baseline of a group is not a canary, the group's first canary becomes its baseline, since a table needs one.
    """
    if study.canary is None:
        return tuple(row for row in rows if row.is_baseline)
    labels = set(study.canary.rows)
    chosen = [row for row in rows if row.label in labels]
    anchors = {row.group: row.label for row in reversed(chosen)}
    anchors |= {row.group: row.label for row in chosen if row.is_baseline}
    return tuple(replace(row, is_baseline=row.label == anchors[row.group]) for row in chosen)
