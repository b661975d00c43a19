"""The text of the cells of a column, and their plain values in a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ablate.statistics.words import MINUS, format_p
from ablate.tables.table import Difference, TableCell, TableRow
from ablate.tables.verdicts import Bounds, Superiority
from ablate.tables.words import MISSING, count, decision_with_p, fixed, four_digits, number, places_of, places_within


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a CSV file: one plain value per cell, None if unknown; `rounds` if `digits` applies to it."""

    header: str
    value: Callable[[TableRow], object]
    rounds: bool = False


def mean_and_sd(row: TableRow, metric: str, decimals: int) -> tuple[str, str]:
    """The mean and the standard deviation as texts; each is empty if there is none."""
    cell = row.cells[metric]
    places = places_of((cell.mean, cell.sd), decimals)
    mean, sd = ("" if value is None else number(value, places) for value in (cell.mean, cell.sd))
    return mean, sd


def _mean_text(row: TableRow, metric: str, decimals: int) -> str:
    cell = row.cells[metric]
    if cell.mean is None:
        return _end_text(row)
    seeds = str(len(cell.values)) if len(cell.values) == row.n_planned else f"{len(cell.values)}/{row.n_planned}"
    return f"{' ± '.join(filter(None, mean_and_sd(row, metric, decimals)))} ({seeds})"


def _end_text(row: TableRow) -> str:
    """How the seeds ended, in place of a number, once no seed can give one."""
    if row.n_planned > row.n_diverged + row.n_failed:
        return MISSING
    return "failed" if row.n_failed else "diverged"


def difference_text(cell: TableCell, decimals: int, *, is_asked: bool = False) -> str:
    """The difference from the baseline with its interval, in more decimals if it needs them.

    Args:
        cell: cell of the row.
        decimals: decimals of the metric's columns.
        is_asked: whether the reader asked for this many; then there are no more.
    """
    found = cell.diff
    if found is None:
        return MISSING
    places = _places_of_difference(found, cell.mean or 0.0, decimals, is_asked)
    mean = number(found.mean, places, signed=True)
    if found.low is None or found.high is None:
        return mean
    return f"{mean} [{number(found.low, places)}, {number(found.high, places)}]"


def difference_size(cell: TableCell, decimals: int) -> str:
    """The size of the difference from the baseline, in the digits of `difference_text`."""
    if cell.diff is None:
        return MISSING
    return number(abs(cell.diff.mean), _places_of_difference(cell.diff, cell.mean or 0.0, decimals, is_asked=False))


def _places_of_difference(found: Difference, relative_to: float, decimals: int, is_asked: bool) -> int | None:
    if found.low is None or found.high is None:
        return places_of((found.mean,), decimals, relative_to=relative_to)
    return places_within(found.low, found.high, decimals, relative_to=relative_to, is_asked=is_asked)


def _difference_text(row: TableRow, metric: str, decimals: int, *, is_asked: bool) -> str:
    return difference_text(row.cells[metric], decimals, is_asked=is_asked)


def _decision_text(row: TableRow, metric: str, decimals: int) -> str:
    cell = row.cells[metric]
    return decision_with_p(cell.decision, cell.tested.reason if cell.tested else None, cell.p_adj)


def _simultaneous_text(row: TableRow, metric: str, decimals: int, *, is_asked: bool) -> str:
    found, relative_to = value_at(row.cells[metric], "tested.simultaneous"), row.cells[metric].mean or 0.0
    if not isinstance(found, Bounds):
        return MISSING
    places = places_within(found.low, found.high, decimals, relative_to=relative_to, is_asked=is_asked)
    return f"[{number(found.low, places)}, {number(found.high, places)}]"


def _mde_text(row: TableRow, metric: str, decimals: int, *, is_asked: bool) -> str:
    found, relative_to = value_at(row.cells[metric], "tested.mde"), row.cells[metric].mean or 0.0
    if not isinstance(found, float):
        return MISSING
    return number(found, places_within(-found, found, decimals, relative_to=relative_to, is_asked=is_asked))


def _text_of(path: str, words: Callable[[Any], str]) -> Callable[..., str]:
    """A cell's text from one value of the row, or of its cell for a metric; a dash if it is unknown."""

    def text(row: TableRow, metric: str = "", decimals: int = 0) -> str:
        value = value_at(row.cells[metric] if metric else row, path)
        return MISSING if value in (None, "") else words(value)

    return text


def _with_minus(printed: str) -> str:
    return printed.replace("-", MINUS)


def _p_better_text(found: Superiority) -> str:
    return f"{fixed(found.share, 2)} [{fixed(found.low, 2)}, {fixed(found.high, 2)}]"


SPREADING = ("diff", "simultaneous", "mde")
"""Columns with their own decimals unless the reader asks for some: their texts take `is_asked`."""

METRIC_TEXTS: dict[str, Callable[..., str]] = {
    "": _mean_text,
    "diff": _difference_text,
    "published": _text_of("published.text", _with_minus),
    "published_diff": _text_of("published.diff_text", _with_minus),
    "decision": _decision_text,
    "p": _text_of("p", format_p),
    "p_flip": _text_of("p_flip", format_p),
    "p_adj": _text_of("p_adj", format_p),
    "simultaneous": _simultaneous_text,
    "p_better": _text_of("tested.p_better", _p_better_text),
    "mde": _mde_text,
    "seeds_needed": _text_of("tested.seeds_needed", "{:,}".format),
    "rho": _text_of("tested.rho", partial(fixed, decimals=2)),
    "pairing_gain": _text_of("tested.pairing_gain", lambda found: fixed(100 * found, 0)),
    "agreement": _text_of("agreement.word", str),
    "agreement_text": _text_of("agreement.text", str),
}

METRIC_PATHS: dict[str, dict[str, str]] = {
    "published": {"published": "published.value"}, "published_diff": {"published_diff": "published.diff"},
    "decision": {"decision": "decision"}, "p": {"p": "p", "test": "tested.test"}, "p_flip": {"p_flip": "p_flip"},
    "p_adj": {"p_adj": "p_adj"},
    "simultaneous": {"simultaneous_low": "tested.simultaneous.low", "simultaneous_high": "tested.simultaneous.high"},
    "p_better": {"p_better": "tested.p_better.share", "p_better_low": "tested.p_better.low",
                 "p_better_high": "tested.p_better.high"},
    "mde": {"mde": "tested.mde"}, "seeds_needed": {"seeds_needed": "tested.seeds_needed"}, "rho": {"rho": "tested.rho"},
    "pairing_gain": {"pairing_gain": "tested.pairing_gain"}, "agreement": {"agreement": "agreement.word"},
    "agreement_text": {"agreement_text": "agreement.text"},
}  # fmt: skip
"""Column of a metric -> header of each plain value, without the name of the metric -> its path in the cell."""


def metric_fields(metric: str, part: str) -> tuple[Field, ...]:
    """The plain values of one metric: mean, sd and n for part `""`, else those of `diff` or of `METRIC_PATHS`."""

    def of(path: str) -> Callable[[TableRow], object]:
        return lambda row: value_at(row.cells[metric], path)

    if part == "":
        n = Field(f"{metric}_n", lambda row: len(row.cells[metric].values))
        return (Field(f"{metric}_mean", of("mean"), rounds=True), Field(f"{metric}_sd", of("sd"), rounds=True), n)
    if part == "diff":
        ends = {"diff": "diff.mean", "diff_low": "diff.low", "diff_high": "diff.high"}
        fields = [Field(f"{metric}_{header}", of(path), rounds=True) for header, path in ends.items()]
        return (*fields, Field(f"{metric}_diff_n", of("diff.n")))
    return tuple(Field(f"{metric}_{header}", of(path)) for header, path in METRIC_PATHS[part].items())


def value_at(value: object, path: str) -> object:
    """The attribute at the end of a dotted path, None if the path breaks off; a patch becomes one line."""
    for name in path.split("."):
        value = getattr(value, name, None)
    return value if not isinstance(value, dict) else changes(value)


def changes(patch: Mapping[str, Any]) -> str:
    """The changes of a row in one line: `window=1x1, stages=2+3`."""
    return ", ".join(f"{name}={_word(value)}" for name, value in patch.items())


def _word(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "+".join(_word(item) for item in value)
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _label_text(row: TableRow) -> str:
    return f"{row.label} (baseline)" if row.baseline else row.label


def _seeds_text(row: TableRow) -> str:
    ends = {"diverged": row.n_diverged, "failed": row.n_failed}
    holes = ", ".join(f"{number} {word}" for word, number in ends.items() if number)
    return f"{row.n_ok} of {row.n_planned}" + (f" ({holes})" if holes else "")


def _next_to_printed(name: str) -> Callable[[TableRow], str]:
    """A counted number, with the printed number in brackets if there is one."""

    def text(row: TableRow) -> str:
        counted, printed = getattr(row, name), getattr(row, f"published_{name.removesuffix('_without_norm')}")
        ours = MISSING if counted is None else count(counted)
        return f"{ours} ({printed.text})" if printed else ours

    return text


PLAIN: dict[str, tuple[Callable[[TableRow], str], dict[str, str]]] = {
    "label": (_label_text, {"label": "label"}),
    "set": (_text_of("set", str), {"set": "set"}),
    "n": (_seeds_text, {name: name for name in ("n_planned", "n_ok", "n_diverged", "n_failed")}),
    "params": (_text_of("params", count), {"params": "params"}),
    "params_without_norm": (_text_of("params_without_norm", count), {"params_without_norm": "params_without_norm"}),
    "multiply_adds": (_text_of("multiply_adds", count), {"multiply_adds": "multiply_adds"}),
    "published_params": (_text_of("published_params.text", str), {"published_params": "published_params.value"}),
    "published_multiply_adds": (
        _text_of("published_multiply_adds.text", str),
        {"published_multiply_adds": "published_multiply_adds.value"},
    ),
    "params_and_printed": (
        _next_to_printed("params_without_norm"),
        {"params_without_norm": "params_without_norm", "published_params": "published_params.value"},
    ),
    "multiply_adds_and_printed": (
        _next_to_printed("multiply_adds"),
        {"multiply_adds": "multiply_adds", "published_multiply_adds": "published_multiply_adds.value"},
    ),
    "train_s": (_text_of("train_s", partial(fixed, decimals=1)), {"train_s": "train_s"}),
    "worker_h": (_text_of("worker_h", partial(fixed, decimals=2)), {"worker_h": "worker_h"}),
    "peak_memory": (
        _text_of("peak_memory_bytes", lambda value: fixed(value / 2**20, 0)),
        {"peak_memory_bytes": "peak_memory_bytes"},
    ),
    "inference_ms_1": (_text_of("inference_ms_1", four_digits), {"inference_ms_1": "inference_ms_1"}),
    "inference_ms_32": (_text_of("inference_ms_32", four_digits), {"inference_ms_32": "inference_ms_32"}),
    "funnel_share": (
        _text_of("funnel_share.mean", lambda value: fixed(100 * value, 1)),
        {"funnel_share": "funnel_share.mean", "funnel_share_low": "funnel_share.low",
         "funnel_share_high": "funnel_share.high"},
    ),
}  # fmt: skip
