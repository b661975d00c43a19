"""Line numbers of JSON pointers: the line of a text that an error refers to.

The text is valid TOML or JSON, because it was parsed before. A pointer to something without its own line (a key of
an inline table, a missing field) gets the line of the enclosing value.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Container, Iterator, Mapping

from ablate.study.scan import blank

Path = tuple[str, ...]


def path_of(pointer: str) -> Path:
    """The names and indices in a JSON pointer."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def line_of(pointer: str, lines: Mapping[Path, int]) -> int | None:
    """The line of a pointer, or of the nearest enclosing value; None if that is the whole document."""
    path = path_of(pointer)
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)


def toml_lines(text: str, wanted: Container[Path] | None = None) -> dict[Path, int]:
    """The line of tables and keys of a TOML text, counted from 1.

    Args:
        text: a text that was parsed before.
        wanted: the paths to find, each with every path that encloses it; None for all.
    """
    found: dict[Path, int] = {}
    lengths: dict[Path, int] = {}
    here: Path = ()
    for number, statement in _statements(text):
        if is_header := statement.lstrip().startswith("["):
            names = _names(tomllib.loads(statement))
            here = _entered(names, lengths, is_list=statement.lstrip().startswith("[["))
        elif wanted is not None and here and here not in wanted:
            continue
        inside = [()] if is_header else _paths(tomllib.loads(statement))
        for path in ((*here, *one) for one in inside):
            for length in range(1, len(path) + 1):
                if wanted is None or path[:length] in wanted:
                    found.setdefault(path[:length], number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each header and each `key = value`, which ends with the line that closes its last bracket."""
    bare = blank(text, "TOML")
    number, start, end, depth = 1, 0, 0, 0
    for line in bare.split("\n"):
        end += len(line) + 1
        depth += line.count("[") + line.count("{") - line.count("]") - line.count("}")
        if depth == 0:
            if bare[start:end].strip():
                yield number, text[start:end]
            number += text.count("\n", start, end)
            start = end


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


def _entered(names: Path, lengths: dict[Path, int], *, is_list: bool) -> Path:
    """The path of a header: in a list of tables it refers to the last one, and `[[...]]` begins the next."""
    path: Path = ()
    for index, name in enumerate(names):
        path = (*path, name)
        if is_list and index == len(names) - 1:
            lengths[path] = lengths.get(path, 0) + 1
        if path in lengths:
            path = (*path, str(lengths[path] - 1))
    return path


def _paths(parsed: Mapping[str, object]) -> Iterator[Path]:
    for name, value in parsed.items():
        yield (name,)
        if isinstance(value, dict):
            yield from ((name, *rest) for rest in _paths(value))


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def json_lines(text: str, wanted: Container[Path] | None = None) -> dict[Path, int]:
    """The line of values of a JSON text, counted from 1; of a member of an object, that of its name.

    Args:
        text: a text that was parsed before.
        wanted: the paths to find; None for all.
    """
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
        elif word in "[{":
            kinds.append(word)
        elif word != ",":
            name = json.loads(word) if word.startswith('"') else name
        if word not in ",]}" and (wanted is None or tuple(path) in wanted):
            found.setdefault(tuple(path), line)
        if word == "[":
            path = [*path, "0"]
    return found
