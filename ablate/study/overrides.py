"""Fields of `[base]` and of the scale that somebody replaces for one run: `--set lr=0.1`, or `[overrides]` in a study.

They are part of the study document, so that its table, its extension, a rerun and a bundle know them. Groups, rows and
levels that set such a field themselves keep their own value.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ablate.documents import canonical_json
from ablate.errors import Problem, StudyError, quote
from ablate.study.document import Patch, Study
from ablate.study.levels import merged_value

if TYPE_CHECKING:  # a client that only sends needs no numpy
    from ablate.study.rows import Row

POINTER = "/overrides"
REPLACED = "(--set)"
"""What marks a sentence that says what was replaced."""


def read_assignments(texts: Iterable[str]) -> Patch:
    """The fields that `--set NAME=VALUE` sets; `backbone.lr=0.1` is a field of a table.

    A value is read as in TOML, and is a text where it is none.

    Raises:
        StudyError: with every text that is no assignment, and every field that is set twice.
    """
    found: Patch = {}
    problems = []
    for text in texts:
        name, is_set, value = text.partition("=")
        *tables, last = [part.strip() for part in name.split(".")]
        inside: Any = found
        for table in tables:
            inside = inside.setdefault(table, {}) if isinstance(inside, dict) else None
        if not is_set or not all([*tables, last]):
            shown = f"--set {quote(text)} is not NAME=VALUE; write for example --set lr=0.1 or --set backbone.lr=0.1"
            problems.append(Problem(POINTER, "invalid", shown))
        elif not isinstance(inside, dict) or last in inside:
            problems.append(Problem(POINTER, "given_twice", f"--set sets {quote(name.strip())} twice; set it once"))
        else:
            inside[last] = _value_of(value.strip())
    if problems:
        raise StudyError(problems)
    return found


def _value_of(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
        json.dumps(parsed, allow_nan=False)
    except (ValueError, TypeError):  # TypeError: a date; a recipe has none
        return text
    return parsed["value"] if len(parsed) == 1 else text


def with_overrides(document: Any, fields: Mapping[str, Any] | None) -> Any:
    """The document with fields that replace those of its base and scale, in addition to those that it replaces."""
    if not fields or not isinstance(document, Mapping):
        return document
    return {**document, "overrides": merged_value(document.get("overrides", {}), fields)}


def describe_overrides(study: Study, scale: str | None) -> list[str]:
    """Each replaced field in words, such as `lr = 0.1 instead of 0.001`."""
    below: Any = {name: spec.default for name, spec in study.command.fields.items()} if study.command else {}
    for patch in (study.base, study.scales.get(scale or "", {})):
        below = merged_value(below, patch)
    return [f"{'.'.join(path)} = {_text(value)} instead of {_before(below, path)}" for path, value in _leaves(study)]


def override_notes(study: Study, scale: str | None, rows: Sequence[Row]) -> Iterator[str]:
    """Sentences below a table: what was replaced, and which rows keep their own value."""
    if not study.overrides:
        return
    yield f"With {', '.join(describe_overrides(study, scale))} {REPLACED}."
    for path, _ in _leaves(study):
        own = [row.name for row in rows if _sets_itself(study, scale, row, path)]
        if own:
            shown = ", ".join(map(quote, own[:MAX_ROWS])) + (f" and {len(own) - MAX_ROWS} more" * (len(own) > MAX_ROWS))
            verbs = ("sets", "itself and keeps its") if len(own) == 1 else ("set", "themselves and keep their")
            yield f"{shown} {verbs[0]} {'.'.join(path)} {verbs[1]} value."


MAX_ROWS = 3
"""Largest number of rows that a sentence names."""


def idle_overrides(study: Study, scale: str | None, rows: Sequence[Row]) -> Iterator[Problem]:
    """Warnings about replaced fields that every row sets itself."""
    for path, _ in _leaves(study):
        if all(_sets_itself(study, scale, row, path) for row in rows):
            text = f"every row sets '{'.'.join(path)}' itself, so --set changes nothing"
            yield Problem("/".join((POINTER, *path)), "idle", text)


def _sets_itself(study: Study, scale: str | None, row: Row, path: Sequence[str]) -> bool:
    """Whether a row or its group sets a field, given by its names from the outer table to the inner one."""
    group = study.groups.get(row.group or "")
    of_group = (group.set, group.scales.get(scale or "", {})) if group else ()
    return any(_has(patch, path) for patch in (row.set, *of_group))


def name_overrides(study: Study) -> list[str]:
    """What is replaced, as part of the name of a folder: `lr=0.1`; a digest where that would be no plain name."""
    if not study.overrides:
        return []
    text = "+".join(f"{'.'.join(path)}={_text(value)}" for path, value in _leaves(study))
    if re.fullmatch(r"[\w.+=-]{1,80}", text, re.ASCII) and text.lower() == text:
        return [text]
    digest = hashlib.sha256(canonical_json(study.overrides).encode()).hexdigest()[:8]
    return [f"{re.sub(r'[^A-Za-z0-9_.+=-]+', '_', text)[:60]}-{digest}"]


def _has(patch: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(patch, Mapping) or name not in patch:
            return False
        patch = patch[name]
    return True


def _leaves(study: Study) -> list[tuple[tuple[str, ...], Any]]:
    def walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        if isinstance(value, Mapping) and value:
            for name, inner in value.items():
                yield from walk(inner, (*path, name))
        else:
            yield path, value

    return list(walk(study.overrides, ())) if study.overrides else []


def _before(below: Any, path: Sequence[str]) -> str:
    if not _has(below, path):
        return "its default"
    for name in path:
        below = below[name]
    return _text(below)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
