"""Strict parsing of a study's text. TOML files and JSON over REST give the same document, not yet validated."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from ablate.errors import Problem, StudyError, quote

MAX_DEPTH = 32
MAX_KEYS = 1_000
"""Keys in one JSON object. Real studies have far fewer, and every unknown name costs a search for the nearest one."""


def read_document(path: Path) -> Any:
    """The document in a `.toml` or `.json` file, not yet validated.

    Raises:
        StudyError: the file cannot be read, or is neither TOML nor JSON.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StudyError([Problem("", "unreadable", f"cannot read study file {quote(path)}: {reason}")]) from error
    return parse_json(text) if path.suffix == ".json" else parse_toml(text)


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML text.

    Raises:
        StudyError: the text is not TOML; the message has line and column.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits raises ValueError, not TOMLDecodeError
        raise StudyError([Problem("", "not_toml", f"not TOML: {error}")]) from error


def parse_json(text: str) -> Any:
    """Parse a JSON text strictly.

    Raises:
        StudyError: the text is not JSON, contains NaN, infinity, a repeated key or a lone surrogate, or is nested
            deeper than 32 levels.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite_float)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else _json_reason(error)
        raise StudyError([Problem("", "not_json", f"not strict JSON: {reason}")]) from error
    if _depth(value) > MAX_DEPTH:
        raise StudyError([Problem("", "not_json", f"not strict JSON: nested deeper than {MAX_DEPTH} levels")])
    return value


def _json_reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "it contains a lone surrogate" if isinstance(error, UnicodeEncodeError) else str(error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise ValueError(f"an object has {len(pairs):,} keys; at most {MAX_KEYS:,} are allowed")
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


def _depth(value: object) -> int:
    deepest, layer = 0, [value]
    while layer:
        deepest += 1
        layer = [
            child
            for item in layer
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return deepest - 1
