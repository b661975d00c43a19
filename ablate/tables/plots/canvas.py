"""Common parts of the plots: figures without global state, one style, the same bytes for the same numbers.

It is imported only when a plot is drawn, since it imports matplotlib. The colours are those of Okabe and Ito, which
colour-blind readers can distinguish, and no plot depends on colour alone.
"""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from ablate.tables.captions import title_of
from ablate.tables.table import Table, TableRow
from ablate.tables.words import metric_name
from ablate.text import visible

INK, GREY, FAINT = "#222222", "#767676", "#d9d9d9"
BLUE, ORANGE = "#0072B2", "#D55E00"
PALETTE = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH_IN, DPI = 7.0, 160
MEASURED_PT = 100
"""Type size at which characters are measured."""
MEASURED_CHARACTERS = 400
"""Number of characters of a text that are measured: the narrowest ones would fill more than the width of a figure."""
EXPLORATORY = "results were known when the study was fixed or changed, or rows were tried before"
"""The line below a title that starts with `Exploratory: `."""
LABEL_CHARACTERS, LABEL_LINES, TITLE_CHARACTERS = 34, 3, 80

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "svg.hashsalt": "ablate",
    "svg.fonttype": "path",
    "text.parse_math": False,
}

_LOCK = threading.Lock()
"""Lock around matplotlib's global settings, so that one plot is drawn at a time."""


@contextmanager
def drawing() -> Iterator[None]:
    """Give matplotlib our style inside the context and restore the user's settings afterwards."""
    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def new_figure(table: Table, height_in: float, *, is_laid_out: bool = True) -> Figure:
    """A figure of the common width with the table's title and, if it is exploratory, a line with the reason.

    Without a layout by matplotlib, the caller places all axes; the figure is then drawn once instead of twice.
    """
    below = EXPLORATORY if table.exploratory else ""
    return titled_figure(title_of(table), height_in, below, is_laid_out=is_laid_out)


def titled_figure(title: str, height_in: float, below: str = "", *, is_laid_out: bool = True) -> Figure:
    """A figure of the common width with a title and a line below it only."""
    layout: Literal["constrained"] | None = "constrained" if is_laid_out else None
    figure = Figure(figsize=(WIDTH_IN, height_in), layout=layout, facecolor="white")
    lines = [printable(shortened(title)), *([below] if below else [])]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10)
    return figure


def to_bytes(figure: Figure, format: str) -> bytes:
    """The figure as SVG or PNG, without date and version."""
    out = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
    figure.savefig(out, format=format, dpi=DPI, metadata=metadata)
    return out.getvalue()


def grouped_rows(table: Table) -> list[TableRow | str]:
    """The rows from top to bottom, each group after its name."""
    lines: list[TableRow | str] = []
    for group, rows in table.grouped():
        lines += [group, *rows] if group is not None else rows
    return lines


def row_axes(figure: Figure, lines: list[TableRow | str]) -> Axes:
    """Axes with a horizontal line for each row or group, the first one on top, labelled on the left."""
    axes = figure.add_subplot()
    axes.set_ylim(len(lines) - 0.4, -0.6)
    labels = [name if isinstance(name, str) else label_of(name) for name in lines]
    axes.set_yticks(range(len(lines)), [printable(label) for label in labels])
    axes.tick_params(axis="y", length=0)
    for tick, line in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("bold" if isinstance(line, str) else "normal")
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    return axes


def rows_height_in(lines: list[TableRow | str]) -> float:
    """Height of a figure with these lines; broken labels need more."""
    labels = [line if isinstance(line, str) else label_of(line) for line in lines]
    deepest = max((label.count("\n") for label in labels), default=0)
    return 1.3 + (0.29, 0.38, 0.52)[deepest] * max(1, len(lines))


def label_of(row: TableRow) -> str:
    """The label of a row in at most three lines, with the mark of the baseline."""
    return wrapped(row.label, suffix=" (baseline)" if row.baseline else "")


def wrapped(text: str, width: int = LABEL_CHARACTERS, suffix: str = "") -> str:
    """A text in at most three lines; a longer text loses its middle, since the ends distinguish rows."""
    for room in range(LABEL_LINES * width, width, -4):
        lines = textwrap.wrap(shortened(text, room) + suffix, width)
        if len(lines) <= LABEL_LINES:
            return "\n".join(lines)
    return shortened(text, width)


def shortened(text: str, room: int = TITLE_CHARACTERS) -> str:
    """A text of at most this many characters; a longer text loses its middle."""
    half = (room - 1) // 2
    return text if len(text) <= room else f"{text[:half]}\u2026{text[-half:]}"


def fitted(text: str, room_in: float, size_pt: float) -> str:
    """A text that is not wider than this many inches; a wider text loses its middle."""
    text = shortened(text, MEASURED_CHARACTERS)
    rooms = range(len(text), 4, -1)
    return next((short for room in rooms if width_in(short := shortened(text, room), size_pt) <= room_in), text[:4])


def width_in(text: str, size_pt: float) -> float:
    """Width of a line of text in inches, without kerning."""
    return size_pt / 72 * sum(_advance(character) for character in printable(text))


@cache
def _advance(character: str) -> float:
    """Width of a character in ems."""
    font = get_font(findfont("DejaVu Sans"))
    font.set_size(MEASURED_PT, 72)
    return float(font.load_char(ord(character)).linearHoriAdvance) / 2**16 / MEASURED_PT


def metric_label(metric: str) -> str:
    """The name of a metric along an axis."""
    return printable(shortened(metric_name(metric)))


def better(lower_is_better: bool) -> str:
    """An arrow along a horizontal axis in the direction of better values."""
    return "\u2190 better" if lower_is_better else "better \u2192"


def printable(text: str) -> str:
    """A text with only characters of the font; others become boxes."""
    return "".join(c if c == "\n" or ord(c) in _characters() else "\u25a1" for c in visible(text, lines=True))


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
