"""Strict parsing of a study's text. TOML files and JSON over REST give the same document, not yet validated."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ablate.errors import Problem, StudyError, quote
from ablate.limits import MAX_BYTES, MAX_STRING
from ablate.study.include import with_included
from ablate.study.scan import Format, check_values, refusal, refuse_what_json_lacks, scan


def read_document(path: Path, *, is_strict: bool = True) -> Any:
    """The document in a file or a pipe with the files that it includes, not yet validated. `-` is the standard input.

    A name that ends in `.json` is JSON and one in `.toml` is TOML, in any case; elsewhere JSON begins with a brace.

    Args:
        path: of the file.
        is_strict: whether dates, NaN and infinity are refused here. `ablate.study.plan.plan_document` does that, too,
            and reports them together with the other problems.

    Raises:
        StudyError: the file cannot be read, or is neither TOML nor JSON.
    """
    read = partial(read_alone, is_strict=is_strict)
    return with_included(read(path), path, read)


def read_alone(path: Path, *, is_strict: bool = False) -> Any:
    """The same without the files that it includes."""
    suffix = path.suffix.lower()
    if suffix in YAML:
        raise _unreadable(f"cannot read study file {quote(path)}: {NO_YAML}")
    name = "the standard input" if str(path) == STDIN else f"study file {quote(path)}"
    try:
        text = _read(path, name).decode("utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: NUL in the path, or not UTF-8
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _unreadable(f"cannot read {name}: {reason}") from error
    if not text.strip():
        raise _unreadable(f"cannot read {name}: it is empty; a study has at least a name and rows")
    is_json = suffix == ".json" or (suffix != ".toml" and text.lstrip().startswith("{"))
    return parse_document(text, "JSON" if is_json else "TOML", is_strict=is_strict)


def parse_document(text: str, kind: Format, *, is_strict: bool = True) -> Any:
    """The document in a text; `is_strict` as in `read_document`.

    Raises:
        StudyError: the text is too long, or is not TOML or JSON.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise _unreadable(TOO_LARGE)
    if kind == "JSON":
        return parse_json(text)
    document = parse_toml(text)
    if is_strict:
        refuse_what_json_lacks(document)
    return document


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML text.

    Raises:
        StudyError: the text is not TOML, in which case the message has line and column, or is above a limit.
    """
    scan(text, "TOML")
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # also dates that do not exist, such as 2020-02-30
        advice = f"; {NO_YAML}" if _YAML_LINE.match(text) else ""
        raise StudyError([Problem("", "not_toml", f"not TOML: {error}{advice}")]) from error
    check_values(document, "TOML")
    return document


def parse_json(text: str, longest: int = MAX_STRING) -> Any:
    """Parse a JSON text strictly.

    Args:
        text: see there.
        longest: largest number of bytes of a string.

    Raises:
        StudyError: the text is not JSON, contains NaN, infinity, NUL, a repeated key or a lone surrogate, or is above
            a limit.
    """
    scan(text, "JSON")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite_float)
    except ValueError as error:
        raise refusal("JSON", _json_reason(error)) from error
    check_values(value, "JSON", longest)
    return value


STDIN = "-"
SHELL = (("/", "dev"), ("/", "proc"))
"""Where a shell names the pipes that it has opened, such as `/dev/stdin` and `/dev/fd/63`."""
YAML = (".yaml", ".yml")
NO_YAML = 'ablate does not read YAML; write the study as TOML (name = "x", [base], [[rows]]) or as JSON'
_YAML_LINE = re.compile(r"(?:\s*(?:#.*|---)?\n)*\s*(?:- )?[\w-]+:(?:\s|$)")
"""The first line of a YAML text, after comments."""
TOO_LARGE = f"a study has at most {MAX_BYTES:,} bytes; shorten it"


def _unreadable(text: str) -> StudyError:
    return StudyError([Problem("", "unreadable", text)])


def _read(path: Path, name: str) -> bytes:
    """The content of a regular file, or of a pipe of the shell.

    A pipe with a name of its own would wait for its writer, and a device may never end.
    """
    with _opened(path) as stream:
        mode = os.fstat(stream.fileno()).st_mode
        if str(path) != STDIN and not stat.S_ISREG(mode):
            if not (stat.S_ISFIFO(mode) and path.parts[:2] in SHELL):
                advice = "write the study to one, or to the standard input of `ablate ... -`"
                raise _unreadable(f"cannot read {name}: it is not a regular file; {advice}")
            os.set_blocking(stream.fileno(), True)
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _unreadable(f"cannot read {name}: {TOO_LARGE}")
    return content


def _opened(path: Path) -> BinaryIO:
    if str(path) == STDIN:
        return open(0, "rb", closefd=False)
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def _json_reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return str(error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("an object repeats a key; give each key once")
    return mapping


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value
