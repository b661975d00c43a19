"""The result table as a document: what a study found, with every number unrounded.

Every format and plot is made from it, so all carry the same numbers; `to_json` is the form of `table.json`, and
`Table.from_json` reads it back. It knows neither plans nor trials.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ablate.documents import Document
from ablate.tables.verdicts import Effects, Family, Front, RowAgreement, Tested

MEASURED_FIELDS = (
    "train_s", "worker_h", "peak_memory_bytes", "inference_ms_1", "inference_ms_32", "inference_rounds",
    "inference_folded", "measured_on",
)  # fmt: skip
"""Fields of a row that another run of the same study would measure anew; `?measured=false` leaves them out."""


class Difference(Document):
    """Row minus baseline over the `n` seeds that both have, with its 95 % t interval (null below n = 2)."""

    mean: float
    low: float | None
    high: float | None
    n: int


class PrintedCell(Document):
    """A printed number beside ours.

    Attributes:
        value: the printed number.
        diff: minus the printed number of our baseline row, in the printed digits; null for the baseline.
        source: keys of the sources, such as `IMG_LJ, README`; the table says what they are.
        text: as printed.
        diff_text: the difference in the printed digits, signed.
    """

    value: float
    diff: float | None
    source: str
    text: str
    diff_text: str | None


class PrintedCount(Document):
    """A printed number of parameters or multiply-adds: as printed (`25.5M`) and its value."""

    text: str
    value: float


class TableCell(Document):
    """One metric of one row.

    Attributes:
        mean: over the seeds that succeeded; null where none did.
        sd: sample standard deviation over seeds; null below n = 2.
        values: by seed.
        diff: null for the baseline and where no seed is common with it.
        p: of the test that the family takes, `p_flip` of the sign flip, `p_adj` of the family's test corrected for all
            its rows; only the primary metric is tested, and only once no planned seed is outstanding.
        decision: `baseline`; `better`, `worse`, `equivalent` or `undecided`; null where nothing is tested.
        tested: what goes with the decision.
        published: the printed number, where the study joins a published table.
        agreement: with the printed difference.
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
    published: PrintedCell | None = None
    agreement: RowAgreement | None = None


class FunnelShare(Document):
    """Share of pixels at which the funnel condition wins: mean over sites and seeds, extremes and values by site."""

    mean: float
    low: float
    high: float
    sites: dict[str, float]


class TableRow(Document):
    """One row; see `ablate.study.plan.Row` for the first four fields and `ablate.trials.trial.Cost` for the counts.

    Attributes:
        n_planned, n_ok, n_diverged, n_failed: seeds; the rest has no result yet.
        cells: by metric, the primary one first.
        train_s: median over the seeds that succeeded.
        worker_h: hours of training that the further seeds of `Tested.seeds_needed` take, with those of the baseline.
        peak_memory_bytes, inference_ms_1, inference_ms_32: see `ablate.trials.trial.Measured`, whose `rounds`,
            `is_folded` and `device` are `inference_rounds`, `inference_folded` and `measured_on`.
        funnel_share: null where the network has no funnel site.
        trials: keys, in the order of the seeds.
        notes: what this row lacks, and why.
    """

    label: str
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
    notes: list[str] = Field(default_factory=list)


class PublishedColumn(Document):
    """Where the printed numbers come from: the table, the paper, and what each source key means."""

    id: str
    title: str
    paper: str
    dataset: str
    sources: dict[str, str]


class Table(Document):
    """A study's results.

    Attributes:
        study: its name; `title` and `question` in its own words.
        scale: None for the study's base as it stands.
        seeds: planned.
        setup: what all rows share, in words: data, network, length of training.
        metric: the primary one; `metrics` the further ones.
        lower_is_better: of the primary metric; `directions` of every metric in the table.
        provisional: whether trials are still to come.
        alpha, margin, test: what the study fixed about its tests; see `ablate.study.document.TableSpec`.
        commits: of the code that trained the trials, as far as it is recorded; left out with the measured values.
        exploratory: whether results were known when seeds, rows, metric or tests were fixed or changed.
        factors: name -> labels of its levels; empty where rows are written by hand.
        effects: what matters in a grid; null where the study is none, and as long as seeds are outstanding.
        fronts: rows that are worth their cost, by cost.
        families: rows that are tested together; none as long as planned seeds are outstanding.
        columns: the columns shown unless others are asked for.
        rows: in the order of the plan.
        notes: sentences to be read with the table; the same when the study is run again.
        provenance: sentences about when and where trials ran; left out with the measured values.
    """

    study: str
    title: str = ""
    question: str = ""
    scale: str | None
    seeds: list[int]
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
    factors: dict[str, list[str]] = Field(default_factory=dict)
    effects: Effects | None = None
    fronts: list[Front] = Field(default_factory=list)
    families: list[Family] = Field(default_factory=list)
    columns: list[str]
    rows: list[TableRow]
    published: PublishedColumn | None = None
    notes: list[str]
    provenance: list[str] = Field(default_factory=list)

    def to_json(self, *, measured: bool = True) -> dict[str, Any]:
        """The table as JSON values (`table.json`).

        Args:
            measured: False leaves out measured times and memory and the provenance notes, so that two runs of the
                same study give the same bytes.
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

    def row(self, label: str) -> TableRow:
        """The row of that label; KeyError where there is none."""
        return {row.label: row for row in self.rows}[label]

    def grouped(self) -> list[tuple[str | None, list[TableRow]]]:
        """The rows by group, groups in the order in which they first appear."""
        groups: dict[str | None, list[TableRow]] = {}
        for row in self.rows:
            groups.setdefault(row.group, []).append(row)
        return list(groups.items())
