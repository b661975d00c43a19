"""Levels of factors, and the labels of cells made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.recipes.classify import EXCLUSIVE


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a factor.

    Attributes:
        factor: name of the factor; empty for an explicit row.
        label: name of the level in a cell's label.
        value: value of a bare level; the label of a level with `label` and `set`.
        set: patch of recipe fields.
        pointer: JSON pointer to the patch.
    """

    factor: str
    label: str
    value: Any
    set: dict[str, Any]
    pointer: str


def label_of(levels: Sequence[Level]) -> str:
    """Label of a generated cell, such as `window=1x1, norm=bn`."""
    return ", ".join(f"{level.factor}={level.label}" for level in levels)


def merged_value(below: object, above: object) -> Any:
    """The value of a field that two layers set: that of the later one, but tables are merged field by field."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    gone = {pair[1 - pair.index(name)] for name in above for pair in EXCLUSIVE if name in pair} - above.keys()
    kept = {name: value for name, value in below.items() if name not in gone}
    return kept | {name: merged_value(kept.get(name), value) for name, value in above.items()}


def merged_sets(levels: Sequence[Level]) -> dict[str, Any]:
    """The recipe fields that several levels set together; a later level wins."""
    found: dict[str, Any] = {}
    for level in levels:
        found = merged_value(found, level.set)
    return found


def text_of(value: object) -> str:
    """A level's value as text for a label: lists joined by `+`, tables as `a=1, b=2`, booleans as in TOML."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text_of(one)}" for name, one in value.items())
    if isinstance(value, list):
        return "+".join(text_of(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
