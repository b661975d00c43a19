"""Common parts of the plots: figures without global state, one style, the same bytes for the same numbers.

It is imported only when a plot is drawn, since it imports matplotlib. The colours are those of the service's page, in
its light and in its dark theme. No plot depends on colour alone: lines have dashes and marks have shapes.
"""

from __future__ import annotations

import io
import re
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.tables.captions import title_of
from ablate.tables.plots import fonts
from ablate.tables.plots.fonts import printable, text_width_in
from ablate.tables.plots.look import WIDTH_IN, PlotLook
from ablate.tables.table import Table, TableRow
from ablate.tables.words import metric_name

INK, GREY, FAINT = "#1c1d1f", "#5a5e63", "#d9dad6"
TEAL, ORANGE, VIOLET = "#0b7a8a", "#c05a14", "#6b54b5"
PALETTE = (TEAL, ORANGE, VIOLET, "#9a6b00", "#b03c72", "#1b6e3c", "#b9bdb8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DPI = 300
NARROW_TYPE = 0.85
"""Size of the type in a narrow plot, relative to a wide one: labels of 7.7 pt, numbers of 6.8 pt."""
MEASURED_CHARACTERS = 400
"""Number of characters of a text that are measured: the narrowest ones would fill more than the width of a figure."""
EXPLORATORY = "results were known when the study was fixed or changed, or rows were tried before"
"""The line below a title that starts with `Exploratory: `."""
LABEL_CHARACTERS, LABEL_LINES, TITLE_CHARACTERS, LINE_CHARACTERS = 34, 3, 80, 84
DARK = {
    INK: "#e6e7e4", GREY: "#a3a8aa", FAINT: "#35393b", TEAL: "#58c4d2", ORANGE: "#f09a5c", VIOLET: "#b3a2f0",
    "#9a6b00": "#dfb650", "#b03c72": "#ee8fb8", "#1b6e3c": "#7ccf98", "#b9bdb8": "#575d5f", "#ffffff": "#1a1d1e",
    "#000000": "#e6e7e4",
}  # fmt: skip
"""Colours of the dark theme, by those of the light one; the background is that of a sheet of the page."""

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
    "pdf.fonttype": 42,  # conferences refuse fonts of type 3
    "text.parse_math": False,
}

_LOCK = threading.Lock()
"""Lock around matplotlib's global settings, so that one plot is drawn at a time."""


@contextmanager
def drawing(look: PlotLook = PlotLook()) -> Iterator[None]:
    """Give matplotlib our style inside the context and restore the user's settings afterwards."""
    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        fonts.use(fonts.family_of(look.font))
        matplotlib.rcParams["figure.figsize"] = (look.width_in, look.width_in)
        if look.is_narrow:
            for name in ("font.size", "axes.titlesize"):
                matplotlib.rcParams[name] = STYLE[name] * NARROW_TYPE
        yield


def figure_width_in() -> float:
    """The width of figures in this drawing."""
    return float(matplotlib.rcParams["figure.figsize"][0])


def is_narrow() -> bool:
    """Whether figures of this drawing are for one column of a paper."""
    return PlotLook(width_in=figure_width_in()).is_narrow


def pt(size: float) -> float:
    """A size of type in this drawing; `size` is that of a wide plot."""
    return size * NARROW_TYPE if is_narrow() else size


def share_of_width(characters: int) -> int:
    """Number of characters that have room in this drawing where a wide plot has room for `characters`."""
    room = figure_width_in() / WIDTH_IN / (NARROW_TYPE if is_narrow() else 1)
    return max(12, round(characters * min(1.0, room)))


def legend_columns(wide: int) -> int:
    """Columns of a legend below the plot; `wide` is their number in a wide plot."""
    return max(1, min(wide, int(figure_width_in() / 1.6)))


def legend_below(axes: Axes, handles: Sequence[Artist], wide: int) -> None:
    """A legend below the plot; `wide` is the number of its columns in a wide plot."""
    columns, size = legend_columns(wide), pt(8)
    axes.figure.legend(handles=handles, loc="outside lower right", ncols=columns, frameon=False, fontsize=size)


def new_figure(table: Table, height_in: float, *, look: PlotLook, is_laid_out: bool = True) -> Figure:
    """A figure with the table's title and, if it is exploratory, a line with the reason.

    Without a layout by matplotlib, the caller places all axes; the figure is then drawn once instead of twice.
    """
    below = EXPLORATORY if table.exploratory else ""
    if table.imported is not None:
        below = f"imported from {table.imported.source}; nothing is known of how rows and seeds were chosen"
    if not look.has_title:
        return titled_figure("", height_in, f"Exploratory: {below}" if below else "", is_laid_out=is_laid_out)
    return titled_figure(title_of(table), height_in, below, is_laid_out=is_laid_out)


def titled_figure(title: str, height_in: float, below: str = "", *, is_laid_out: bool = True) -> Figure:
    """A figure with a title and a text below it only, broken to the width of the figure."""
    layout: Literal["constrained"] | None = "constrained" if is_laid_out else None
    room = share_of_width(LINE_CHARACTERS)
    lines = [line for text in (printable(shortened(title)), below) for line in textwrap.wrap(text, room)]
    extra_in = pt(10) / 72 * 1.25 * max(0, len(lines) - 2)
    figure = Figure(figsize=(figure_width_in(), height_in + extra_in), layout=layout, facecolor="white")
    if lines:
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=pt(10))
    return figure


METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""What each format would write about the time and the program; without it, the same numbers give the same bytes."""


def to_bytes(figure: Figure, format: str, look: PlotLook = PlotLook()) -> bytes:
    """The figure as SVG, PDF or PNG (300 dpi), without date and version."""
    out = io.BytesIO()
    figure.savefig(out, format=format, dpi=DPI, metadata=METADATA[format])
    return _darkened(out.getvalue()) if look.theme == "dark" else out.getvalue()


def _darkened(svg: bytes) -> bytes:
    """An SVG file with the colours of the dark theme; a shape without a colour is black."""
    found = {light.lower(): dark for light, dark in DARK.items()}
    text = re.sub("#[0-9a-fA-F]{6}", lambda match: found.get(match[0].lower(), match[0]), svg.decode())
    return text.replace("<svg ", f'<svg fill="{DARK["#000000"]}" ', 1).encode()


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


def write_beside(axes: Axes, place: int, text: str) -> None:
    """Write a text in the right margin, next to a row."""
    axes.annotate(
        text, (1, place), xycoords=("axes fraction", "data"), xytext=(8, 0), textcoords="offset points",
        va="center", fontsize=pt(8), color=INK,
    )  # fmt: skip


def rows_height_in(lines: list[TableRow | str]) -> float:
    """Height of a figure with these lines; broken labels need more."""
    labels = [line if isinstance(line, str) else label_of(line) for line in lines]
    deepest = max((label.count("\n") for label in labels), default=0)
    return 1.3 + (pt(0.29), pt(0.38), 0.52)[deepest] * max(1, len(lines))


def label_of(row: TableRow, text: str | None = None) -> str:
    """The label of a row, or another text for it, in at most three lines, with the mark of the baseline."""
    return wrapped(
        row.label if text is None else text, share_of_width(LABEL_CHARACTERS), " (baseline)" if row.baseline else ""
    )


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
    return next(
        (short for room in rooms if text_width_in(short := shortened(text, room), size_pt) <= room_in), text[:4]
    )


def metric_label(metric: str) -> str:
    """The name of a metric along an axis."""
    return printable(shortened(metric_name(metric)))


def better(lower_is_better: bool) -> str:
    """An arrow along a horizontal axis in the direction of better values."""
    return "\u2190 better" if lower_is_better else "better \u2192"
