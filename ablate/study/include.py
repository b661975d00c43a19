"""`include` in a study file: the documents of other files, below that of this one.

A table is merged field by field, and anything else is replaced, lists as a whole; the including file wins, and a later
file of the list over an earlier one. A name is relative to the folder of the file that has it. Only who reads a file
includes others: what a service gets has no `include` any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ablate.errors import Problem, StudyError, quote
from ablate.study.levels import merged_value

FIELD, POINTER = "include", "/include"
MAX_FILES, MAX_DEPTH = 32, 8
NO_FILES = (
    "'include' is for study files, and a request or mapping is none: nothing reads a file for it. Send the study with "
    "its included tables, as `ablate submit FILE` does"
)
RECIPES = ("base", "overrides", "scales")
"""Tables in which fields exclude each other, as `epochs` and `steps` do: that of the including file remains."""

Read = Callable[[Path], Any]


def with_included(document: Any, path: Path, read: Read) -> Any:
    """A document as it was read from a file, merged with the files that it includes.

    Args:
        document: of the file.
        path: of the file.
        read: reads another file, without what that includes.

    Raises:
        StudyError: a file cannot be read, includes itself, or there are too many.
    """
    if not isinstance(document, Mapping) or FIELD not in document:
        return document
    merged: Any = {}
    for _, one in reversed(list(_documents(document, path, read))):
        merged = _merged(merged, one)
    return merged


@contextmanager
def naming_files(path: Path, read: Read) -> Iterator[None]:
    """Around what reports problems of a study file: each one that is in an included file names that file."""
    try:
        yield
    except StudyError as error:
        document = _read_again(path, read)
        if FIELD not in document:
            raise
        found = list(_documents(document, path, read))
        raise error.changed(lambda one: _with_file(one, found)) from error


def _read_again(path: Path, read: Read) -> Mapping[str, Any]:
    try:
        document = read(path) if path.is_file() else {}  # a pipe is read once
    except StudyError:
        return {}
    return document if isinstance(document, Mapping) and isinstance(document.get(FIELD), str | list) else {}


def _with_file(problem: Problem, found: Sequence[tuple[Path, Any]]) -> Problem:
    place = next((path for path, document in found if _has(document, problem.pointer)), None)
    if place is None or place == found[0][0]:
        return problem
    return replace(problem, message=f"{problem.message} (in the included file {quote(place)})")


def _has(document: Any, pointer: str) -> bool:
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        elif isinstance(document, Mapping) and name in document:
            document = document[name]
        else:
            return False
    return pointer != ""


def _documents(document: Mapping[str, Any], path: Path, read: Read) -> Iterator[tuple[Path, Any]]:
    """A document and those that it includes, without `include`: each before those that it is above."""
    seen = 0

    def walk(one: Any, place: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, Any]]:
        nonlocal seen
        seen += 1
        if seen > MAX_FILES or len(above) >= MAX_DEPTH:
            text = f"{quote(place)}: a study includes at most {MAX_FILES} files, {MAX_DEPTH} deep; include fewer"
            raise StudyError([Problem(POINTER, "too_many", text)])
        yield place, {name: value for name, value in one.items() if name != FIELD}
        for name in reversed(_names_in(one, place)):
            file = place.parent / name
            chain = (*above, place)
            if file.resolve() in [before.resolve() for before in chain]:
                shown = " -> ".join(quote(before) for before in (*chain, file))
                raise StudyError([Problem(POINTER, "invalid", f"a file includes itself: {shown}; remove one of these")])
            yield from walk(_read_table(file, place, read), file, chain)

    yield from walk(document, path, ())


def _names_in(document: Mapping[str, Any], path: Path) -> list[str]:
    names = document.get(FIELD, [])
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) and name not in ("", "-") for name in names):
        text = 'should be the name of a study file, or a list of names, such as include = "base.toml"'
        raise StudyError([Problem(POINTER, "invalid", f"{text} (in {quote(path)})")])
    return names


def _read_table(file: Path, includer: Path, read: Read) -> Mapping[str, Any]:
    try:
        found = read(file)
    except StudyError as error:
        where = f" (included by {quote(includer)}, and names are relative to its folder)"
        raise error.changed(lambda one: replace(one, pointer=POINTER, message=one.message + where)) from error
    if not isinstance(found, Mapping):
        raise StudyError([Problem(POINTER, "invalid", f"{quote(file)} has no table; an included file is a study file")])
    return found


def _merged(below: Any, above: Any, name: str = "") -> Any:
    if not isinstance(below, Mapping) or not isinstance(above, Mapping) or name in RECIPES:
        return merged_value(below, above)
    return {**below, **{key: _merged(below.get(key), value, key) for key, value in above.items()}}
