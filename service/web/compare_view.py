"""Two studies side by side: their rows by name, differences between their documents, and shared trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.remote.documents.studies import StudyView
from ablate.statistics.decisions.paired import PairedDifference, paired_difference
from ablate.study.names import find_name, full_name
from ablate.tables.cells import difference_text
from ablate.tables.columns import Column
from ablate.tables.table import Difference, TableCell, TableRow
from service.context import Context
from service.errors import ConflictError
from service.store import studies
from service.studies import results
from service.studies.lifecycle import get_study, list_studies
from service.web.study_view import ShownTable, show

CHOICE = 100
"""Studies that can be chosen from."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two studies; `problem` is the reason why it has no table."""

    study: StudyView
    document: Mapping[str, Any]
    shown: ShownTable | None
    problem: str

    def row(self, name: str) -> TableRow | None:
        """The row of a name, in either spelling."""
        rows = self.shown.table.rows if self.shown else []
        found = find_name(name, rows)
        return next((row for row in rows if row.name == found), None)

    def text(self, row_name: str, name: str) -> str:
        """A cell of a column as text; a dash if the side has no such row or column."""
        row, column = self.row(row_name), self._column(name)
        return column.text(row) if row and column else "–"

    def _column(self, name: str) -> Column | None:
        return next((one for one in self.shown.columns if one.name == name), None) if self.shown else None


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A row of one side or both.

    Attributes:
        difference: second minus first over common seeds, with a 95 % interval.
        is_same: whether both have the same trials.
        is_changed: whether the two decisions differ.
    """

    name: str
    difference: str
    is_same: bool
    is_changed: bool


@dataclass(frozen=True, slots=True)
class ComparePage:
    """What the page shows; `sides` is empty until two studies are chosen."""

    choice: Sequence[StudyView]
    sides: Sequence[Side]
    lines: Sequence[ComparedRow]
    differences: Sequence[tuple[str, Any, Any]]

    @property
    def metric(self) -> str | None:
        """The primary metric of both; None if they differ."""
        metrics = {side.shown.table.metric for side in self.sides if side.shown}
        return metrics.pop() if len(metrics) == 1 else None


def read_compare_page(context: Context, ids: Sequence[str]) -> ComparePage:
    """Two studies side by side; only the list to choose from where none is chosen.

    Raises:
        NotFoundError: there is no study with one of the ids.
    """
    choice = list_studies(context, state=None, name=None, limit=CHOICE, cursor=None).items
    sides = [_read_side(context, study_id) for study_id in ids]
    missing = [side.study for side in sides if side.study.id not in {one.id for one in choice}]
    page = ComparePage([*missing, *choice], sides, [], [])
    if len(sides) < 2:
        return page
    first, second = sides
    lines = [_line(first, second, name, page.metric) for name in _names(sides)]
    return ComparePage(page.choice, sides, lines, list(document_differences(first.document, second.document)))


def _read_side(context: Context, study_id: str) -> Side:
    with context.store.read() as connection:
        document = studies.get_study(connection, study_id).document
    try:
        return Side(get_study(context, study_id), document, show(results.get_table(context, study_id)), "")
    except ConflictError as error:
        return Side(get_study(context, study_id), document, None, str(error))


def _names(sides: Sequence[Side]) -> list[str]:
    return list(dict.fromkeys(row.name for side in sides if side.shown for row in side.shown.table.rows))


def _line(first: Side, second: Side, name: str, metric: str | None) -> ComparedRow:
    one, two = first.row(name), second.row(name)
    if one is None or two is None or metric is None:
        return ComparedRow(name, "–", is_same=False, is_changed=False)
    a, b = one.cells[metric], two.cells[metric]
    return ComparedRow(
        name,
        _difference(paired_difference(b.values, a.values, folds=_folds_of(second)), b, first.shown),
        is_same=bool(one.trials) and set(one.trials) == set(two.trials),
        is_changed=a.decision != b.decision,
    )


def _folds_of(side: Side) -> int | None:
    return side.shown.table.folds if side.shown else None


def _difference(found: PairedDifference | None, cell: TableCell, shown: ShownTable | None) -> str:
    if found is None or shown is None:
        return "–"
    diff = Difference(mean=found.mean, low=found.low, high=found.high, n=found.n)
    return difference_text(cell.model_copy(update={"diff": diff}), shown.decimals)


def document_differences(first: Any, second: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(place, first, second) of every difference between two documents, at the deepest level."""
    first, second = _by_label(first), _by_label(second)
    if isinstance(first, dict) and isinstance(second, dict):
        for name in dict.fromkeys([*first, *second]):
            yield from document_differences(first.get(name), second.get(name), f"{place}.{name}" if place else name)
    elif first != second:
        yield place, first, second


def _by_label(value: Any) -> Any:
    """A list of rows or factors as a mapping by name; any other value unchanged."""
    is_named = isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
    names = [one.get("label", one.get("name")) for one in value] if is_named else []
    if len(set(names)) < len(names):  # labels that are equal in two groups
        names = [full_name(one.get("group"), str(name)) for one, name in zip(value, names, strict=True)]
    return dict(zip(names, value, strict=True)) if names and all(isinstance(name, str) for name in names) else value
