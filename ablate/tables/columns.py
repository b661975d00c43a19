"""The catalog of columns: their names, their headings, what each is about, and the choice among them.

A metric's own name is a column (mean, sd and n). `diff`, `published` and `published_diff` are those of the primary
metric; `METRIC:diff` and so on are those of another one. `all` stands for every column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ablate.errors import TableError, nearest, quote
from ablate.tables.cells import METRIC_TEXTS, PLAIN, SPREADING, Field, follow, metric_fields
from ablate.tables.table import MEASURED_FIELDS, Table, TableRow
from ablate.tables.verdicts import Family
from ablate.tables.words import CHECK, MISSING, decimals_of, metric_name

MAX_DIGITS = 12
FACTOR = "factor:"
"""In front of the name of a column that shows the levels of a factor."""
PARTS = ("diff", "published", "published_diff")
"""What a metric's cell holds beside its mean."""
TESTED = (
    "decision", "p", "p_flip", "p_adj", "simultaneous", "p_better", "mde", "seeds_needed", "rho", "pairing_gain",
    "agreement", "agreement_text",
)  # fmt: skip
"""What only the primary metric has: it alone is tested."""

BESIDE_PRINTED = ("params_and_printed", "multiply_adds_and_printed")
"""Columns of counted and printed cost, shown where there is a printed one; `all` has their parts one by one."""

ABOUT = {
    "label": "the row's label; the baseline is marked",
    "set": "what the row changes in the study's base",
    "diff": "difference from the baseline, paired by seed, with its 95 % t interval",
    "decision": "better, worse, equivalent or undecided; in brackets p corrected for all rows of the family, where the "
    "decision rests on it",
    "p": "p of the test that the rows of the family take, uncorrected",
    "p_flip": "p of the exact sign-flip test, uncorrected",
    "p_adj": "p corrected for all rows of the family",
    "simultaneous": "interval of the difference that holds for all rows of the family together",
    "p_better": "share of seeds in which the row is better, with its 95 % Clopper-Pearson interval",
    "mde": "smallest difference that these seeds would have decided with 80 % power",
    "seeds_needed": "of an undecided row: seeds that would decide a difference of the printed size, or of the margin",
    "rho": "correlation with the baseline over seeds, from 3 common seeds on; the higher, the more pairing helps",
    "pairing_gain": "share of variance that pairing by seed saved, in percent; below 0 where it cost",
    "published": "the printed number",
    "published_diff": "printed number minus the printed number of the baseline row",
    "agreement": "whether the row agrees with its printed difference, at this scale",
    "agreement_text": "the same with what is to be read with it: direction, seeds, why it is no claim",
    "n": "seeds that succeeded, of those planned",
    "params": "trainable parameters",
    "params_without_norm": "parameters without those of normalisation",
    "multiply_adds": "multiply-adds for one image",
    "published_params": "printed parameters",
    "published_multiply_adds": "printed multiply-adds",
    "params_and_printed": "parameters without those of normalisation, in brackets the printed ones",
    "multiply_adds_and_printed": "multiply-adds for one image, in brackets the printed ones",
    "train_s": "seconds of training, median over seeds",
    "worker_h": "hours of training of one worker that the seeds still needed take, with those of the baseline",
    "peak_memory": "most memory that tensors held during a training step, in MiB",
    "inference_ms_1": "milliseconds for a batch of 1",
    "inference_ms_32": "milliseconds for a batch of 32",
    "funnel_share": "share of pixels at which the funnel condition wins, mean over sites and seeds",
}
"""Columns by name, in the order of `all`; a study's metrics come behind `set`."""

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
    "inference_ms_32": "inference, batch 32 (ms)", "funnel_share": "funnel share (%)",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a rendered table.

    Attributes:
        name: in the catalog.
        heading: plain text, without the arrow.
        lower_is_better: None where the column has no direction.
        is_text: text is set to the left, numbers to the right.
        text: a row's cell, plain text.
        fields: the same as plain values.
        is_strong: whether a row's cell stands out: only where it is decided that the row is better.
        more: what a format that can fold text away has behind a row's cell.
    """

    name: str
    heading: str
    lower_is_better: bool | None
    is_text: bool
    text: Callable[[TableRow], str]
    fields: tuple[Field, ...]
    is_strong: Callable[[TableRow], bool] = lambda row: False
    more: Callable[[TableRow], str] = lambda row: ""


def default_columns(
    metric: str, metrics: Sequence[str], families: Sequence[Family], *, has_published: bool, has_printed_cost: bool
) -> list[str]:
    """The few columns that a table shows unless others are asked for."""
    tested = ["decision"] if families else []
    printed = ["published", "published_diff"] if has_published else []
    agreement = ["agreement"] if any(family.agreement for family in families) else []
    cost = list(BESIDE_PRINTED) if has_printed_cost else []
    return ["label", metric, "diff", *tested, *printed, *agreement, *metrics, *cost]


def list_columns(table: Table, *, measured: bool = True) -> dict[str, str]:
    """Every column that `table` offers, with a line about it."""
    about = dict(ABOUT)
    names = {name: about.pop(name) for name in ("label", "set")}
    names |= {f"{FACTOR}{name}": f"level of the factor {name}, or a check mark" for name in table.factors}
    metrics = [table.metric, *table.metrics]
    names |= {metric: f"{metric_name(metric)}: mean, sample standard deviation, seeds" for metric in metrics}
    names |= {name: about.pop(name) for name in ABOUT if name in (*PARTS, *TESTED)}
    names |= {f"{metric}:{part}": f"{metric_name(metric)}: {ABOUT[part]}" for metric in table.metrics for part in PARTS}
    return names | {name: text for name, text in about.items() if measured or not is_measured(name)}


def choose_columns(
    table: Table, names: Iterable[str] | None = None, *, digits: int | None = None, measured: bool = True
) -> list[Column]:
    """The columns of that name, the label always first, each once.

    Args:
        table: decides which metrics there are.
        names: None takes the table's own choice; `all` stands for every column, `factors` for one of each factor.
        digits: decimals of metrics; None follows their spread.
        measured: False refuses columns of measured times and memory, and leaves them out of `all`.

    Raises:
        TableError: a name is unknown, or digits is out of range.
    """
    if digits is not None and not 0 <= digits <= MAX_DIGITS:
        raise TableError(f"digits is {digits}; allowed: 0 to {MAX_DIGITS}")
    known = list_columns(table, measured=measured)
    wanted = list(table.columns if names is None else names)
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
            f"'factors' stands for a column of each factor, and study {quote(table.study)} has no factors; "
            f"give it [[factors]], or ask for other columns; allowed: {allowed}"
        )
    return [f"{FACTOR}{factor}" for factor in table.factors]


def _known(name: str, known: Mapping[str, str]) -> str:
    if name in known:
        return name
    if is_measured(name):
        raise TableError(f"column {quote(name)} is measured, and the table is asked for without measured values")
    raise TableError(f"no column {quote(name)}{nearest(name, [*known, 'all', 'factors'])}")


def _has_content(name: str, table: Table) -> bool:
    """Whether `all` shows the column: tests only once there are some, printed numbers where there are some."""
    metric, _, part = name.rpartition(":")
    if part in (*TESTED, "worker_h"):
        is_there = not part.startswith("agreement") or any(family.agreement for family in table.families)
        return bool(table.families) and is_there
    if part in BESIDE_PRINTED:
        return False
    if not part.startswith("published"):
        return True
    if part in PARTS:
        return any(row.cells[metric or table.metric].published for row in table.rows)
    return any(getattr(row, part) for row in table.rows)


def is_measured(name: str) -> bool:
    """Whether another run of the same study would measure the column anew."""
    return name in MEASURED_FIELDS or name == "peak_memory"


def _build_column(name: str, table: Table, digits: int | None) -> Column:
    if name.startswith(FACTOR):
        return _factor_column(name, table)
    metric, _, part = name.partition(":")
    if name in (*PARTS, *TESTED):
        metric, part = table.metric, name
    if metric in table.directions:
        return _metric_column(name, metric, part, table, digits)
    return _plain_column(name)


def _metric_column(name: str, metric: str, part: str, table: Table, digits: int | None) -> Column:
    heading = HEADINGS[part] if part else metric_name(metric)
    if part and metric != table.metric:
        heading = f"{metric_name(metric)}: {heading}"
    decimals = metric_decimals(table, metric) if digits is None else digits
    text = partial(METRIC_TEXTS[part], metric=metric, decimals=decimals)
    if part in SPREADING:
        text = partial(text, is_asked=digits is not None)
    direction = None if part else table.directions[metric]
    return Column(
        name,
        heading,
        direction,
        is_text=part in ("decision", "agreement", "agreement_text"),
        text=text,
        fields=metric_fields(metric, part),
        is_strong=partial(_is_better, metric=metric) if not part else lambda row: False,
        more=partial(_agreement_in_words, metric=metric) if part == "agreement" else lambda row: "",
    )


def _is_better(row: TableRow, metric: str) -> bool:
    return row.cells[metric].decision == "better"


def _agreement_in_words(row: TableRow, metric: str) -> str:
    """The text without the word, which stands in front of it."""
    found = row.cells[metric].agreement
    return found.text.removeprefix(found.word).lstrip(",: ") if found else ""


def _factor_column(name: str, table: Table) -> Column:
    """A factor's levels; in a leave-one-out study, whose rows are `- NAME`, check marks, which what is off has not."""
    factor = name.removeprefix(FACTOR)
    is_leave_one_out = any(row.levels and row.label.startswith("- ") for row in table.rows)
    marks = {"off": MISSING, "on": CHECK} if is_leave_one_out else {}

    def text(row: TableRow) -> str:
        level = row.levels.get(factor, MISSING)
        return marks.get(level, level)

    field = Field(f"factor_{factor}", lambda row: row.levels.get(factor))
    return Column(name, factor, None, is_text=True, text=text, fields=(field,))


def _plain_column(name: str) -> Column:
    text, paths = PLAIN[name]
    fields = tuple(Field(header, partial(follow, path=path)) for header, path in paths.items())
    return Column(name, HEADINGS[name], None, is_text=name in ("label", "set"), text=text, fields=fields)
