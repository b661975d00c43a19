"""Where a recomputed table differs from the stored one, number by number, and where the printed texts do."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ablate.bundle.rebuild import Parts
from ablate.documents import Document
from ablate.tables.formats.render import FORMATS, render
from ablate.tables.table import Table

TOLERANCE = 1e-9
"""Relative. Quantiles and probabilities may differ so much between versions of numpy and scipy."""
EXACT = frozenset({"mean", "sd", "values", "n", "n_ok", "n_planned", "n_diverged", "n_failed"})
"""Fields that are exact on every machine: values, and sums of rationals."""
AS_STORED = ("provenance", "exploratory", "notes", "summary", "columns")
"""Fields at the top that depend on what else a service knew, or on the reader's choice."""
MAX_TEXT = 160


class Difference(Document):
    """One place where the bundle and its recomputation differ.

    Attributes:
        row: name of the row, or the file; empty for the whole table.
        metric: metric; empty if it is none.
        field: path of the field.
        stored, recomputed: both values, as text.
    """

    row: str
    metric: str
    field: str
    stored: str
    recomputed: str

    def __str__(self) -> str:
        place = ", ".join(filter(None, (self.row, self.metric, self.field)))
        return f"{place}: stored {self.stored}, recomputed {self.recomputed}"


@dataclass(slots=True)
class Compared:
    """The outcome of a comparison.

    Attributes:
        differences: where the two differ.
        numbers: number of equal numbers.
        rounded: number of them that are equal up to `TOLERANCE` only.
        notes: number of notes that were made again, and number of all.
    """

    differences: list[Difference]
    numbers: int = 0
    rounded: int = 0
    notes: tuple[int, int] = (0, 0)


def compare_tables(parts: Parts, rebuilt: Table) -> Compared:
    """Compare the stored table with the recomputed one, and every printed text with the stored table."""
    measured = parts.resolved.is_measured
    stored, made = json.loads(parts.texts["json"]), json.loads(render(rebuilt, "json", measured=measured))
    found = Compared([])
    names = [row.name for row in parts.table.rows]
    for path, ours, theirs in _leaves("", stored, made):
        if path.split("/")[1] not in AS_STORED:
            _compare_leaf(found, names, path, ours, theirs)
    _compare_notes(found, [*parts.table.summary, *parts.table.notes], [*rebuilt.summary, *rebuilt.notes])
    found.differences += list(_printed(parts))
    return found


MISSING = object()


def _leaves(path: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """(path, stored, recomputed) of every leaf of two JSON values; what one of them lacks is `MISSING`."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in dict.fromkeys([*ours, *theirs]):
            yield from _leaves(f"{path}/{_escaped(name)}", ours.get(name, MISSING), theirs.get(name, MISSING))
    elif isinstance(ours, list) and isinstance(theirs, list):
        for index in range(max(len(ours), len(theirs))):
            pair = (one[index] if index < len(one) else MISSING for one in (ours, theirs))
            yield from _leaves(f"{path}/{index}", *pair)
    else:
        yield path, ours, theirs


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _compare_leaf(found: Compared, names: list[str], path: str, ours: Any, theirs: Any) -> None:
    is_number = _is_number(ours) and _is_number(theirs)
    if type(ours) is type(theirs) and ours == theirs:
        found.numbers += is_number
        return
    is_exact = bool(EXACT & {*path.split("/")})
    if is_number and not is_exact and math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=1e-300):
        found.numbers += 1
        found.rounded += 1
        return
    row, metric, field = _place(names, path)
    found.differences.append(
        Difference(row=row, metric=metric, field=field, stored=_text(ours), recomputed=_text(theirs))
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _place(names: list[str], path: str) -> tuple[str, str, str]:
    """Row, metric and field of a path such as `/rows/1/cells/top1_error_pct/diff/mean`."""
    _, top, *rest = path.split("/")
    if top != "rows" or not rest:
        return "", "", "/".join((top, *rest))
    index, *inner = rest
    row = names[int(index)] if int(index) < len(names) else f"row {int(index) + 1}"
    if len(inner) > 1 and inner[0] == "cells":
        return row, inner[1].replace("~1", "/").replace("~0", "~"), "/".join(inner[2:])
    return row, "", "/".join(inner)


def _text(value: object) -> str:
    if value is MISSING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _compare_notes(found: Compared, stored: list[str], made: list[str]) -> None:
    """Notes on the results are made again; those on when the study was fixed and what else was tried stay as stored."""
    missing = [note for note in made if note not in stored]
    found.notes = len(made) - len(missing), len(stored)
    found.differences += [
        Difference(row="", metric="", field="notes", stored="nothing", recomputed=_text(note)) for note in missing
    ]


def _printed(parts: Parts) -> Iterator[Difference]:
    """Whether every printed text shows the numbers of `table.json`."""
    for name in FORMATS:
        expected = render(parts.table, name, measured=parts.resolved.is_measured, notes=name == "md")
        if parts.texts[name] != expected:
            yield from _lines(f"table.{name}", parts.texts[name], expected)


def _lines(name: str, stored: str, expected: str) -> Iterator[Difference]:
    ours, theirs = stored.splitlines(), expected.splitlines()
    for kind, i, j, k, m in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind != "equal":
            stored_text, expected_text = (_text(" ".join(lines)) for lines in (ours[i:j], theirs[k:m]))
            yield Difference(row=name, metric="", field=f"line {i + 1}", stored=stored_text, recomputed=expected_text)
