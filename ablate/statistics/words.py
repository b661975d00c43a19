"""How numbers of statistics are written: p-values and signs."""

from __future__ import annotations

import math

MINUS = "\u2212"


def format_p(p: float) -> str:
    """A p-value in two digits without the leading zero, `.031`; `< .0001` below that, `1` from .995 on."""
    if p < 1e-4:
        return "< .0001"
    decimals = 2 if p >= 0.0995 else 1 - math.floor(math.log10(p))
    text = f"{p:.{decimals}f}"
    return text.removeprefix("0") if text.startswith("0") else "1"


def equals_p(p: float) -> str:
    """What follows the letter p: `= .031`, `< .0001`."""
    text = format_p(p)
    return text if text.startswith("<") else f"= {text}"
