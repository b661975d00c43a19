"""Drawings as coordinates: differences with their intervals, and learning curves. Templates make SVG of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.statistics.decisions.paired import SMALLEST
from ablate.statistics.decisions.row_comparison import LARGEST
from ablate.tables.table import Table, TableCell
from ablate.tables.words import drawn_metric

WIDTH = 176.0
"""Width of the strip of an interval; half of `MARGIN` stays free at each end."""
MARGIN = 14.0
REACH = 4.0
"""An interval that is longer than this multiple of the largest difference is cut and ends in an arrow."""
KINDS = 6
"""Number of rows with their own line style, including the baseline."""

Points = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference on the common scale of its table: positions from the left.

    Attributes:
        low, high: ends of the interval; None below two seeds. They are cut to the strip.
        cut_low, cut_high: whether the interval continues beyond that end.
        printed: the printed difference, None if there is none.
        kind: the decision, for the colour; the words are next to it.
    """

    mean: float
    low: float | None
    high: float | None
    cut_low: bool
    cut_high: bool
    zero: float
    printed: float | None
    kind: str


def draw_intervals(table: Table) -> dict[str, Interval]:
    """The differences of the primary metric, by row name."""
    cells = {row.name: row.cells[table.metric] for row in table.rows}
    low, high = _bounds([cell for cell in cells.values() if cell.diff])

    def at(value: float) -> float:
        inside = min(max(value, low), high)
        return round(MARGIN / 2 + (WIDTH - MARGIN) * (inside - low) / (high - low), 1)

    found = {}
    for name, cell in cells.items():
        if cell.diff is None:
            continue
        ends = cell.diff.low, cell.diff.high
        printed = _printed(cell)
        found[name] = Interval(
            mean=at(cell.diff.mean),
            low=None if ends[0] is None else at(ends[0]),
            high=None if ends[1] is None else at(ends[1]),
            cut_low=ends[0] is not None and ends[0] < low,
            cut_high=ends[1] is not None and ends[1] > high,
            zero=at(0.0),
            printed=None if printed is None else at(printed),
            kind=cell.decision or "",
        )
    return found


def _printed(cell: TableCell) -> float | None:
    return cell.published.diff if cell.published else None


def _bounds(cells: Sequence[TableCell]) -> tuple[float, float]:
    """Ends of the strip: all intervals fit, except those that would leave no room for the others."""
    sizes = [abs(cell.diff.mean) for cell in cells if cell.diff]
    sizes += [abs(printed) for cell in cells if (printed := _printed(cell)) is not None]
    most = REACH * max(sizes, default=0.0) or math.inf
    ends = [end for cell in cells if cell.diff for end in (cell.diff.low, cell.diff.high) if end is not None]
    values = [0.0, *(size * sign for size in sizes for sign in (-1, 1)), *(min(max(end, -most), most) for end in ends)]
    low, high = min(values), max(values)
    return (low, high) if high > low else (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One trial's curve; `look` is the line style of its row: 0 for the baseline, None for rows without one."""

    row: str
    seed: int
    look: int | None
    points: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves in a frame of `width` x `height`.

    Attributes:
        metric: on the vertical axis; steps are on the horizontal axis.
        key: (look, row) of the rows with their own line style.
        ticks_x, ticks_y: (position, text).
    """

    metric: str
    lines: tuple[CurveLine, ...]
    key: tuple[tuple[int, str], ...]
    ticks_x: tuple[tuple[float, str], ...]
    ticks_y: tuple[tuple[float, str], ...]
    width: int = 900
    height: int = 300
    left: int = 56
    bottom: int = 264


def draw_curves(
    rows: Sequence[str], curves: Sequence[tuple[str, int, Points]], metric: str, *, counted: bool = False
) -> Chart | None:
    """Learning curves of a study's trials.

    Args:
        rows: names, those of baselines first.
        curves: (row, seed, points of `ablate.trials.trial.EpochMetrics` as JSON values).
        metric: drawn where trials report it during training, else the one that most trials report.
        counted: whether steps are counts that begin at 1, so that ticks are whole numbers.

    Returns:
        None if no curve has two points.
    """
    shown = drawn_metric(metric, ([point["metrics"] for point in points] for *_, points in curves))
    series = [
        (row, seed, [(point["step"], value) for point in points if _is_drawn(value := point["metrics"].get(shown))])
        for row, seed, points in curves
    ]
    series = [one for one in series if len(one[2]) > 1]
    if not series:
        return None
    looks = {row: index for index, row in enumerate(rows[:KINDS])}
    xs, ys = zip(*(point for *_, points in series for point in points), strict=True)
    ticks_x = _ticks(1.0, float(max(xs)), least=1.0) if counted else _ticks(0.0, float(max(xs)))
    ticks_y = _ticks(min(ys), max(ys))
    scale_x, scale_y = (ticks_x[0], max(*ticks_x, *xs)), (min(ticks_y[0], *ys), max(ticks_y[-1], *ys))
    place_x, place_y = _placed(*scale_x, 56.0, 884.0), _placed(*scale_y, 264.0, 14.0)
    lines = [
        CurveLine(row, seed, looks.get(row), " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in points))
        for row, seed, points in sorted(series, key=lambda one: -looks.get(one[0], KINDS))
    ]
    drawn = {row for row, *_ in series}
    return Chart(
        shown,
        tuple(lines),
        tuple((look, row) for row, look in looks.items() if row in drawn),
        tuple((place_x(tick), f"{tick:g}") for tick in ticks_x),
        tuple((place_y(tick), f"{tick:g}") for tick in ticks_y),
    )


def _is_drawn(value: float | None) -> bool:
    """Whether a value is of a size that the table uses."""
    return value is not None and abs(value) < LARGEST


def _placed(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: round(first + (last - first) * (value - low) / span, 1)


def _ticks(low: float, high: float, *, least: float = 0.0) -> list[float]:
    """Three to eight round numbers from below `low` to about `high`, `least` apart at least."""
    span = high - low
    if span < SMALLEST:
        span = max(abs(high) / 10, SMALLEST) if high else 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = max(least, next(power * digit for digit in (1, 2, 2.5, 5, 10) if span / (power * digit) <= 6))
    if least:
        return [low + math.ceil(step) * index for index in range(int((high - low) / math.ceil(step)) + 1)]
    first, last = math.floor(low / step), math.ceil(high / step)
    digits = max(10, 1 - math.floor(math.log10(step)))
    return [round(step * index, digits) for index in range(first, last + 1)]
