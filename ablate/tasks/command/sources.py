"""Where the numbers of a script are read: lines of its output, files that it writes, and its own log of MLflow."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ablate.errors import TrialError, quote
from ablate.tasks.command.points import Point, point_of

MAX_FILE_BYTES = 64 << 20
_NOT_FINITE = re.compile(r"[-+]?\b(?:nan|inf(?:inity)?)\b", re.IGNORECASE)
_STANDS_FOR_NAN = "7" * 40
_NAN_IN_DICT = re.compile(r":\s*(-?(?:nan|inf))(?=\s*[,}])")
HISTORY = "log_history"
"""Key of the list of points in Hugging Face's `trainer_state.json`."""


class Lines:
    """Points in lines of text: a line that is an object of JSON (or a dict as Python prints it), and a pattern.

    Args:
        pattern: regular expression with named groups, which are searched in every line; None for none.
    """

    def __init__(self, pattern: str | None) -> None:
        self._pattern = re.compile(pattern) if pattern else None

    def read(self, line: str) -> Iterator[Point]:
        """The points in a line."""
        text = line.strip()
        row = _mapping_of(text) if text.startswith("{") and text.endswith("}") else None
        if row is not None:
            found = point_of(row)
            if found is not None:
                yield found
        for match in self._matches(line):
            values = {name: _cleaned(value) for name, value in match.groupdict().items() if value is not None}
            found = point_of(values)
            if found is not None:
                yield found

    def _matches(self, line: str) -> list[re.Match[str]]:
        """The matches in a line; `nan` and `inf` count as numbers also where the pattern asks for digits.

        Otherwise the value before the NaN would be the last one, and stand for the trial.
        """
        if self._pattern is None:
            return []
        return [*self._pattern.finditer(_NOT_FINITE.sub(_STANDS_FOR_NAN, line))] or [*self._pattern.finditer(line)]


def _cleaned(text: str) -> str:
    """A number without the full stop or the percent sign that a pattern took with it."""
    return "nan" if _STANDS_FOR_NAN in text else text.strip().rstrip(".,;:%")


def _mapping_of(text: str) -> Mapping[str, object] | None:
    literal = _NAN_IN_DICT.sub(r": '\1'", text)
    for parse, written in ((json.loads, text), (ast.literal_eval, literal)):
        try:
            found = parse(written)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, dict) else None
    return None


def read_file(path: Path) -> Iterator[Point]:
    """The points in a file: rows of CSV, lines of JSON, or an object of JSON (with a list of points, or one point)."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise TrialError(f"wrote {quote(path.name)}, which is larger than {MAX_FILE_BYTES >> 20} MB")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        rows = _rows(text, path.suffix.lower())
    except (ValueError, csv.Error, RecursionError) as error:
        raise TrialError(f"wrote {quote(path.name)}, which cannot be read: {error}") from error
    yield from (point for row in rows if (point := point_of(row)) is not None)


def _rows(text: str, ending: str) -> list[Mapping[str, Any]]:
    if ending == ".csv":
        return [
            {name: value for name, value in row.items() if name and value} for row in csv.DictReader(io.StringIO(text))
        ]
    if ending == ".jsonl":
        return [row for line in text.splitlines() if line.strip() and isinstance(row := json.loads(line), dict)]
    found = json.loads(text)
    if isinstance(found, dict):
        found = [*found[HISTORY], found] if isinstance(found.get(HISTORY), list) else [found]
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def read_mlflow(database: Path) -> Iterator[Point]:
    """The metrics that a script logged to its own MLflow database; nothing if it logged none."""
    if not database.exists():
        return
    query = "SELECT key, value, is_nan, step FROM metrics ORDER BY timestamp, step"
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            rows: list[tuple[str, float, bool, int]] = connection.execute(query).fetchall()
    except sqlite3.Error as error:
        raise TrialError(f"logged to MLflow, but its database cannot be read: {error}") from error
    has_steps = {name for name, _, _, step in rows if step}  # the default of `log_metric` is step 0 for every value
    for name, value, is_nan, step in rows:
        yield Point({name: float("nan") if is_nan else value}, float(step) if name in has_steps else None)


class Reports:
    """What `ablate.report` appends to a file, line by line.

    Args:
        path: of the file, which may not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._lines = path, 0, Lines(None)

    def read(self) -> list[Point]:
        """The points that were appended since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                whole, _, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        if not whole:
            return []
        self._offset += len(whole) + 1
        text = whole.decode("utf-8", errors="replace")
        return [point for line in text.splitlines() for point in self._lines.read(line)]
