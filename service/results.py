"""A study's table and plots: from the database while it runs, as stored once it is done."""

from __future__ import annotations

from collections.abc import Mapping

from ablate.errors import StudyError, TableError
from ablate.plan import Plan
from ablate.registration import Registration
from ablate.tables.build import build_table
from ablate.tables.compare import RowComparison, compare_rows, find_label_problems
from ablate.tables.published import PublishedTable, load_published
from ablate.tables.table import Table, TableRow
from ablate.trial import TrialRecord
from service.context import Context
from service.planning import plan_stored
from service.shapes import LIVE
from service.store import cells, studies
from service.store.cells import Origin
from service.store.studies import Stored

MOST_PLOTTED = 300
"""Rows of a plot: more cannot be read, and would take minutes to draw."""


def get_table(context: Context, study_id: str) -> Table:
    """The table of a study; provisional as long as it runs.

    Raises:
        NotFoundError: there is no study with that id.
        ConflictError: this version of ablate plans the study no more.
    """
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        kept = studies.find_table(connection, stored.seq)
        records = {} if kept else cells.list_records(connection, stored.seq)
        origins = [] if kept else cells.list_origins(connection, stored.seq)
    return kept or make_table(plan_stored(context, stored), stored, records, origins)


def get_final_table(context: Context, stored: Stored) -> Table:
    """The table of a study whose cells are all over.

    Raises:
        ConflictError: this version of ablate plans the study no more.
    """
    with context.store.read() as connection:
        records, origins = cells.list_records(connection, stored.seq), cells.list_origins(connection, stored.seq)
    return make_table(plan_stored(context, stored), stored, records, origins, is_final=True)


def make_table(
    plan: Plan,
    stored: Stored,
    records: Mapping[str, TrialRecord],
    origins: list[Origin],
    *,
    is_final: bool = False,
) -> Table:
    """A study's table from its records, with counted costs for rows without any, and where shared results are from."""
    provisional = stored.state in LIVE and not is_final
    registrations = [Registration.model_validate(one) for one in stored.registrations]
    table = build_table(
        plan,
        records,
        published=_published(plan),
        registrations=registrations,
        provisional=provisional,
        missing="cancelled with the study; retry queues them" if stored.state == "cancelled" else "no result yet",
    )
    rows = [_with_cost(row, stored) for row in table.rows]
    return table.model_copy(update={"rows": rows, "provenance": [*table.provenance, *_reused(origins)]})


def _published(plan: Plan) -> PublishedTable | None:
    name = plan.study.table.published
    return load_published().column(name) if name else None


def _with_cost(row: TableRow, stored: Stored) -> TableRow:
    counted = stored.costs.get(row.label)
    return row.model_copy(update=counted) if counted and row.params is None else row


def _reused(origins: list[Origin]) -> list[str]:
    return [
        f"row '{one.row}': {one.cells} {'cell' if one.cells == 1 else 'cells'} trained by study "
        f"{one.study_name} ({one.study_id}), {one.ended_at:%Y-%m-%d %H:%M} UTC"
        for one in origins
    ]


def compare(context: Context, study_id: str, a: str, b: str) -> RowComparison:
    """Two rows of a study, seed by seed.

    Raises:
        NotFoundError: there is no study with that id.
        StudyError: a label is no row's, or both are one.
        ConflictError: this version of ablate plans the study no more.
    """
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        records = cells.list_records(connection, stored.seq)
    plan = plan_stored(context, stored)
    problems = find_label_problems(plan, a, b)
    if problems:
        raise StudyError(problems)
    return compare_rows(plan, records, a, b)


def draw_plot(context: Context, study_id: str, name: str, format: str) -> bytes:
    """A plot of a study's results.

    Raises:
        NotFoundError: there is no study with that id.
        TableError: there is no such plot or format.
    """
    from ablate.tables.plots import plot  # matplotlib is loaded when the first plot is drawn

    table = get_table(context, study_id)
    if len(table.rows) > MOST_PLOTTED:
        raise TableError(f"the study has {len(table.rows):,} rows, and plots are drawn of at most {MOST_PLOTTED}")
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        records = cells.list_records(connection, stored.seq)
    return plot(table, records, plan_stored(context, stored), name, format)
