"""Numbers of statistics in sentences: p-values, signs, decimals, units and counts."""

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
    """A p-value after the letter p: `= .031`, `< .0001`."""
    text = format_p(p)
    return text if text.startswith("<") else f"= {text}"


def plain_number(value: float, precision: float) -> str:
    """A number in decimals that show two digits of `precision`, such as the half width of its interval.

    Four digits if the precision is 0 or not of ordinary size.
    """
    if not precision or not 1e-6 < precision < 1e7:
        return f"{value:.4g}".replace("-", MINUS)
    text = f"{value:.{max(0, 1 - math.floor(math.log10(precision)))}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", MINUS)


def with_unit(number: str, unit: str) -> str:
    """A number with its unit, `2.9 points`; the number alone if the metric has no unit."""
    return f"{number} {unit}" if unit else number


def of_planned(fewest: int, most: int, planned: int) -> str:
    """How many of the planned seeds a statement rests on: `8 of 12 seeds`, `8 to 11 of 12 seeds`."""
    return f"{fewest if fewest == most else f'{fewest} to {most}'} of {counted(planned, 'seed')}"


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 seed`, `3 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
