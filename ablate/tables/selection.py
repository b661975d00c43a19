"""A choice of rows, their order and their names: a view of a table whose statistics are those of the whole study.

Leaving out rows changes no number: p-values stay corrected for all rows of the study, and a note says so.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from ablate.errors import TableError, nearest, quote
from ablate.study.names import full_name, names_by_text, names_with_label
from ablate.tables.columns import FACTOR, HEADINGS, list_columns
from ablate.tables.formats.csv import unguarded
from ablate.tables.table import Table, TableRow
from ablate.tables.words import metric_name

Order = Literal["plan", "value", "name"]
LEAVE_OUT = "!"
"""Prefix of the label of a row to leave out."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The arguments of `select_rows`; the default selects the table as it is."""

    rows: tuple[str, ...] = ()
    order: Order | None = None
    rename: Mapping[str, str] = field(default_factory=dict)

    def of(self, table: Table) -> Table:
        """The selected view of a table."""
        return select_rows(table, rows=self.rows, order=self.order, rename=self.rename)

    def names_in(self, table: Table) -> set[str]:
        """Names of the rows that are chosen, with the baselines of their groups, which are shown unless left out."""
        chosen = _chosen(table, self.rows, self.rename, in_plan=True) if self.rows else table.rows
        groups = {row.group for row in chosen}
        return {row.name for row in table.rows if row in chosen or (row.baseline and row.group in groups)}


def select_rows(
    table: Table, *, rows: Sequence[str] = (), order: Order | None = None, rename: Mapping[str, str] | None = None
) -> Table:
    """The table with these rows, in this order and with these names. No number changes.

    Args:
        table: table of the whole study.
        rows: labels of the rows to show, old or new; empty shows all. An item is one label, or several labels separated
            by commas. A label that contains a comma must be an item of its own. `!LABEL` leaves the row out. The label
            of a line of a pivoted table, or one that several groups have, means its rows in all groups; `GROUP / LABEL`
            is one of them. The baseline of a shown row is shown too, unless it is left out in this way.
        order: `plan` (order of the study), `value` (best mean first; in a pivoted table, best mean rank) or `name`,
            within each group. None means the order of `rows`, if they are given, else that of the study.
        rename: old name -> new name of rows, groups, factors and their levels, metrics and other columns. Where several
            groups have a label, `GROUP / LABEL` is one of its rows. Rows of different groups may get the same label. A
            column may be named by its heading. JSON and CSV keep the names of columns.

    Raises:
        TableError: there is no row, name or order of that name, or two rows would have the same label.
    """
    if order is not None and order not in get_args(Order):
        raise TableError(f"no order of rows {quote(order)}{nearest(order, get_args(Order))}")
    shown = _chosen(table, rows, rename or {}, in_plan=order is not None) if rows else list(table.rows)
    view = table.model_copy(update={"rows": shown})
    if len(shown) < len(table.rows):
        counting = "tests and ranks" if table.pivot else "tests"
        note = f"{len(shown)} of {len(table.rows)} rows of the study are shown; its {counting} count all of them"
        view = view.model_copy(update={"notes": [*table.notes, note]})
    view = _renamed(view, table, rename) if rename else view
    return view.model_copy(update={"rows": _sorted(view, order)}) if order in ("value", "name") else view


def read_names(path: Path) -> dict[str, str]:
    """The new names in a file: TOML (`"old name" = "new name"`), or CSV with two columns if it is called `.csv`.

    Raises:
        TableError: the file cannot be read, or it is neither.
    """
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".csv":
            lines = [map(unguarded, line) for line in csv.reader(io.StringIO(text, newline="")) if any(line)]
            return {old: new for old, new in lines}  # noqa: C416 - refuses lines of another length
        names = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"the names in {quote(str(path))} cannot be read: {error}") from error
    except ValueError as error:  # also of TOML
        form = 'lines such as "old name" = "new name" in TOML, or two columns in a .csv file'
        raise TableError(f"the names in {quote(str(path))} are wrong: {error}; write {form}") from error
    wrong = next((old for old, new in names.items() if not isinstance(new, str)), None)
    if wrong is not None:
        text = f'write "{wrong}" = "new name", and quote names that contain dots'
        raise TableError(f"the new name of {quote(wrong)} in {quote(str(path))} must be a text; {text}")
    return names


def _chosen(table: Table, items: Sequence[str], rename: Mapping[str, str], *, in_plan: bool) -> list[TableRow]:
    """The chosen rows in the order of the items or of the plan; missing baselines come first in their group."""
    rows = {row.name: row for row in table.rows}
    known = _names_by_text(table, rename)
    marked = [pair for item in items for pair in _names_in(item, known)]
    without = {name for name, is_left_out in marked if is_left_out}
    kept = list(dict.fromkeys(name for name, is_left_out in marked if not is_left_out)) or list(rows)
    groups = {rows[name].group for name in kept}
    baselines = [row.name for row in table.rows if row.baseline and row.group in groups and row.name not in kept]
    for name in baselines:
        first = next(place for place, other in enumerate(kept) if rows[other].group == rows[name].group)
        kept.insert(first, name)
    chosen = [rows[name] for name in kept if name not in without]
    if not chosen:
        raise TableError(f"the rows {quote(', '.join(items))} leave out every row; allowed: at least one row")
    return [row for row in table.rows if row in chosen] if in_plan else chosen


def _names_by_text(table: Table, rename: Mapping[str, str]) -> dict[str, list[str]]:
    """The names of the rows that each text means, old or new: one row, or all with a label or in a line."""
    found: dict[str, list[str]] = {}
    for row in table.rows:
        if row.line is not None:
            found.setdefault(row.line, []).append(row.name)
    found |= {row.label: names_with_label(row.label, table.rows) for row in table.rows if row.row is not None}
    found |= {text: [name] for text, name in names_by_text(table.rows).items()}
    return {rename[text]: names for text, names in found.items() if text in rename} | found


def _names_in(item: str, known: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, bool]]:
    """The names of the rows in an item, and whether each is left out. `known` has the names of each text."""
    is_one = any(_meant(text, known) for text in (item, item.removeprefix(LEAVE_OUT)))
    for name in [item] if is_one else [part.strip() for part in item.split(",")]:
        whole = _meant(name, known)
        found = whole or _meant(name.removeprefix(LEAVE_OUT), known)
        if found is None:
            allowed = dict.fromkeys(one for names in known.values() for one in names)
            advice = "; a label that contains a comma needs an option of its own" if "," in item else ""
            raise TableError(f"no row {quote(name)}{nearest(name.removeprefix(LEAVE_OUT), allowed)}{advice}")
        yield from ((one, whole is None) for one in found)


def _meant(text: str, known: Mapping[str, Sequence[str]]) -> Sequence[str] | None:
    """The names of the rows that a text means: as it is written, else in any case if that is one answer."""
    if text in known:
        return known[text]
    alike = {tuple(names) for one, names in known.items() if one.casefold() == text.casefold()}
    return alike.pop() if len(alike) == 1 else None


def _sorted(table: Table, order: Order) -> list[TableRow]:
    """The rows, sorted within each group; rows without a mean are last."""
    sign = 1 if table.lower_is_better else -1
    ranks = {line.label: line.mean_rank for line in table.pivot.lines} if table.pivot else {}

    def value(row: TableRow) -> tuple[bool, float]:
        mean, rank = row.cells[table.metric].mean, ranks.get(row.line or "")
        return (False, rank) if rank is not None else (mean is None, sign * (mean or 0.0))

    def name(row: TableRow) -> str:
        return row.label.casefold()

    key: Callable[[TableRow], Any] = value if order == "value" else name
    return [row for _, rows in table.grouped() for row in sorted(rows, key=key)]


def _renamed(view: Table, whole: Table, rename: Mapping[str, str]) -> Table:
    """The view under its new names, which must exist in the whole table."""
    columns, meant = _columns_by_name(whole), names_by_text(whole.rows)
    levels = {level for found in whole.factors.values() for level in found}
    known = {*levels, *columns} | {name for row in whole.rows for name in (row.label, row.group, row.line) if name}
    for name in rename:
        if name not in known and name not in meant:
            raise TableError(f"nothing in the table is called {quote(name)}{nearest(name, sorted(known))}")
    rename = {name if name in known else meant[name]: new for name, new in rename.items()}
    places = _new_places(whole, rename)
    headings = {columns[old]: new for old, new in rename.items() if old in columns}
    document: dict[str, Any] = _with_names(view.to_json(), {**rename, **{old: one.name for old, one in places.items()}})
    for row, made in zip(view.rows, document["rows"], strict=True):
        place = places[row.name]
        made |= {"label": place.label, "row": place.name if place.name != place.label else None}
    document["headings"] |= headings
    return Table.from_json(document)


class _Place(NamedTuple):
    """A row under its new names."""

    group: str | None
    label: str
    name: str


def _new_places(table: Table, rename: Mapping[str, str]) -> dict[str, _Place]:
    """Name of each row -> its new names; labels may be equal in two groups.

    Raises:
        TableError: two rows or two lines would have the same name.
    """
    pairs = {}
    for row in table.rows:
        group = None if row.group is None else rename.get(row.group, row.group)
        pairs[row.name] = group, rename.get(row.name, rename.get(row.label, row.label))
    groups: dict[str, set[str | None]] = {}
    for group, label in pairs.values():
        groups.setdefault(label, set()).add(group)
    places = {
        old: _Place(group, label, full_name(group, label) if len(groups[label]) > 1 else label)
        for old, (group, label) in pairs.items()
    }
    lines = dict.fromkeys(row.line for row in table.rows if row.line)
    for names in ([place.name for place in places.values()], [rename.get(line, line) for line in lines]):
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise TableError(f"two rows would be called {quote(twice)}; give each row a label of its own")
    return places


def _columns_by_name(table: Table) -> dict[str, str]:
    """Name, heading, metric or factor -> name of its column."""
    found = {heading: name for name, heading in HEADINGS.items()}
    found |= {metric_name(metric): metric for metric in (table.metric, *table.metrics)}
    return found | {name.removeprefix(FACTOR): name for name in list_columns(table)}


NAMES = ("label", "row", "line", "group", "groups", "baseline", "headline", "levels", "within")
SENTENCES = ("summary", "notes", "provenance", "text", "method", "spread", "rank", "pairs", "lost")
KINDS: Mapping[str, str] = dict.fromkeys(NAMES, "name") | dict.fromkeys(SENTENCES, "sentence") | {"set": "set"}
"""Field of a table's document -> whether it names rows, groups or levels, or is a sentence that quotes them."""


def _with_names(value: Any, rename: Mapping[str, str], kind: str = "") -> Any:
    """A part of a table's document under new names."""
    if isinstance(value, dict):
        return {key: _with_names(inner, rename, _kind_of(key, inner, kind)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_names(inner, rename, kind) for inner in value]
    if not isinstance(value, str):
        return value
    if kind == "sentence":
        return re.sub(r"'([^']+)'", lambda quoted: f"'{rename.get(quoted[1], quoted[1])}'", value)
    return rename.get(value, value) if kind == "name" else value


def _kind_of(field: str, value: Any, kind: str) -> str:
    """The kind of a field; the rows of a Pareto front are labels, and the factors of a table have lists of levels."""
    if kind == "set" or (field == "factors" and isinstance(value, dict)):
        return kind or "name"
    is_front = field == "rows" and any(isinstance(item, str) for item in value)
    return "name" if is_front else KINDS.get(field, kind)
