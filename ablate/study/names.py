"""The name of a row: its label where that is unique in the study, else `GROUP / LABEL`.

A name is unique in its study. It is what commands, REST, events, cells and sentences call a row; a table prints the
label below the name of the group. Whoever asks for a row may always write `GROUP / LABEL`, and `- X` for `without X`:
earlier versions labelled the rows of a leave-one-out study so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ablate.errors import nearest, quote

MAX_ALIKE = 3
WITHOUT, DASH = "without ", "- "
"""What the label of a leave-one-out row begins with, now and in earlier versions."""


class Named(Protocol):
    """A row of a plan or of a table."""

    @property
    def label(self) -> str:
        """Unique in its group."""

    @property
    def group(self) -> str | None:
        """None if the study has no groups."""

    @property
    def name(self) -> str:
        """Unique in the study."""


class Written(Protocol):
    """A row as it is written in a study."""

    @property
    def label(self) -> str:
        """Unique in its group."""

    @property
    def group(self) -> str | None:
        """None if the row has no group."""


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A label with its group and the name that follows from both."""

    label: str
    group: str | None
    name: str


def written_rows(rows: Sequence[Written]) -> list[NamedRow]:
    """Rows as they are written, with their names."""
    shared = {label for label, count in Counter(row.label for row in rows).items() if count > 1}
    return [
        NamedRow(row.label, row.group, full_name(row.group, row.label) if row.label in shared else row.label)
        for row in rows
    ]


def full_name(group: str | None, label: str) -> str:
    """`GROUP / LABEL`; the label alone without a group."""
    return label if group is None else f"{group} / {label}"


def other_spelling(label: str) -> str:
    """`- X` for `without X` and the other way round; any other label as it is."""
    for ours, theirs in ((WITHOUT, DASH), (DASH, WITHOUT)):
        if label.startswith(ours):
            return theirs + label.removeprefix(ours)
    return label


def is_same_row(name: str, other: str) -> bool:
    """Whether two names of rows of one study are the same, or two spellings of it."""
    return name == other or other_spelling(name) == other


def bare(label: str) -> str:
    """The component in the label of a leave-one-out row: `x` for `without x` and for `- x`."""
    return label.removeprefix(DASH) if label.startswith(DASH) else label.removeprefix(WITHOUT)


def component_of(label: str, levels: Mapping[str, str]) -> str:
    """The component that a row of a leave-one-out study lacks; empty for any other row."""
    return bare(label) if "off" in levels.values() and bare(label) != label else ""


def names_by_text(rows: Iterable[Named]) -> dict[str, str]:
    """The name of the row that each text means: first names, then labels, then what may be written for them.

    A text that means several rows is left out.
    """
    rows = list(rows)
    found: dict[str, str] = {}
    for texts in (_further_texts, lambda row: [row.label], lambda row: [row.name]):
        meant: dict[str, set[str]] = {}
        for row in rows:
            for text in texts(row):
                meant.setdefault(text, set()).add(row.name)
        found |= {text: names.pop() for text, names in meant.items() if len(names) == 1}
    return found


def _further_texts(row: Named) -> list[str]:
    other = other_spelling(row.label)
    return [full_name(row.group, row.label), other, full_name(row.group, other)]


def find_name(text: str, rows: Iterable[Named]) -> str | None:
    """The name of the row that a text means, in any case; None if it means no row, or several."""
    found = names_by_text(rows)
    if text in found:
        return found[text]
    alike = {name for known, name in found.items() if known.casefold() == text.casefold()}
    return alike.pop() if len(alike) == 1 else None


def names_with_label(text: str, rows: Iterable[Named]) -> list[str]:
    """The names of the rows with this label, one in each group that has it; in any case if no row has it as written."""
    rows = list(rows)
    exact = [row.name for row in rows if text in (row.label, other_spelling(row.label))]
    folded = text.casefold()
    return exact or [row.name for row in rows if folded in (row.label.casefold(), other_spelling(row.label).casefold())]


def clause_on_unknown(text: str, rows: Sequence[Named]) -> str:
    """How an error on a text that means no single row goes on: what to write."""
    alike = names_with_label(text, rows)
    if not alike:
        return nearest(text, [row.name for row in rows])
    shown = ", ".join(map(quote, alike[:MAX_ALIKE])) + (", ..." if len(alike) > MAX_ALIKE else "")
    return f"; rows of {len(alike)} groups have this label, so give the group too: {shown}"
