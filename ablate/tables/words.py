"""Numbers and names as a reader sees them: decimals, signs, units, metric headings. All formats use this module.

Its texts use the minus sign U+2212, the dash U+2013 for an empty cell and the arrows U+2193 and U+2191. A format that
cannot print one of them replaces it.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ablate.statistics.words import MINUS, counted, format_p

MISSING, CHECK = "\u2013", "\u2713"
MAX_NAMES = 6
ARROWS = {True: "\u2193", False: "\u2191"}
"""Lower is better -> arrow."""

METRIC_NAMES = {
    "top1_error_pct": "top-1 error (%)",
    "map_pct": "mAP (%)",
    "ap50_pct": "AP50 (%)",
    "ap75_pct": "AP75 (%)",
    "aps_pct": "APs (%)",
    "apm_pct": "APm (%)",
    "apl_pct": "APl (%)",
    "mean_iu_pct": "mean IU (%)",
    "train_loss": "training loss",
}
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
LARGE, SMALL = 1e7, 1e-4
"""Numbers from `LARGE` on have an exponent, and so do numbers below `SMALL` whose decimals would all be zero."""
ROUNDING = 1e-9
"""Share of a number below which the difference of two such numbers is a rounding error."""
SCIENTIFIC = re.compile(r"(\d\.\d{3})e([+-]\d+)")
"""A number with an exponent as `number` writes it: digits and exponent."""


def metric_name(metric: str) -> str:
    """The name of a metric in headings; its raw name if it has no other."""
    if metric.startswith("iu_") and metric.endswith("_pct"):
        return f"IU {metric[3:-4].replace('_', ' ')} (%)"
    return METRIC_NAMES.get(metric, metric)


def seeds_text(n: int, folds: int | None) -> str:
    """The number of seeds in words, such as `3 seeds`; with folds, n counts all folds: `5 folds of 1 seed`."""
    return f"{folds} folds of {counted(n // folds, 'seed')}" if folds else counted(n, "seed")


def metric_unit(metric: str) -> str:
    """The unit of a metric's differences in sentences: `points` for percentages, else empty."""
    return "points" if metric.endswith("_pct") else ""


def drawn_metric(metric: str, curves: Iterable[Iterable[Mapping[str, float]]]) -> str:
    """The metric if trials report it during training, else the one that most of them report."""
    counts = Counter(name for points in curves for name in {name for point in points for name in point})
    return metric if metric in counts or not counts else min(counts, key=lambda name: (-counts[name], name))


def decimals_of(sds: Iterable[float | None]) -> int:
    """Decimals that show two digits of the typical (median) spread: at least 1, at most 4; 2 without any spread."""
    positive = [sd for sd in sds if sd]
    if not positive:
        return 2
    return min(4, max(1, 1 - math.floor(math.log10(statistics.median_low(positive)))))


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with this many decimals, without a minus before a zero; a plus only if `signed`."""
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0 or (value > 0 and not signed):
        return text
    return (MINUS if value < 0 else "+") + text


def places_of(values: Iterable[float | None], decimals: int, *, relative_to: float = 0.0) -> int | None:
    """Decimals of the numbers in one cell; None if an exponent suits them better.

    Args:
        values: numbers of the cell.
        decimals: decimals of the column.
        relative_to: number of which they are differences; next to a number of ordinary size, a tiny difference is zero.
    """
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    shown = float(f"{largest:.{decimals}f}")
    is_tiny = shown == 0 < largest and max(largest, abs(relative_to)) < SMALL
    return None if shown >= LARGE or is_tiny else decimals


def places_within(low: float, high: float, decimals: int, *, relative_to: float, is_asked: bool = False) -> int | None:
    """Decimals of an interval and the numbers in it, as `places_of`: its ends must differ and must not read as 0.

    These are usually the decimals of the column. An interval that would shrink to a point gets two digits of its half
    width (or of the difference, if all differences are equal), and one more digit if an end would still read as zero.

    Args:
        low, high: ends of the interval.
        decimals: decimals of the column.
        relative_to: number of which they are differences; its rounding error counts as zero.
        is_asked: whether the reader asked for these decimals; then they stay.
    """
    places, error = places_of((low, high), decimals, relative_to=relative_to), ROUNDING * abs(relative_to)
    size = next((size for size in ((high - low) / 2, abs(high + low) / 2) if size > error), None)
    if places is None or size is None or is_asked:
        return places

    def shows(places: int) -> bool:
        return size >= 10**-places and all(float(f"{end:.{places}f}") for end in (low, high) if abs(end) > error)

    two_digits = max(decimals, 1 - math.floor(math.log10(size)))
    return next((each for each in (decimals, two_digits, two_digits + 1) if shows(each)), two_digits)


def number(value: float, places: int | None, *, signed: bool = False) -> str:
    """A number with this many decimals; with None in four digits with an exponent, `1.234e+09`."""
    if places is not None or value == 0:
        return fixed(value, places or 0, signed=signed)
    sign = MINUS if value < 0 else "+" if signed else ""
    return f"{sign}{abs(value):.3e}"


def count(value: float) -> str:
    """A count in four digits with a unit, as in papers: 25.52M, 3.858G."""
    for size, unit in UNITS:
        if value >= 0.99995 * size:
            return f"{four_digits(value / size)}{unit}"
    return str(round(value))


def four_digits(value: float) -> str:
    """A positive number in four digits, without an exponent."""
    decimals = 3 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:.{min(3, max(0, decimals))}f}"


def named(labels: Iterable[str]) -> str:
    """Labels in quotes; only the first few of a long list."""
    return listed([f"'{label}'" for label in labels])


def decision_with_p(decision: str | None, reason: str | None, p_adj: float | None) -> str:
    """The decision, with p if it depends on p: `equivalent` depends on an interval, and failed runs overrule p."""
    if decision is None or decision == "baseline":
        return MISSING
    if reason == "failures":
        return "undecided (failures)"
    return decision if decision == "equivalent" or p_adj is None else f"{decision} ({format_p(p_adj)})"


def listed(words: Sequence[str]) -> str:
    """Words separated by commas; only the first few of a long list."""
    rest = len(words) - MAX_NAMES
    return ", ".join(words) if rest <= 0 else f"{', '.join(words[:MAX_NAMES])} and {rest} more"


def duration_text(seconds: float) -> str:
    """Seconds in words: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
