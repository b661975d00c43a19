"""The fonts of plots: which one is used for a name, how wide its text is, and which characters it has."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.font_manager import FontProperties, findfont, get_font

from ablate.errors import quote
from ablate.text import visible

DEFAULT, SUBSTITUTE = "DejaVu Sans", "STIXGeneral"
"""Both come with matplotlib. DejaVu Sans also supplies characters that the chosen font lacks."""
ALIASES = {
    "times": ("Times New Roman", "Times", "Nimbus Roman", "Liberation Serif", "TeX Gyre Termes", "STIXGeneral"),
    "helvetica": ("Helvetica", "Arial", "Nimbus Sans", "Liberation Sans", "TeX Gyre Heros"),
    "arial": ("Arial", "Helvetica", "Liberation Sans", "Nimbus Sans"),
}
"""Fonts that have the same widths and look the same, in the order in which they are tried."""
MEASURED_PT = 100


def family_of(name: str | None) -> str:
    """The installed family for a name; `SUBSTITUTE` for a name that is not installed."""
    if name is None:
        return DEFAULT
    wanted = name.strip()
    return next((one for one in (wanted, *ALIASES.get(wanted.lower(), ())) if is_installed(one)), SUBSTITUTE)


def substitution(name: str | None) -> str | None:
    """A sentence if another font is used than the one with this name; None if the name is used as it is."""
    family = family_of(name)
    if name is None or family.lower() == name.strip().lower():
        return None
    return f"font {quote(name)} is not installed where the plot is drawn; {family} is used instead"


@cache
def is_installed(name: str) -> bool:
    """Whether matplotlib finds this family."""
    try:
        findfont(FontProperties(family=[name]), fallback_to_default=False)
    except ValueError:
        return False
    return True


def use(family: str) -> None:
    """Make a family the font of the figures that are drawn next; it belongs inside `canvas.drawing`."""
    matplotlib.rcParams["font.family"] = [family] if family == DEFAULT else [family, DEFAULT]


def text_width_in(text: str, size_pt: float) -> float:
    """Width of a line of text in inches, without kerning, in the font that `use` chose."""
    paths = _paths()
    return size_pt / 72 * sum(_advance(paths, character) for character in printable(text))


def printable(text: str) -> str:
    """A text with only characters of the font; others become boxes."""
    known = [_characters(path) for path in _paths()]
    return "".join(
        c if c == "\n" or any(ord(c) in found for found in known) else "□" for c in visible(text, lines=True)
    )


def _paths() -> tuple[Path, ...]:
    return tuple(Path(findfont(FontProperties(family=[family]))) for family in matplotlib.rcParams["font.family"])


@cache
def _advance(paths: tuple[Path, ...], character: str) -> float:
    """Width of a character in ems, in the first font that has it."""
    path = next((path for path in paths if ord(character) in _characters(path)), paths[-1])
    font = get_font(str(path))
    font.set_size(MEASURED_PT, 72)
    return float(font.load_char(ord(character)).linearHoriAdvance) / 2**16 / MEASURED_PT


@cache
def _characters(path: Path) -> frozenset[int]:
    return frozenset(get_font(str(path)).get_charmap())
