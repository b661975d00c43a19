"""The paper's page: each table with printed and measured numbers, and the tables that are missing at a scale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.errors import Problem, StudyError, nearest, quote
from ablate.paper.published import PublishedTable, load_published
from ablate.remote.documents.studies import StudyView
from ablate.study.paper_tables import PaperTable, list_tables
from ablate.tables.columns import Column, choose_columns
from ablate.tables.gains import TASKS
from ablate.tables.table import Table
from service.context import Context
from service.documents.states import LIVE
from service.errors import ConflictError
from service.store import studies
from service.store.studies import Wanted
from service.studies import results
from service.studies.lifecycle import get_study

DEFAULT_SCALE = "mini"
COSTS = ("params", "multiply_adds")
RECENT = 50
"""Number of studies with a table's name that are searched for the newest one at a scale."""


@dataclass(frozen=True, slots=True)
class UntrainedRow:
    """A row of a table that was not trained here: its label and its printed numbers by metric."""

    label: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class PaperEntry:
    """A table of the paper.

    Attributes:
        source: the study file, None if there is none.
        has_scale: whether that file has the scale.
        study: the newest study at the scale that was not cancelled, None if there is none.
        table: its result, with `columns` to show.
        printed: the rows to show where there is no table.
    """

    published: PublishedTable
    source: PaperTable | None
    has_scale: bool
    study: StudyView | None
    table: Table | None
    columns: Sequence[Column]
    printed: Sequence[UntrainedRow]

    @property
    def is_missing(self) -> bool:
        """Whether it can be trained, and is neither trained nor under way."""
        return self.has_scale and (self.study is None or self.study.state == "failed")

    @property
    def metrics(self) -> list[str]:
        """The first printed metrics; the cost of a network is on the study's page."""
        names = dict.fromkeys(name for row in self.printed for name in row.values)
        return [name for name in names if name not in COSTS][:4]


@dataclass(frozen=True, slots=True)
class PaperPage:
    """Content of the paper's page at one scale."""

    scale: str
    scales: Sequence[str]
    paper: str
    entries: Sequence[PaperEntry]
    has_gains: bool

    @property
    def missing(self) -> list[str]:
        """Ids of the tables that one button submits."""
        return [entry.published.id for entry in self.entries if entry.is_missing]

    @property
    def body(self) -> str:
        """Body of `POST /paper` for the missing tables."""
        return json.dumps({"tables": self.missing, "scale": self.scale})

    @property
    def is_live(self) -> bool:
        """Whether any table is under way."""
        return any(entry.study and entry.study.state in LIVE for entry in self.entries)


def read_paper_page(context: Context, scale: str) -> PaperPage:
    """Every printed table with its newest study at a scale.

    Raises:
        StudyError: no table has the scale.
    """
    sources = {table.id: table for table in list_tables()}
    scales = list(dict.fromkeys(name for table in sources.values() for name in table.scales))
    if scale not in scales:
        text = f"no table of the paper has the scale {quote(scale)}{nearest(scale, scales)}"
        raise StudyError([Problem("/scale", "unknown_scale", text)])
    printed = [table for table in load_published().tables.values() if table.id.startswith("T")]
    entries = [_read_entry(context, table, sources.get(table.id), scale) for table in printed]
    trained = {entry.published.id for entry in entries if entry.study and entry.study.state == "succeeded"}
    has_gains = bool(trained & {table_id for table_id, _ in TASKS.values()})
    return PaperPage(scale, scales, printed[0].paper, entries, has_gains)


def _read_entry(context: Context, published: PublishedTable, source: PaperTable | None, scale: str) -> PaperEntry:
    study_id = _find_newest(context, source, scale) if source else None
    table = _find_table(context, study_id) if study_id else None
    return PaperEntry(
        published=published,
        source=source,
        has_scale=source is not None and scale in source.scales,
        study=get_study(context, study_id) if study_id else None,
        table=table,
        columns=_columns(table) if table else [],
        printed=[
            UntrainedRow(label, {name: one.text for name, one in row.items()}) for label, row in published.cells.items()
        ],
    )


def _find_newest(context: Context, source: PaperTable, scale: str) -> str | None:
    """Id of the newest study of a table at a scale; a study that succeeded is preferred to one that failed."""
    with context.store.read() as connection:
        found = studies.list_studies(connection, Wanted(name=source.name), limit=RECENT, before=None)
    fitting = [
        one
        for one in found
        if one.scale == scale
        and one.state != "cancelled"
        and one.schedule is None
        and one.document.get("table", {}).get("published") == source.id
    ]
    whole = [one for one in fitting if one.state != "failed"]
    return (whole or fitting)[0].id if fitting else None


def _find_table(context: Context, study_id: str) -> Table | None:
    try:
        return results.get_table(context, study_id)
    except ConflictError:  # the study's page gives the reason; this page shows the printed numbers
        return None


def _columns(table: Table) -> list[Column]:
    wanted = [table.metric, "published", "diff", "published_diff"]
    has_agreement = any(family.agreement for family in table.families)
    return choose_columns(table, [*wanted, "agreement"] if has_agreement else wanted)[1:]
