"""A study's table and plots: built from the database while it runs, stored when it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from ablate.errors import StudyError, TableError
from ablate.paper.published import find_published
from ablate.study.plan import Plan
from ablate.study.preregistration import Preregistration
from ablate.tables.build import build_table
from ablate.tables.formats.seeds import render_seeds
from ablate.tables.inputs import RowCosts, StudyState
from ablate.tables.plots.look import PlotLook
from ablate.tables.summary import summarise_older
from ablate.tables.table import Table
from ablate.tables.two_rows import RowComparison, compare_rows, find_row_problems, names_of_two
from ablate.tables.words import listed
from ablate.trials.trial import Cost, TrialRecord
from service.context import Context
from service.documents.states import LIVE
from service.errors import ConflictError, NotFoundError
from service.faults.work import Work
from service.store import cells, studies, tries
from service.store.cells import Origin
from service.store.session import Connection
from service.store.sql import now
from service.store.studies import Stored
from service.studies.prepare import plan_stored
from service.studies.tries import find_known

TEXTS = {
    "": "the table of the study",
    "compare": "the comparison of the two rows",
    "seeds": "the values of the study's seeds",
    "bundle": "the bundle of the study",
}

MAX_PLOTTED = 300
"""Largest number of rows in a plot: more are unreadable, and the learning curves of so many take 15 s to draw."""


def get_table(context: Context, study_id: str) -> Table:
    """The table of a study; provisional while it runs.

    Raises:
        NotFoundError: there is no study with that id.
        ConflictError: this version of ablate cannot plan the study, or its table ends with an internal error.
    """
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        kept = studies.find_table(connection, stored.seq)
        if kept:
            since = tries.count_since(connection, stored.seq)
            return summarise_older(kept).model_copy(update={"provenance": [*kept.provenance, *_since(since)]})
    work = work_of_table(stored.seq)
    reason = context.faults.find_reason(work)
    if reason is not None:
        raise ConflictError(f"the table of the study {reason}")
    with context.faults.answering(work):
        return _make_table(context, stored, provisional=stored.state in LIVE)


def get_seeds(context: Context, study_id: str) -> str:
    """The value of every seed of a study's table, as the text of `seeds.csv`.

    Raises:
        NotFoundError: there is no study with that id.
        ConflictError: this version of ablate cannot plan the study.
    """
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        records = cells.list_records(connection, stored.seq)
    plan = plan_stored(context, stored)
    with context.faults.answering(work_of_answer("table", stored.id, "seeds")):
        return render_seeds(plan, records)


def work_of_table(study_seq: int) -> Work:
    """The work of making a study's table."""
    return Work("table", str(study_seq), "the table of the study", study_seq)


def work_of_answer(kind: Literal["table", "plot"], study_id: str, name: str = "") -> Work:
    """The work of answering a request for something that is made from a table."""
    return Work(kind, f"{study_id}:{name}", TEXTS.get(name, f"the plot {name!r}"))


def get_final_table(context: Context, stored: Stored) -> Table:
    """The table of a study whose cells have all ended.

    Raises:
        ConflictError: this version of ablate cannot plan the study.
    """
    return _make_table(context, stored, provisional=False)


@dataclass(frozen=True, slots=True)
class _Records:
    """The records for a study's table.

    Attributes:
        records: by trial key.
        origins: origins of the cells that another study trained.
        others: preregistrations of other studies with the same trials that show decisions.
    """

    records: Mapping[str, TrialRecord]
    origins: list[Origin]
    others: list[Preregistration]


def _read(connection: Connection, stored: Stored, plan: Plan) -> _Records:
    records = cells.list_records(connection, stored.seq)
    histories = studies.list_registrations(connection, plan.first_key)
    last = [one for seq, history in histories if seq != stored.seq for one in _read_last(history)]
    others = [one for one in last if one.has_decisions]
    return _Records(records, cells.list_origins(connection, stored.seq), others)


def _read_last(history: list[Any]) -> list[Preregistration]:
    """The last preregistration of another study; none if this version cannot read it, which is that study's affair."""
    try:
        return [Preregistration.model_validate(history[-1])]
    except (ValidationError, LookupError, TypeError):
        return []


def _make_table(context: Context, stored: Stored, *, provisional: bool) -> Table:
    """A study's table from its records, with counted costs for rows without records, and origins of shared results."""
    plan = plan_stored(context, stored)
    with context.store.read() as connection:
        found = _read(connection, stored, plan)
    table = build_table(
        plan,
        found.records,
        published=find_published(plan.study.table.published),
        costs=costs_of(stored),
        state=state_of(context, stored, plan, provisional=provisional, others=found.others),
    )
    return table.model_copy(update={"provenance": [*table.provenance, *_reused(found.origins)]})


def costs_of(stored: Stored) -> RowCosts:
    """The costs of the rows that were counted when the study was submitted."""
    return RowCosts(counted={name: Cost.model_validate(cost) for name, cost in stored.costs.items()})


def state_of(
    context: Context, stored: Stored, plan: Plan, *, provisional: bool, others: Sequence[Preregistration] = ()
) -> StudyState:
    """The state of a study, for its table. `others`: preregistrations of other studies with the same trials."""
    known = find_known(context, stored, plan)
    return StudyState(
        provisional=provisional,
        missing="cancelled with the study; retry the study to queue them"
        if stored.state == "cancelled"
        else "no result yet",
        registrations=_registrations(stored),
        others=others,
        retried=known.retried,
        seen=known.seen,
        other_families=known.other_families,
        is_firing=stored.schedule is not None,
    )


def _since(count: int) -> list[str]:
    """What happened after the study had ended: its stored table does not change, and this sentence does."""
    if not count:
        return []
    again = "1 study has" if count == 1 else f"{count} studies have"
    return [f"{again} tried rows of this table again since, as of {now():%Y-%m-%d %H:%M} UTC."]


def _registrations(stored: Stored) -> list[Preregistration]:
    return [Preregistration.model_validate(one) for one in stored.registrations]


def _reused(origins: list[Origin]) -> list[str]:
    """A sentence for each other study that trained cells of this table, and for each time at which it did."""
    found: dict[str, list[str]] = {}
    for one in origins:
        study = f"Study {one.study_name} ({one.study_id}) trained these cells ({one.ended_at:%Y-%m-%d %H:%M} UTC)"
        found.setdefault(study, []).append(f"{one.cells} of '{one.row}'")
    return [f"{study}: {listed(cells)}." for study, cells in found.items()]


def compare(context: Context, study_id: str, a: str, b: str) -> RowComparison:
    """Two rows of a study, seed by seed.

    Raises:
        NotFoundError: there is no study with that id.
        StudyError: there is no such row, or both are the same.
        ConflictError: this version of ablate cannot plan the study.
    """
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        records = cells.list_records(connection, stored.seq)
    plan = plan_stored(context, stored)
    problems = find_row_problems(plan, a, b)
    if problems:
        raise StudyError(problems)
    a, b = names_of_two(plan, a, b)
    with context.faults.answering(work_of_answer("table", stored.id, "compare")):
        known = find_known(context, stored, plan, (a, b))
        return compare_rows(
            plan, records, a, b, registrations=_registrations(stored), seen=known.seen, history=known.pair,
            is_firing=stored.schedule is not None,
        )  # fmt: skip


def draw_panel(context: Context, study_id: str) -> bytes:
    """The panel plot of a detection or segmentation study, as PNG, from the panels of its trials on this machine.

    Raises:
        NotFoundError: there is no study with that id.
        TableError: the study's task has no panels, or no row has one on this machine.
        ConflictError: this version of ablate cannot plan the study.
    """
    from ablate.tables.plots import panel  # Pillow is loaded when the first picture is drawn

    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
    with context.faults.answering(work_of_answer("plot", stored.id, "panel")):
        return panel.draw_panel(plan_stored(context, stored), context.settings.workdir)


def draw_plot(context: Context, study_id: str, name: str, format: str, look: PlotLook = PlotLook()) -> bytes:
    """A plot of a study's results.

    Raises:
        NotFoundError: there is no study with that id, or the study has no such plot.
        TableError: there is no such plot or format, or the format does not have the theme.
    """
    from ablate.tables.plots.plot import check_applies, plot_table  # matplotlib is loaded when the first plot is drawn

    table = get_table(context, study_id)
    try:
        check_applies(table, name)
    except TableError as error:
        raise NotFoundError(str(error)) from error
    if len(table.rows) > MAX_PLOTTED:
        raise TableError(
            f"the study has {len(table.rows):,} rows, above the limit of {MAX_PLOTTED} for plots; use its table"
        )
    with context.store.read() as connection:
        stored = studies.get_study(connection, study_id)
        records = cells.list_records(connection, stored.seq)
    with context.faults.answering(work_of_answer("plot", stored.id, name)):
        return plot_table(table, name, format, records=records, look=look)
