"""A study's page: its table with the seeds of each cell, the state of each cell, its curves and its document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ablate.errors import StudyError
from ablate.remote.documents.studies import StudyView
from ablate.tables.captions import heading_of
from ablate.tables.columns import Column, metric_decimals
from ablate.tables.formats.html import LONG_TEXT
from ablate.tables.formats.render import all_notes, explained
from ablate.tables.pivot import PivotedTable, as_printed, columns_of
from ablate.tables.plots import panel
from ablate.tables.plots.plot import plots_of
from ablate.tables.table import Table, TableRow
from ablate.tables.two_rows import RowComparison
from ablate.tables.words import number, places_of, seeds_text
from ablate.text import visible_json
from service.context import Context
from service.documents.states import LIVE
from service.errors import ConflictError
from service.store import live_cells, studies
from service.store.live_cells import Standing
from service.studies import results
from service.studies.lifecycle import get_study
from service.tracking.run_content import grouped_link
from service.web.drafts import document_text
from service.web.draw import Chart, Interval, Points, draw_curves, draw_intervals

MAX_CELLS = 2000
"""Largest number of cells that the page shows; REST lists larger studies page by page."""
MAX_CURVES = 400
FORMATS = {"md": "Markdown", "tex": "LaTeX", "csv": "CSV", "html": "HTML", "json": "JSON"}
MARKS = {"better": "▲", "worse": "▼", "equivalent": "=", "undecided": "·"}
"""A sign before the word of a decision."""


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table with what its page needs in addition.

    Attributes:
        columns: as the study chose them.
        intervals: by row name.
        decimals: of the primary metric.
    """

    table: Table
    columns: Sequence[Column]
    intervals: dict[str, Interval]
    decimals: int

    @property
    def setting(self) -> str:
        """The settings that all rows share."""
        seeds, over = len(self.table.seeds), seeds_text(len(self.table.seeds), self.table.folds)
        spread = f"mean ± standard deviation over {over}" if seeds > 1 else "one seed"
        text = "; ".join(part for part in (", ".join(self.table.setup), spread) if part)
        return text[:1].upper() + text[1:]

    @property
    def notes(self) -> list[str]:
        """All notes on the table, without its summary."""
        return all_notes(self.table, self.columns)

    @property
    def has_printed(self) -> bool:
        """Whether the table has printed numbers."""
        return self.table.published is not None

    def heading(self, column: Column) -> str:
        """A column's heading with its arrow."""
        return heading_of(column)

    def kind(self, column: Column) -> str:
        """The class of a column's cells."""
        if not column.is_text:
            return "num"
        return "long" if any(len(column.text(row)) > LONG_TEXT for row in self.table.rows) else "text"

    def mark(self, row: TableRow) -> str:
        """The sign before a row's decision."""
        return MARKS.get(row.cells[self.table.metric].decision or "", "")

    def value(self, name: str, seed: int, metric: str | None = None) -> str | None:
        """One seed's value of a row; None if there is none."""
        cell = self.table.row(name).cells[metric or self.table.metric] if name in self._names else None
        value = cell.values.get(seed) if cell else None
        return None if value is None else number(value, places_of((value,), self.decimals + 1))

    @property
    def _names(self) -> set[str]:
        return {row.name for row in self.table.rows}


@dataclass(frozen=True)
class StudyPage:
    """Content of a study's page.

    Attributes:
        schedule_body: body of `POST /schedules` for this study, except the fields of the form.
        shown: None if this version of ablate cannot plan the study; `problem` is the reason.
        cells: (row, seed) -> state of the cell; empty if there are too many.
        has_panel: whether its trials store predictions on test images.
        pair: comparison of two chosen rows; `pair_problem` is the reason where they cannot be compared.
    """

    study: StudyView
    question: str
    document: str
    schedule_body: str
    shown: ShownTable | None
    problem: str
    cells: dict[tuple[str, int], Standing]
    chart: Chart | None
    has_panel: bool
    pair: RowComparison | None
    pair_problem: str

    @property
    def is_live(self) -> bool:
        """Whether more results may follow."""
        return self.study.state in LIVE

    @property
    def rows(self) -> list[str]:
        """Names of the rows that have cells: those of the table, then audit trials and trials that rows start from."""
        found = dict.fromkeys(row for row, _ in self.cells)
        in_table = [row.name for row in self.shown.table.rows if row.name in found] if self.shown else []
        return [*in_table, *(name for name in found if name not in in_table)]

    @property
    def seeds(self) -> list[int]:
        """Seeds, in order."""
        return sorted({seed for _, seed in self.cells})

    @property
    def plots(self) -> list[str]:
        """Plots with content; none until the study has ended, because the table and the curves still change."""
        has_results = self.study.progress.succeeded > 0 and not self.is_live
        return plots_of(self.shown.table) if has_results and self.shown else []

    @property
    def announcement(self) -> str:
        """The state in one sentence, for screen readers."""
        progress = self.study.progress
        done = progress.succeeded + progress.diverged
        return f"{self.study.name} is {self.study.state}: {done} of {progress.trials} cells done"

    @cached_property
    def commands(self) -> dict[str, str]:
        """Commands that reproduce the study, by what they do."""
        scale = f" --scale {self.study.scale}" if self.study.scale else ""
        name = self.study.name
        file = f"{name}.toml"
        return {
            "Train it locally, without this service": f"ablate run {file}{scale}",
            "Submit it to this service": f"ablate submit {file}{scale} --wait",
            "Re-run it every night and detect drift": f'ablate schedule add {name} --cron "0 2 * * *"{scale} {file}',
            "Save the table and plots": f"ablate table {self.study.id} --out {name}",
        }

    @property
    def grouped_runs(self) -> str | None:
        """MLflow's list of this study's runs, grouped by row; None until MLflow has the study."""
        link = self.study.links.mlflow
        return grouped_link(link, self.study.id) if link else None


def read_study_page(context: Context, study_id: str, pair: tuple[str, str] | None = None) -> StudyPage:
    """Everything that a study's page shows.

    Raises:
        NotFoundError: there is no study with that id.
    """
    study = get_study(context, study_id)
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        few = study.progress.trials <= MAX_CELLS
        standings = live_cells.list_standings(connection, stored.seq) if few else []
        curves = live_cells.list_curves(connection, stored.seq, MAX_CURVES) if few else []
    shown, problem = _shown(context, study_id)
    compared, pair_problem = _compared(context, study_id, pair)
    return StudyPage(
        study=study,
        question=str(stored.document.get("question", "")),
        document=document_text(stored),
        schedule_body=visible_json(json.dumps({"study": stored.document, "scale": stored.scale})),
        shown=shown,
        problem=problem,
        cells={(one.row, one.seed): one for one in standings},
        chart=_chart(shown.table, curves) if shown else None,
        has_panel=stored.document.get("base", {}).get("task") in panel.TASKS and study.progress.succeeded > 0,
        pair=compared,
        pair_problem=pair_problem,
    )


def _chart(table: Table, curves: Sequence[tuple[str, int, Points]]) -> Chart | None:
    """Curves of the table's rows only: trials that they start from learn another task, with another loss."""
    names = [row.name for row in sorted(table.rows, key=lambda row: not row.baseline)]
    return draw_curves(names, [one for one in curves if one[0] in names], table.metric)


def _shown(context: Context, study_id: str) -> tuple[ShownTable | None, str]:
    try:
        table = results.get_table(context, study_id)
        with context.faults.answering(results.work_of_answer("table", study_id)):
            return show(as_printed(table)), ""
    except ConflictError as error:
        return None, str(error)


def show(table: Table) -> ShownTable:
    """A table as pages show it."""
    intervals = {} if isinstance(table, PivotedTable) else draw_intervals(table)
    columns = columns_of(table)[1:]
    return ShownTable(explained(table, columns), columns, intervals, metric_decimals(table, table.metric))


def _compared(context: Context, study_id: str, pair: tuple[str, str] | None) -> tuple[RowComparison | None, str]:
    if pair is None:
        return None, ""
    try:
        return results.compare(context, study_id, *pair), ""
    except (StudyError, ConflictError) as error:
        return None, str(error)


def read_document(context: Context, study_id: str) -> str:
    """A study's document as TOML.

    Raises:
        NotFoundError: there is no study with that id.
    """
    with context.store.read() as connection:
        return document_text(studies.get_study(connection, study_id))
