"""Strict parsing of a study's text. TOML files and JSON over REST give the same document, not yet validated."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from ablate.errors import Problem, StudyError, quote
from ablate.limits import MAX_BYTES, MAX_STRING
from ablate.study.scan import Format, check_values, refusal, refuse_what_json_lacks, scan


def read_document(path: Path) -> Any:
    """The document in a `.toml` or `.json` file, not yet validated.

    Raises:
        StudyError: the file cannot be read, or is neither TOML nor JSON.
    """
    try:
        text = _read_regular(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: NUL in the path, or not UTF-8
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _unreadable(f"cannot read study file {quote(path)}: {reason}") from error
    return parse_document(text, "JSON" if path.suffix == ".json" else "TOML")


def parse_document(text: str, kind: Format) -> Any:
    """The document in a text, with values that JSON has only.

    Raises:
        StudyError: the text is too long, or is not TOML or JSON, or contains a date, NaN or infinity.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise _unreadable(TOO_LARGE)
    if kind == "JSON":
        return parse_json(text)
    document = parse_toml(text)
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
        raise StudyError([Problem("", "not_toml", f"not TOML: {error}")]) from error
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


TOO_LARGE = f"a study has at most {MAX_BYTES:,} bytes; shorten it"


def _unreadable(text: str) -> StudyError:
    return StudyError([Problem("", "unreadable", text)])


def _read_regular(path: Path) -> bytes:
    """The content of a regular file: opening a pipe would wait for its writer, and a device may never end."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise _unreadable(f"cannot read study file {quote(path)}: it is not a regular file; write the study to one")
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _unreadable(f"cannot read study file {quote(path)}: {TOO_LARGE}")
    return content


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
