"""How a plot looks: width, font, title and theme. It is checked here, before anything is drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ablate.errors import TableError, quote

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

WIDTH_IN = 7.0
MIN_WIDTH_IN, MAX_WIDTH_IN = 2.0, 20.0
NARROW_IN = 5.0
"""Below this width, a plot has smaller type, and the numbers beside its rows are only the means."""
MAX_FONT_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class PlotLook:
    """The look of a plot.

    Attributes:
        width_in: width in inches, such as 3.25 for one column of a conference paper.
        font: name of a font family that is installed, such as `Times New Roman`; None for DejaVu Sans. A font that is
            not installed is replaced by STIX, which looks like Times; see `ablate.tables.plots.fonts`.
        has_title: whether the title of the study is above the plot. A paper has captions instead. That results are
            exploratory is always written above the plot.
        theme: `light`, or `dark` for dark pages (SVG only).

    Raises:
        TableError: the width is out of range, or the name of the font is empty or too long.
    """

    width_in: float = WIDTH_IN
    font: str | None = None
    has_title: bool = True
    theme: Theme = "light"

    def __post_init__(self) -> None:
        if not MIN_WIDTH_IN <= self.width_in <= MAX_WIDTH_IN:
            raise TableError(
                f"a plot cannot be {self.width_in:g} inches wide; choose {MIN_WIDTH_IN:g} to {MAX_WIDTH_IN:g} inches"
            )
        if self.font is not None and not 0 < len(self.font.strip()) <= MAX_FONT_CHARACTERS:
            raise TableError(f"{quote(self.font)} is not the name of a font; give a family such as Times New Roman")
        if self.theme not in THEMES:
            raise TableError(f"a plot has no theme {quote(self.theme)}; choose light or dark")

    @property
    def is_narrow(self) -> bool:
        """Whether type and texts are those of a plot in one column."""
        return self.width_in < NARROW_IN


UNITS = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27, "": 1.0}
"""Inches per unit; a point is that of TeX, which `\\the\\columnwidth` prints."""


def inches_of(text: str) -> float:
    """A width with its unit in inches, such as `3.25in`, `8.5cm` or `240pt`; a number without a unit is inches.

    Raises:
        TableError: the text is not a width.
    """
    match = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*(in|cm|mm|pt|)\s*", text)
    if match is None:
        raise TableError(f"{quote(text)} is not a width; give a number with in, cm, mm or pt, such as 3.25in")
    return float(match[1]) * UNITS[match[2]]
