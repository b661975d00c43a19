"""Line numbers of JSON pointers: the line of a text that an error refers to.

The text is valid TOML or JSON, because it was parsed before. A pointer to something without its own line (a key of
an inline table, a missing field) gets the line of the enclosing value.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping

MAX_READ = 1 << 22
"""Characters that may be parsed again in search of the ends of values; later lines are not found."""

Path = tuple[str, ...]


def line_of(pointer: str, lines: Mapping[Path, int]) -> int | None:
    """The line of a pointer, or of the nearest enclosing value; None if that is the whole document."""
    path = tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)


def toml_lines(text: str) -> dict[Path, int]:
    """The line of every table and key of a TOML text, counted from 1."""
    found: dict[Path, int] = {}
    here: Path = ()
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            names = _names(parsed)
            here = _entered(names, found, is_list=statement.lstrip().startswith("[["))
            for length in range(1, len(here) + 1):
                found.setdefault(here[:length], number)
        else:
            for path in _paths(parsed):
                found.setdefault((*here, *path), number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each header and each `key = value`, which may span several lines."""
    begun, first, read = "", 0, 0
    for number, line in enumerate(text.split("\n"), 1):
        first = first if begun else number
        begun += line + "\n"
        read += len(begun)
        if read > MAX_READ:
            return
        try:
            tomllib.loads(begun)
        except tomllib.TOMLDecodeError:
            continue
        if begun.strip() and not begun.lstrip().startswith("#"):
            yield first, begun
        begun = ""


def _names(parsed: object) -> Path:
    """The names of a header, from its parsed value: nested tables of one key, or a list of one table."""
    names: list[str] = []
    while parsed:
        if isinstance(parsed, list):
            parsed = parsed[0]
        elif isinstance(parsed, dict):
            (name, parsed), *_ = parsed.items()
            names.append(name)
    return tuple(names)


def _entered(names: Path, found: Mapping[Path, int], *, is_list: bool) -> Path:
    """The path of a header: in a list of tables it refers to the last one, and `[[...]]` begins the next."""
    path: Path = ()
    for index, name in enumerate(names):
        path = (*path, name)
        length = _length(path, found)
        if is_list and index == len(names) - 1:
            path = (*path, str(length))
        elif length:
            path = (*path, str(length - 1))
    return path


def _length(path: Path, found: Mapping[Path, int]) -> int:
    length = 0
    while (*path, str(length)) in found:
        length += 1
    return length


def _paths(parsed: Mapping[str, object]) -> Iterator[Path]:
    for name, value in parsed.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *rest) for rest in _paths(value))


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def json_lines(text: str) -> dict[Path, int]:
    """The line of every value of a JSON text, counted from 1; of a member of an object, that of its name."""
    found: dict[Path, int] = {}
    path: list[str] = []
    kinds: list[str] = []
    name, line, at = "", 1, 0
    for token in TOKEN.finditer(text):
        line, at, word = line + text.count("\n", at, token.start()), token.start(), token[0]
        if word in "]}":
            kinds.pop()
            path = path[: len(kinds)]
        elif word == "," and kinds[-1] == "[":
            path[-1] = str(int(path[-1]) + 1)
        elif word == ":":
            path = [*path[: len(kinds) - 1], name]
            found[tuple(path)] = line
        elif word in "[{":
            kinds.append(word)
            found.setdefault(tuple(path), line)
            path = [*path, "0"] if word == "[" else path
        elif word not in ",":
            name = json.loads(word) if word.startswith('"') else name
            if kinds and kinds[-1] == "[":
                found.setdefault(tuple(path), line)
    return found
