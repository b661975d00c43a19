"""The history of a schedule as a Markdown table: a line for each firing, newest first, a column for each row."""

from __future__ import annotations

from datetime import UTC, datetime

from ablate.tables.history import History, HistoryPoint, HistoryRow, alarm_sentence
from ablate.tables.markdown import aligned, escape_markdown
from ablate.tables.words import MISSING, decimals_of, number, places_of

ALARM, CHANGED, REFERENCE = "alarm", "first changed", "reference"


def render_history(history: History, *, decimals: int | None = None) -> str:
    """The table, and below it each alarm in words.

    Args:
        history: see `ablate.tables.history`.
        decimals: of all numbers; None takes two digits of the typical spread of a firing's mean.
    """
    places = history_decimals(history) if decimals is None else decimals
    lines = [["firing (UTC)", *(escape_markdown(_heading(row, places)) for row in history.rows), "what"]]
    for instant in reversed(history.instants):
        cells = [_cell(row, instant, places, is_signed=history.baseline is not None) for row in history.rows]
        lines.append(
            [f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}", *cells, escape_markdown("; ".join(_marks(history, instant)))]
        )
    parts = [f"### {escape_markdown(f'{history.schedule}: {history.measure}')}"]
    parts.append(aligned(lines, is_text=[True, *[False] * len(history.rows), True]))
    notes = [f"- {escape_markdown(note)}" for row in history.rows for note in _notes(row, places)]
    parts += ["\n".join(notes)] if notes else []
    return "\n\n".join(parts) + "\n"


def _heading(row: HistoryRow, places: int) -> str:
    return row.label if row.printed is None else f"{row.label} (printed {_number(row.printed, places)})"


def history_decimals(history: History) -> int:
    """Decimals that show two digits of the typical half interval of a firing's mean."""
    ends = [(point.low, point.high) for row in history.rows for point in row.points]
    return decimals_of((high - low) / 2 for low, high in ends if low is not None and high is not None)


def _cell(row: HistoryRow, instant: datetime, places: int, *, is_signed: bool) -> str:
    """`13.21 [12.90, 13.52] (3)`: mean, 95 % interval and number of seeds."""
    point = next((point for point in row.points if point.at == instant), None)
    return MISSING if point is None else point_text(point, places, is_signed=is_signed)


def point_text(point: HistoryPoint, places: int, *, is_signed: bool = False) -> str:
    """A point as a cell shows it."""
    mean = _number(point.mean, places, is_signed=is_signed)
    if point.low is None or point.high is None:
        return f"{mean} ({point.n})"
    low, high = (_number(end, places, is_signed=False) for end in (point.low, point.high))
    return f"{mean} [{low}, {high}] ({point.n})"


def _number(value: float, places: int, *, is_signed: bool = True) -> str:
    return number(value, places_of([value], places), signed=is_signed)


def _marks(history: History, instant: datetime) -> list[str]:
    """What a firing is to its rows: `alarm: B`, `first changed: B`, `reference` where it is in the window of any."""
    alarms = [alarm for row in history.rows for alarm in row.alarms]
    known = [alarm.row for alarm in alarms if alarm.at == instant]
    changed = [alarm.row for alarm in alarms if alarm.changed_at == instant]
    marks = [f"{word}: {', '.join(rows)}" for word, rows in ((ALARM, known), (CHANGED, changed)) if rows]
    windows = [window for row in history.rows for window in row.windows]
    return marks + [REFERENCE] * any(window.first <= instant <= window.last for window in windows)


def _notes(row: HistoryRow, places: int) -> list[str]:
    notes = []
    for alarm in sorted(row.alarms, key=lambda alarm: alarm.at):
        end = "open" if alarm.acknowledged is None else f"acknowledged: {alarm.acknowledged}"
        notes.append(f"{row.label}: {alarm_sentence(alarm, places)}; {end}")
    return notes
