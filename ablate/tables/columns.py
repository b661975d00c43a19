"""The catalog of columns: names, headings, descriptions, and the choice of columns.

The name of a metric is a column (mean, sd and n). `diff`, `published` and `published_diff` belong to the primary
metric; `METRIC:diff` and so on belong to another metric. `all` means every column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ablate.errors import TableError, nearest, quote
from ablate.study.names import component_of
from ablate.tables.cells import METRIC_TEXTS, PLAIN, SPREADING, Field, mean_and_sd, metric_fields, value_at
from ablate.tables.line_cells import LINE_ABOUT, LINE_HEADINGS, LINE_PATHS, has_lines, line_fields, line_text
from ablate.tables.lines import Pivot
from ablate.tables.table import MEASURED_FIELDS, Table, TableRow
from ablate.tables.verdicts import Family
from ablate.tables.words import CHECK, MISSING, decimals_of, metric_name

MAX_DIGITS = 12
FACTOR = "factor:"
"""Prefix of the name of a column that shows the levels of a factor."""
PARTS = ("diff", "published", "published_diff")
"""Columns of every metric in addition to its mean."""
TESTED = (
    "decision", "p", "p_flip", "p_adj", "simultaneous", "p_better", "mde", "seeds_needed", "rho", "pairing_gain",
    "agreement", "agreement_text",
)  # fmt: skip
"""Columns of the primary metric only, since only that metric is tested."""

WITH_PRINTED = ("params_and_printed", "multiply_adds_and_printed")
"""Columns of counted and printed cost, shown if there is a printed cost; `all` has separate columns for both."""

ABOUT = {
    "label": "label of the row; the baseline is marked",
    "set": "changes of the row to the base of the study",
    "diff": "difference from the baseline, paired by seed, with its 95 % t interval",
    "decision": "better, worse, equivalent or undecided; in brackets the p-value corrected for all rows of the family, "
    "if the decision depends on it",
    "p": "uncorrected p-value of the family's test",
    "p_flip": "uncorrected p-value of the exact sign-flip test",
    "p_adj": "p-value corrected for all rows of the family",
    "simultaneous": "interval of the difference that holds for all rows of the family together",
    "p_better": "share of seeds in which the row is better, with its 95 % Clopper-Pearson interval",
    "mde": "smallest difference that these seeds can detect with 80 % power",
    "seeds_needed": "number of seeds that would detect the printed difference, or the margin, for an undecided row",
    "rho": "correlation with the baseline over at least 3 common seeds; a higher one makes pairing more useful",
    "pairing_gain": "share of variance that pairing by seed saved, in percent; below 0 if it cost",
    "published": "printed number",
    "published_diff": "printed difference from the baseline",
    "agreement": "agreement of the row with its printed difference at this scale",
    "agreement_text": "agreement with direction, number of seeds and reasons",
    "n": "number of seeds that succeeded, out of the planned ones",
    "params": "trainable parameters",
    "params_without_norm": "trainable parameters without normalisation layers",
    "multiply_adds": "multiply-adds for one image",
    "published_params": "printed parameters",
    "published_multiply_adds": "printed multiply-adds",
    "params_and_printed": "trainable parameters without normalisation layers, with the printed number in brackets",
    "multiply_adds_and_printed": "multiply-adds for one image, with the printed number in brackets",
    "train_s": "training time in seconds, median over seeds",
    "worker_h": "training hours on one worker for the seeds still needed, baseline included",
    "peak_memory": "peak memory of tensors during a training step, or of the process of a script, in MiB",
    "inference_ms_1": "inference time in milliseconds for a batch of 1",
    "inference_ms_32": "inference time in milliseconds for a batch of 32",
    "funnel_share": "share of pixels at which the funnel condition wins, mean over sites and seeds",
    **LINE_ABOUT,
}
"""Columns by name, in the order of `all`; the metrics of a study come after `set`."""

HEADINGS = {
    "label": "row", "set": "changes", "diff": "difference (95 % CI)", "decision": "decision (p)", "p": "p",
    "p_flip": "p (sign flip)", "p_adj": "p (corrected)", "simultaneous": "simultaneous interval",
    "p_better": "P(better)", "mde": "detectable", "seeds_needed": "seeds needed", "published": "printed",
    "published_diff": "printed diff.", "agreement": "agreement",
    "agreement_text": "agreement in words", "rho": "correlation", "pairing_gain": "saved by pairing (%)",
    "n": "seeds", "params": "params",
    "params_without_norm": "params w/o norm", "multiply_adds": "mult-adds", "published_params": "printed params",
    "published_multiply_adds": "printed mult-adds", "params_and_printed": "params (printed)",
    "multiply_adds_and_printed": "mult-adds (printed)", "train_s": "training (s)", "worker_h": "hours needed",
    "peak_memory": "peak memory (MiB)", "inference_ms_1": "inference, batch 1 (ms)",
    "inference_ms_32": "inference, batch 32 (ms)", "funnel_share": "funnel share (%)", **LINE_HEADINGS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a rendered table.

    Attributes:
        name: name in the catalog.
        heading: plain text, without the arrow.
        lower_is_better: direction of the column; None without one.
        is_text: whether cells are text, aligned left, and not numbers, aligned right.
        text: cell of a row as plain text.
        fields: the same as plain values.
        is_strong: whether the cell of a row is bold, which it is only if the row is decided to be better.
        more: additional text of a cell, for formats that can fold it away.
        mean: mean and standard deviation of a cell apart, for formats that print them apart; None for other columns.
        source: the row whose numbers the cell of a row shows; None for an empty cell of a pivoted table.
        group: the group whose rows it shows in a pivoted table; its name is in the heading. None shows all rows.
    """

    name: str
    heading: str
    lower_is_better: bool | None
    is_text: bool
    text: Callable[[TableRow], str]
    fields: tuple[Field, ...]
    is_strong: Callable[[TableRow], bool] = lambda row: False
    more: Callable[[TableRow], str] = lambda row: ""
    mean: Callable[[TableRow], tuple[str, str]] | None = None
    source: Callable[[TableRow], TableRow | None] = lambda row: row
    group: str | None = None


def default_columns(
    metric: str, metrics: Sequence[str], families: Sequence[Family], *, has_published: bool, has_printed_cost: bool
) -> list[str]:
    """The default columns of a table."""
    tested = ["decision"] if families else []
    printed = ["published", "published_diff"] if has_published else []
    agreement = ["agreement"] if any(family.agreement for family in families) else []
    cost = list(WITH_PRINTED) if has_printed_cost else []
    return ["label", metric, "diff", *tested, *printed, *agreement, *metrics, *cost]


def list_columns(table: Table, *, measured: bool = True) -> dict[str, str]:
    """Every column of `table`, with a line of description."""
    about = dict(ABOUT)
    names = {name: about.pop(name) for name in ("label", "set")}
    names |= {f"{FACTOR}{name}": f"level of the factor {name}, or a check mark" for name in table.factors}
    metrics = [table.metric, *table.metrics]
    names |= {metric: f"{metric_name(metric)}: mean, sample standard deviation, seeds" for metric in metrics}
    names |= {name: about.pop(name) for name in ABOUT if name in (*PARTS, *TESTED)}
    names |= {f"{metric}:{part}": f"{metric_name(metric)}: {ABOUT[part]}" for metric in table.metrics for part in PARTS}
    about = {name: text for name, text in about.items() if measured or not is_measured(name)}
    return names | {name: text for name, text in about.items() if table.pivot or name not in LINE_PATHS}


def choose_columns(
    table: Table, names: Iterable[str] | None = None, *, digits: int | None = None, measured: bool = True
) -> list[Column]:
    """The columns with these names, the label always first, each once.

    Args:
        table: table whose metrics are available.
        names: None means the table's default; `all` means every column, `factors` one column for each factor. With
            `factors` alone, the table's default columns follow.
        digits: decimals of metrics; None derives them from the spread.
        measured: False refuses columns of measured times and memory, and leaves them out of `all`.

    Raises:
        TableError: a name is unknown, or digits is out of range.
    """
    if digits is not None and not (type(digits) is int and 0 <= digits <= MAX_DIGITS):
        raise TableError(f"digits is {digits}; allowed: whole numbers from 0 to {MAX_DIGITS}")
    known = list_columns(table, measured=measured)
    wanted = list(table.columns) if names is None else names.split(",") if isinstance(names, str) else list(names)
    wanted += table.columns if set(wanted) == {"factors"} else []
    chosen = dict.fromkeys(["label"])
    for name in wanted:
        chosen |= dict.fromkeys(_expanded(name, known, table))
    return [_build_column(name, table, digits) for name in chosen]


def metric_decimals(table: Table, metric: str) -> int:
    """Decimals of a metric's columns, the same for all rows."""
    return decimals_of(row.cells[metric].sd for row in table.rows)


def _expanded(name: str, known: Mapping[str, str], table: Table) -> list[str]:
    if name == "all":
        return [each for each in known if _has_content(each, table)]
    if name == "factors":
        return _factor_columns(known, table)
    return [_known(name, known)]


def _factor_columns(known: Mapping[str, str], table: Table) -> list[str]:
    if not table.factors:
        allowed = ", ".join(["all", *known])
        raise TableError(
            f"'factors' means one column for each factor, but study {quote(table.study)} has no factors; "
            f"add [[factors]] to the study or choose other columns; allowed: {allowed}"
        )
    return [f"{FACTOR}{factor}" for factor in table.factors]


def _known(name: str, known: Mapping[str, str]) -> str:
    if name in known:
        return name
    if is_measured(name):
        raise TableError(f"column {quote(name)} is measured, but the table was requested without measured values")
    raise TableError(f"no column {quote(name)}{nearest(name, [*known, 'all', 'factors'])}")


def _has_content(name: str, table: Table) -> bool:
    """Whether `all` shows the column: tests and printed numbers only if the table has some."""
    metric, _, part = name.rpartition(":")
    if part in (*TESTED, "worker_h"):
        is_there = not part.startswith("agreement") or any(family.agreement for family in table.families)
        return bool(table.families) and is_there
    if part in WITH_PRINTED:
        return False
    if part in LINE_PATHS:
        return table.pivot is not None and has_lines(table.pivot, part)
    if not part.startswith("published"):
        return True
    if part in PARTS:
        return any(row.cells[metric or table.metric].published for row in table.rows)
    return any(getattr(row, part) for row in table.rows)


def is_measured(name: str) -> bool:
    """Whether every run of the same study measures the column again."""
    return name in MEASURED_FIELDS or name == "peak_memory"


def _build_column(name: str, table: Table, digits: int | None) -> Column:
    if name.startswith(FACTOR):
        return _factor_column(name, table)
    if name in LINE_PATHS and table.pivot is not None and name not in table.directions:
        decimals = metric_decimals(table, table.metric) if digits is None else digits
        return _line_column(name, table, table.pivot, decimals)
    metric, _, part = name.partition(":")
    if name in (*PARTS, *TESTED):
        metric, part = table.metric, name
    if metric in table.directions:
        return _metric_column(name, metric, part, table, digits)
    return _plain_column(name, table)


def _metric_column(name: str, metric: str, part: str, table: Table, digits: int | None) -> Column:
    heading = HEADINGS[part] if part else _metric_heading(metric, table)
    if part and metric != table.metric:
        heading = f"{_metric_heading(metric, table)}: {heading}"
    decimals = metric_decimals(table, metric) if digits is None else digits
    text = partial(METRIC_TEXTS[part], metric=metric, decimals=decimals)
    if part in SPREADING:
        text = partial(text, is_asked=digits is not None)
    direction = None if part else table.directions[metric]
    return Column(
        name,
        table.headings.get(name, heading),
        direction,
        is_text=part in ("decision", "agreement", "agreement_text"),
        text=text,
        fields=metric_fields(metric, part),
        is_strong=partial(_is_better, metric=metric) if not part else lambda row: False,
        more=partial(_agreement_in_words, metric=metric) if part == "agreement" else lambda row: "",
        mean=None if part else partial(mean_and_sd, metric=metric, decimals=decimals),
    )


def _metric_heading(metric: str, table: Table) -> str:
    return table.headings.get(metric, metric_name(metric))


def _line_column(name: str, table: Table, pivot: Pivot, decimals: int) -> Column:
    text = partial(line_text, lines={line.label: line for line in pivot.lines}, name=name, decimals=decimals)
    heading, direction = table.headings.get(name, HEADINGS[name]), True if name == "mean_rank" else None
    is_text, fields = name in ("line", "overall"), line_fields(pivot, name)
    return Column(name, heading, direction, is_text=is_text, text=text, fields=fields)


def _is_better(row: TableRow, metric: str) -> bool:
    return row.cells[metric].decision == "better"


def _agreement_in_words(row: TableRow, metric: str) -> str:
    """The text without the word that comes before it."""
    found = row.cells[metric].agreement
    return found.text.removeprefix(found.word).lstrip(",: ") if found else ""


def _factor_column(name: str, table: Table) -> Column:
    """The levels of a factor; in a leave-one-out study, whose rows are `without NAME`, a check mark for `on`."""
    factor = name.removeprefix(FACTOR)
    is_leave_one_out = any(component_of(row.label, row.levels) for row in table.rows)
    marks = {"off": MISSING, "on": CHECK} if is_leave_one_out else {}

    def text(row: TableRow) -> str:
        level = row.levels.get(factor, MISSING)
        return marks.get(level, level)

    field = Field(f"factor_{factor}", lambda row: row.levels.get(factor))
    return Column(name, table.headings.get(name, factor), None, is_text=True, text=text, fields=(field,))


def _plain_column(name: str, table: Table) -> Column:
    text, paths = PLAIN[name]
    fields = tuple(Field(header, partial(value_at, path=path)) for header, path in paths.items())
    heading = table.headings.get(name, HEADINGS[name])
    return Column(name, heading, None, is_text=name in ("label", "set"), text=text, fields=fields)
