"""The files that `[command] files` names: looked at while the script writes them, and read at its end.

Only what is there at the end decides. Before, rows of CSV and lines of JSON are shown as they come, and so are the
scalars of TensorBoard; what cannot be read then is read at the end, where it is an error. Of several files that match a
pattern the newest one counts, and of event files all that the script has written: it may have begun several.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ablate.errors import TrialError, quote
from ablate.tasks.command.events import MARK, Events
from ablate.tasks.command.points import Point, point_of
from ablate.tasks.command.sources import MAX_FILE_BYTES, Lines, read_file

LOOK_S = 1.0
"""How often the files are looked at; less often if a look takes long."""
SHARE = 20
"""At most one part in so many of the time is spent on looking."""


class _Reader(Protocol):
    def read(self) -> Iterator[Point]:
        """The points that were added since the last call."""


class Files:
    """The files of one attempt.

    Args:
        patterns: of the files, relative to the folder.
        folder: in which the script runs.
        top: folder of the trial. What is reached by a link, out of it, is not of this trial alone, so it is not read.
    """

    def __init__(self, patterns: Sequence[str], folder: Path, top: Path) -> None:
        self._patterns, self._folder, self._top = patterns, folder, top.resolve()
        self._before = {path: _size_and_time(path) for pattern in patterns for path in self._found(pattern)}
        self._readers: dict[Path, _Reader] = {}
        self._shown: dict[Path, int] = {}
        self._next_s = 0.0

    def look(self) -> list[Point]:
        """The points that were added since the last look, if it is time for one."""
        now_s = time.monotonic()
        if not self._patterns or now_s < self._next_s:
            return []
        points: list[Point] = []
        for path in self._all():
            if _size_and_time(path) != self._before.get(path):  # else it is of an earlier attempt
                with suppress(TrialError, OSError, ValueError, csv.Error, RecursionError):  # reported at the end
                    new = list(self._reader(path).read())
                    self._shown[path] = self._shown.get(path, 0) + len(new)
                    points += new
        took_s = time.monotonic() - now_s
        self._next_s = now_s + max(LOOK_S, SHARE * took_s)
        return points

    def read(self) -> Iterator[tuple[Point, bool]]:
        """All points, each with whether no look has returned it.

        Raises:
            TrialError: a file is missing, too large, or not what its ending says.
        """
        for path in self._all(is_over=True):
            points = Events(path).read() if MARK in path.name else read_file(path)
            for index, point in enumerate(points):
                yield point, index >= self._shown.get(path, 0)

    def _all(self, *, is_over: bool = False) -> Iterator[Path]:
        for pattern in self._patterns:
            found = sorted(self._found(pattern), key=lambda path: path.stat().st_mtime)
            if not found and is_over:
                raise TrialError(f"wrote no file {quote(pattern)}, which 'files' in [command] names")
            events = [path for path in found if MARK in path.name]
            new = [path for path in events if _size_and_time(path) != self._before.get(path)]
            yield from sorted(new or events) if events else found[-1:]

    def _found(self, pattern: str) -> list[Path]:
        return [
            path for path in self._folder.glob(pattern) if path.is_file() and path.resolve().is_relative_to(self._top)
        ]

    def _reader(self, path: Path) -> _Reader:
        if path not in self._readers:
            self._readers[path] = Events(path) if MARK in path.name else _Rows(path)
        return self._readers[path]


class _Rows:
    """A file of CSV or of lines of JSON that grows; other files are read at the end only."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._count, self._known = path, 0, 0, 0
        self._header = b""

    def read(self) -> Iterator[Point]:
        """See `_Reader`. A file that was written anew is read from its start, without the points that are known."""
        ending = self._path.suffix.lower()
        if ending not in (".csv", ".jsonl") or self._path.stat().st_size > MAX_FILE_BYTES:
            return
        with self._path.open("rb") as file:
            header = file.readline() if ending == ".csv" else b""
            if header != self._header or self._path.stat().st_size < self._offset:
                self._header, self._offset, self._count = header, len(header), 0
            file.seek(self._offset)
            whole, end, _ = file.read().rpartition(b"\n")
        self._offset += len(whole + end)
        for point in self._points(whole.decode("utf-8", errors="replace"), header.decode("utf-8", errors="replace")):
            self._count += 1
            if self._count > self._known:
                self._known = self._count
                yield point

    def _points(self, text: str, header: str) -> Iterator[Point]:
        if not header:
            yield from (point for line in text.splitlines() for point in Lines(None).read(line))
            return
        for row in csv.DictReader(io.StringIO(header + text)):
            point = point_of({name: value for name, value in row.items() if name and value})
            if point is not None:
                yield point


def _size_and_time(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_size, found.st_mtime_ns
    return None
