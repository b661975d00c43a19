"""The options of a table in LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ablate.errors import TableError, nearest, quote

Style = Literal["paper", "full"]
Spread = Literal["pm", "subscript"]
LABEL = re.compile(r"[A-Za-z0-9:._/+-]{1,200}")


@dataclass(frozen=True, slots=True)
class LatexOptions:
    """How a table is printed in LaTeX.

    Attributes:
        style: `paper` is made to be pasted: a caption of one sentence, results only, everything else as comments.
            `full` prints every default column, the whole method and all notes. It has a caption and a label of its own
            only if they are given, and ignores the options that follow them.
        caption: what the table shows, as plain text, in place of the study's title. What the marks in the table mean,
            the number of seeds, the test, and what a reader must know of lost runs follow it.
        label: label for `\\ref`, such as `tab:main`. None means `tab:STUDY`.
        siunitx: whether means are in `S` columns of the package siunitx.
        delta: whether the difference from the baseline is a column. None means only if it is among the chosen columns.
        spread: where the standard deviation is: `pm` (behind ±) or `subscript`.

    Raises:
        TableError: the label cannot be one, or siunitx should print a subscript.
    """

    style: Style = "paper"
    caption: str | None = None
    label: str | None = None
    siunitx: bool = False
    delta: bool | None = None
    spread: Spread = "pm"

    def __post_init__(self) -> None:
        for what, given, choice in (("style", self.style, Style), ("spread", self.spread, Spread)):
            if given not in get_args(choice):
                raise TableError(f"no {what} {quote(given)}{nearest(given, get_args(choice))}")
        if self.label is not None and not LABEL.fullmatch(self.label):
            allowed = "letters, digits and : . _ / + -, such as tab:main"
            raise TableError(f"the label {quote(self.label)} is not one that LaTeX can refer to; allowed: {allowed}")
        if self.siunitx and self.spread == "subscript":
            raise TableError(
                "siunitx columns with spread 'subscript': siunitx prints the spread behind ±; use only one of them"
            )
