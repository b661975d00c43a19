"""What a run leaves in its folder: the table in every format, the value of every seed, the plots, and the picture of a
study of scenes.
"""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ablate.errors import TableError
from ablate.local.folder import Folder, RunOfStudy
from ablate.local.run import read_measured
from ablate.local.tries import read_known
from ablate.paper.published import find_published
from ablate.settings import read_library_settings
from ablate.study.plan import Plan, plan_document
from ablate.study.seeds import seeds_of
from ablate.study.source import document_of
from ablate.tables.build import build_table
from ablate.tables.formats.latex_options import LatexOptions
from ablate.tables.formats.render import FORMATS, render
from ablate.tables.formats.seeds import SEEDS_FILE, render_seeds
from ablate.tables.inputs import RowCosts, StudyState
from ablate.tables.plots.panel import draw_panel, has_panel
from ablate.tables.plots.plot import PLOT_FORMATS, plot_table, plots_of
from ablate.tables.selection import Selection
from ablate.tables.table import Table
from ablate.tasks.command.kept import with_kept


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is rendered; see `ablate.tables.selection` and `ablate.tables.formats.render.render`."""

    columns: list[str] | None = None
    digits: int | None = None
    measured: bool = True
    notes: bool = False
    robust: bool = False
    selection: Selection = field(default_factory=Selection)
    latex: LatexOptions = field(default_factory=LatexOptions)

    def render(self, table: Table, name: str) -> str:
        """The table in the format of that name."""
        return render(
            self.selection.of(table), name, columns=self.columns, digits=self.digits, measured=self.measured,
            notes=self.notes, robust=self.robust, latex=self.latex,
        )  # fmt: skip


def check_form(plan: Plan, form: Form) -> Plan:
    """Check before a run that its table can be rendered as asked.

    Returns:
        The plan with the trials of the rows that the table shows, of their baselines and of what these need.

    Raises:
        TableError: a column, row or name that the table does not have, digits out of range, or an unknown published
            table.
    """
    table = build_table(plan, {}, published=find_published(plan.study.table.published))
    form.render(table, "tex")
    return only_rows(plan, form.selection.names_in(table)) if form.selection.rows else plan


def only_rows(plan: Plan, names: Set[str]) -> Plan:
    """The plan with the trials of some rows only, and of what these need; its rows stay those of the study."""
    wanted = [name for row in plan.rows if row.name in names for name in (row.name, *row.needs_by_name)]
    keys = {plan.memberships[name, seed] for name in wanted for seed in plan.seeds}
    return replace(plan, trials={key: trial for key, trial in plan.trials.items() if key in keys})


def plan_of(folder: Folder) -> Plan:
    """The plan of the study that was last run in a folder.

    Raises:
        TrialError: the folder has no study.
        StudyError: it cannot be planned any more, for example because its data set is not registered here.
    """
    run = folder.read_study()
    plan = plan_document(run.study, scale=run.scale, max_trials=read_library_settings().max_trials)
    return with_kept(plan, folder.read())


def read_table(plan: Plan, folder: Folder) -> Table:
    """The table of the results that are in the folder."""
    plan, published = with_kept(plan, folder.read()), find_published(plan.study.table.published)
    return build_table(
        plan, folder.read(), published=published, costs=read_costs(plan, folder), state=read_state(plan, folder)
    )


def read_costs(plan: Plan, folder: Folder) -> RowCosts:
    """The measured costs that are in the folder."""
    return RowCosts(measured=read_measured(plan, folder) or {})


def read_state(plan: Plan, folder: Folder) -> StudyState:
    """The state of the study, as the folder and the home have it."""
    known = read_known(read_library_settings().home, plan, folder)
    return StudyState(
        registrations=folder.registrations(plan.study.name, has_decisions=plan.has_decisions),
        retried=known.retried,
        seen=known.seen,
        other_families=known.other_families,
    )


def write_results(plan: Plan, folder: Folder, form: Form) -> Table:
    """Write the table in every format, `seeds.csv` and every plot into the folder. Only `table.md` shows all notes.

    Returns:
        The table.

    Raises:
        MachineError: the folder cannot be written.
    """
    records, table = folder.read(), read_table(plan, folder)
    with folder.writing():
        for name in FORMATS:
            selection = Selection() if name == "json" else form.selection  # `rerun` reads all rows there
            chosen = replace(form, notes=name == "md", selection=selection)
            (folder.path / f"table.{name}").write_text(chosen.render(table, name), encoding="utf-8", newline="")
        folder.keep_study(RunOfStudy(study=document_of_run(plan), scale=plan.scale))
        (folder.path / SEEDS_FILE).write_text(render_seeds(plan, records), encoding="utf-8", newline="")
        for name in plots_of(table):
            for kind in PLOT_FORMATS:
                (folder.path / f"{name}.{kind}").write_bytes(plot_table(table, name, kind, records=records))
        if has_panel(plan):
            write_panel(plan, folder)
    return table


def read_written_table(path: Path) -> Table:
    """The table that a run wrote into its folder.

    Raises:
        TableError: the folder has no table, or one that this version cannot read.
    """
    file = path / "table.json"
    try:
        return Table.from_json(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise TableError(
            f"'{path}' has no table.json; give the folder of `ablate run`, or the id of a study"
        ) from error
    except ValueError as error:
        raise TableError(f"'{file}' is not a table that this version can read; run the study again") from error


def document_of_run(plan: Plan) -> dict[str, Any]:
    """The study document, with the seeds that were asked for."""
    document: dict[str, Any] = document_of(plan.study)
    seeds = seeds_of(plan.seeds, plan.study.folds)
    return document if seeds == plan.study.seed_list else {**document, "seeds": list(seeds)}


def write_panel(plan: Plan, folder: Folder) -> None:
    """Write the study's picture. An older picture of other trials is deleted if no trial of this study left one."""
    path = folder.path / "panel.png"
    try:
        path.write_bytes(draw_panel(plan, folder.workdir))
    except TableError:
        path.unlink(missing_ok=True)
