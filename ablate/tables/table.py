"""The result table as a document: the findings of a study, with every number unrounded.

Every format and plot is made from it, so all have the same numbers. `to_json` gives the content of `table.json`, and
`Table.from_json` reads it back. This module knows neither plans nor trials.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ablate.documents import Document
from ablate.study.imported import ImportedFrom
from ablate.study.names import find_name
from ablate.tables.lines import Pivot
from ablate.tables.verdicts import Effects, Family, Front, RowAgreement, Tested, Tries

MEASURED_FIELDS = (
    "train_s", "worker_h", "peak_memory_bytes", "inference_ms_1", "inference_ms_32", "inference_rounds",
    "inference_folded", "measured_on",
)  # fmt: skip
"""Fields of a row that every run of the same study measures again; `?measured=false` leaves them out."""


class Difference(Document):
    """Row minus baseline over their `n` common seeds, with its 95 % t interval (null below n = 2)."""

    mean: float
    low: float | None
    high: float | None
    n: int


class PrintedCell(Document):
    """A printed number for comparison with ours.

    Attributes:
        value: printed number.
        diff: difference from the printed number of our baseline row, in the printed digits; null for the baseline.
        source: keys of the sources, such as `IMG_LJ, README`; the table explains them.
        text: number as printed.
        diff_text: difference in the printed digits, signed.
    """

    value: float
    diff: float | None
    source: str
    text: str
    diff_text: str | None


class PrintedCount(Document):
    """A printed number of parameters or multiply-adds: its text (`25.5M`) and its value."""

    text: str
    value: float


class TableCell(Document):
    """One metric of one row.

    Attributes:
        mean: mean over the seeds that succeeded; null if none did.
        sd: sample standard deviation over seeds; null below n = 2.
        values: values by seed.
        diff: difference from the baseline; null for the baseline and without a common seed.
        p: uncorrected p-value of the family's test; only the primary metric is tested, and only when no planned seed is
            outstanding.
        p_flip: uncorrected p-value of the sign-flip test.
        p_adj: p-value of the family's test corrected for all its rows.
        decision: `baseline`, `better`, `worse`, `equivalent` or `undecided`; null without a test.
        tested: details of the decision.
        tries: the answer that decides a row that was tried before; p and p_adj are then those of its e-process.
        published: printed number, if the study joins a published table.
        agreement: agreement with the printed difference.
    """

    mean: float | None
    sd: float | None
    values: dict[int, float]
    diff: Difference | None
    p: float | None = None
    p_flip: float | None = None
    p_adj: float | None = None
    decision: str | None = None
    tested: Tested | None = None
    tries: Tries | None = None
    published: PrintedCell | None = None
    agreement: RowAgreement | None = None


class FunnelShare(Document):
    """Share of pixels at which the funnel condition wins: mean over sites and seeds, extremes, and values by site."""

    mean: float
    low: float
    high: float
    sites: dict[str, float]


class TableRow(Document):
    """One row; see `ablate.study.plan.Row` for the first four fields and `ablate.trials.trial.Cost` for the counts.

    Attributes:
        row: `GROUP / LABEL`, what the row is called where several groups have its label; absent where the label is
            unique in the study. Families, fronts and cells of a study name rows so.
        n_planned, n_ok, n_diverged, n_failed: numbers of seeds; the rest has no result yet.
        cells: cells by metric, the primary metric first.
        train_s: median training time over the seeds that succeeded, in seconds.
        worker_h: training hours of the additional seeds in `Tested.seeds_needed`, including those of the baseline.
        peak_memory_bytes, inference_ms_1, inference_ms_32: see `ablate.trials.trial.Measured`, whose `rounds`,
            `is_folded` and `device` are `inference_rounds`, `inference_folded` and `measured_on`.
        funnel_share: share of pixels at which the funnel condition wins; null if the network has no funnel site.
        trials: trial keys, in the order of the seeds.
        line: label of its line in the pivoted table; null without a pivot.
        notes: what happened to missing results of this row, such as `failed on seed 2: CUDA out of memory`.
    """

    label: str
    row: str | None = Field(None, exclude_if=lambda name: name is None)
    group: str | None
    baseline: bool
    set: dict[str, Any]
    levels: dict[str, str] = Field(default_factory=dict)
    n_planned: int
    n_ok: int
    n_diverged: int
    n_failed: int
    cells: dict[str, TableCell]
    params: int | None = None
    params_without_norm: int | None = None
    multiply_adds: int | None = None
    published_params: PrintedCount | None = None
    published_multiply_adds: PrintedCount | None = None
    train_s: float | None = None
    worker_h: float | None = None
    peak_memory_bytes: int | None = None
    inference_ms_1: float | None = None
    inference_ms_32: float | None = None
    inference_rounds: int | None = None
    inference_folded: bool | None = None
    measured_on: str | None = None
    funnel_share: FunnelShare | None = None
    trials: list[str] = Field(default_factory=list)
    line: str | None = None
    notes: list[str] = Field(default_factory=list)

    @property
    def name(self) -> str:
        """What the row is called in its study, unique there; see `ablate.study.names`."""
        return self.row or self.label


class PublishedColumn(Document):
    """The source of the printed numbers: the table, the paper, and the meaning of each source key."""

    id: str
    title: str
    paper: str
    dataset: str
    sources: dict[str, str]


class Table(Document):
    """A study's results.

    Attributes:
        study: name of the study.
        title, question: title and question in the words of the study.
        scale: name of the scale; None for the base of the study.
        seeds: planned seeds.
        folds: number of folds of each seed, see `ablate.study.seeds`; absent without folds.
        setup: data, network and length of training that all rows share, in words.
        metric: primary metric.
        metrics: further metrics.
        lower_is_better: direction of the primary metric.
        directions: direction of every metric in the table.
        provisional: whether trials are outstanding.
        alpha, margin, test: tests that the study fixed; see `ablate.study.document.TableSpec`.
        commits: recorded commits of the training code; left out with the measured values.
        exploratory: whether results were known when seeds, rows, metric or tests were fixed or changed, or a row was
            tried before.
        imported: where the values come from, if ablate did not train them.
        factors: name -> labels of its levels; empty for manual rows.
        effects: effects in a grid; null if the study is not a grid and while seeds are outstanding.
        fronts: Pareto-optimal rows, by cost.
        families: rows that are tested together; empty while planned seeds are outstanding.
        pivot: the groups side by side; null if the study has no `pivot`.
        columns: default columns of the table with its groups below each other.
        headings: headings of columns that the reader renamed, by name of the column.
        rows: rows in the order of the plan, unless the reader chose others.
        published: source of the printed numbers; null without any.
        summary: at most five sentences that everybody should read: the result, that over the groups of a pivot, how it
            was decided, what is missing, what limits it; the same when the study is run again.
        notes: further sentences on the table; the same when the study is run again.
        provenance: sentences on when and where trials ran; left out with the measured values.
    """

    study: str
    title: str = ""
    question: str = ""
    scale: str | None
    seeds: list[int]
    folds: int | None = Field(None, exclude_if=lambda folds: folds is None)
    setup: list[str] = Field(default_factory=list)
    metric: str
    metrics: list[str]
    lower_is_better: bool
    directions: dict[str, bool]
    provisional: bool
    alpha: float = 0.05
    margin: float | None = None
    test: str = "auto"
    commits: list[str] = Field(default_factory=list)
    exploratory: bool = False
    imported: ImportedFrom | None = Field(None, exclude_if=lambda spec: spec is None)
    factors: dict[str, list[str]] = Field(default_factory=dict)
    effects: Effects | None = None
    fronts: list[Front] = Field(default_factory=list)
    families: list[Family] = Field(default_factory=list)
    pivot: Pivot | None = None
    columns: list[str]
    headings: dict[str, str] = Field(default_factory=dict)
    rows: list[TableRow]
    published: PublishedColumn | None = None
    summary: list[str] = Field(default_factory=list)
    notes: list[str]
    provenance: list[str] = Field(default_factory=list)

    def to_json(self, *, measured: bool = True) -> dict[str, Any]:
        """The table as JSON values (`table.json`).

        Args:
            measured: whether to include measured times and memory and the provenance notes; without them, two runs of
                the same study give the same bytes.
        """
        if measured:
            return self.model_dump(mode="json")
        row = dict.fromkeys(MEASURED_FIELDS, True)
        document = self.model_dump(mode="json", exclude={"provenance": True, "commits": True, "rows": {"__all__": row}})
        return document | {"fronts": [front for front in document["fronts"] if front["cost"] not in MEASURED_FIELDS]}

    @classmethod
    def from_json(cls, document: object) -> Table:
        """The table that `to_json` wrote, with or without the measured values."""
        return cls.model_validate(document)

    def row(self, name: str) -> TableRow:
        """The row with this label, or `GROUP / LABEL` where several groups have it; KeyError if there is none."""
        rows = {row.name: row for row in self.rows}
        found = rows.get(name) or rows.get(find_name(name, self.rows) or "")
        if found is None:
            raise KeyError(f"no row {name!r}; the table has {', '.join(map(repr, rows))}")
        return found

    def grouped(self) -> list[tuple[str | None, list[TableRow]]]:
        """The printed rows by group, in the order of the groups' first rows."""
        groups: dict[str | None, list[TableRow]] = {}
        for row in self.rows:
            groups.setdefault(row.group, []).append(row)
        return list(groups.items())

    @property
    def printed_rows(self) -> list[TableRow]:
        """The rows in the order in which they are printed; in a pivoted table, a row for each line."""
        return [row for _, rows in self.grouped() for row in rows]
