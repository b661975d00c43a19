"""The points of earlier attempts at a trial, which count where the script goes on from its checkpoint.

A script that was killed and goes on reports only the steps that are left. What it reported before is kept in the
trial's folder, and counts up to the first step of the new attempt. A script that begins again reports its first step
again, and then nothing earlier counts. Without steps nobody can tell, so earlier points do not count.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import IO

from ablate.tasks.command.points import Point

POINTS = "points.jsonl"


class Attempts:
    """The points of a trial in a file; those of this attempt are added as they come.

    Args:
        path: of the file.
        metrics: names of the metrics that are looked for.
        more: points of the last attempt that are kept elsewhere, and may not be in the file.

    Attributes:
        earlier_s: seconds that the attempts took whose points count.
    """

    def __init__(self, path: Path, metrics: Collection[str], more: Iterable[Point] = ()) -> None:
        self._path, self._metrics = path, frozenset(metrics)
        self._known = [*_read(path), *((0.0, point) for point in more)]
        self._file: IO[str] | None = None
        self.earlier_s = 0.0

    def with_earlier(self, point: Point, at_s: float) -> list[Point]:
        """A new point, after those of earlier attempts that count, if it is the first one.

        Args:
            point: that the script has reported.
            at_s: seconds since the start of this attempt.
        """
        if point.step is None or self._metrics.isdisjoint(point.values):
            return [point]
        earlier: list[Point] = []
        if self._file is None:
            kept = [(spent_s, one) for spent_s, one in self._known if _is_before(one, point)]
            earlier = [one for _, one in kept]
            self.earlier_s = max((spent_s for spent_s, _ in kept), default=0.0)
            self._file = self._path.open("w", encoding="utf-8", buffering=1)
            for spent_s, one in kept:
                self._write(one, spent_s)
        self._write(point, self.earlier_s + at_s)
        return [*earlier, point]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, point: Point, spent_s: float) -> None:
        assert self._file is not None
        row = [round(spent_s, 3), dict(point.values), point.step, point.epoch, point.steps]
        self._file.write(json.dumps(row) + "\n")  # NaN and infinity as Python writes and reads them


def _is_before(one: Point, first: Point) -> bool:
    assert first.step is not None
    if one.step is None:
        return False
    if one.epoch is not None and first.epoch is not None:
        return (one.epoch, one.step) < (first.epoch, first.step)
    return one.step < first.step


def _read(path: Path) -> list[tuple[float, Point]]:
    """The points in a file; the last line may be cut off by the end of a worker."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            spent_s, values, step, epoch, steps = json.loads(line)
        except ValueError:
            continue
        found.append((float(spent_s), Point(values, step, epoch, steps)))
    return found
