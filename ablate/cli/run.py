"""What the commands show: progress, tables and lists, for a terminal or as JSON. Imported when a command runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from ablate.cli.progress import Board, Lines, show_warnings, trial_names
from ablate.data import datasets, fetch
from ablate.errors import TableError
from ablate.local import run as local
from ablate.local.folder import Folder
from ablate.paper.published import find_published
from ablate.study.plan import Plan
from ablate.study.preregistration import register
from ablate.tables.build import build_table
from ablate.tables.formats.render import FORMATS, render
from ablate.tables.inputs import RowCosts, StudyState
from ablate.tables.plots.panel import draw_panel, has_panel
from ablate.tables.plots.plot import PLOT_FORMATS, plot, plots_of
from ablate.tables.table import Table


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is rendered; see `ablate.tables.formats.render.render`."""

    columns: list[str] | None = None
    digits: int | None = None
    measured: bool = True

    def render(self, table: Table, name: str) -> str:
        """The table in the format of that name."""
        return render(table, name, columns=self.columns, digits=self.digits, measured=self.measured)


def run(
    plan: Plan,
    path: Path,
    form: Form,
    *,
    workers: int | None,
    fresh: bool,
    as_json: bool,
) -> int:
    """`ablate run`. Returns the exit status: 0, or 1 where the table has holes."""
    console = Console(stderr=True)
    folder = Folder(path)
    show_warnings(console, plan)
    published = find_published(plan.study.table.published)
    form.render(build_table(plan, {}, published=published), "md")  # refuses a wrong column before anything runs
    if fresh or plan.outstanding(_results(folder)):
        datasets.check_folders(plan.datasets)
    with folder.locked():
        if fresh and (aside := folder.set_aside()):
            console.print(f"set aside what was known, in {aside}", highlight=False, soft_wrap=True)
        folder.register(register(plan))
        _say_what_is_known(console, plan, folder)
        fetch_data(plan, lambda line: console.print(line, highlight=False, soft_wrap=True))
        with _end_of(console, plan, folder):
            for event in _shown(console, plan, folder, local.run_study(plan, folder, workers)):
                if isinstance(event, local.Note):
                    console.print(event.text, highlight=False, soft_wrap=True)
        table = write_tables(plan, folder, form)
    typer.echo(form.render(table, "json" if as_json else "md"))
    if not as_json:
        console.print(f"table.md, .tex, .csv, .html, .json and plots are in {path}", highlight=False, soft_wrap=True)
    return _holes(console, plan, folder)


def write_tables(plan: Plan, folder: Folder, form: Form) -> Table:
    """Write the table in every format and every plot into the folder. Returns the table."""
    records = folder.read()
    table = build_table(
        plan,
        records,
        published=find_published(plan.study.table.published),
        costs=RowCosts(measured=local.read_measured(plan, folder) or {}),
        state=StudyState(
            registrations=folder.registrations(plan.study.name),
            seen=[*records.values(), *folder.read_set_aside()],
        ),
    )
    for name in FORMATS:
        (folder.path / f"table.{name}").write_text(form.render(table, name), encoding="utf-8", newline="")
    for name in plots_of(table):
        for kind in PLOT_FORMATS:
            (folder.path / f"{name}.{kind}").write_bytes(plot(table, records, plan, name, kind))
    if has_panel(plan):
        write_panel(plan, folder)
    return table


def write_panel(plan: Plan, folder: Folder) -> None:
    """Write the study's picture. Where no trial has left a panel, what lies there is of other trials, and goes."""
    path = folder.path / "panel.png"
    try:
        path.write_bytes(draw_panel(plan, folder.workdir))
    except TableError:
        path.unlink(missing_ok=True)


def fetch_data(plan: Plan, report: Any) -> None:
    """Make sure that the data sets of our own tasks are there before anything starts; the small ones are fetched."""
    for name in plan.datasets:
        if datasets.find(name) is None:
            fetch.fetch(name, report)


def _results(folder: Folder) -> set[str]:
    return {key for key, record in folder.read().items() if record.is_result}


@contextmanager
def _end_of(console: Console, plan: Plan, folder: Folder) -> Iterator[None]:
    """On Ctrl-C say what is kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        known = sum(record.is_result for key, record in folder.read().items() if key in plan.trials)
        console.print(
            f"{known} of {len(plan.trials)} known; the same command goes on from here", highlight=False, soft_wrap=True
        )
        raise


def _say_what_is_known(console: Console, plan: Plan, folder: Folder) -> None:
    known = sum(record.is_result for key, record in folder.read().items() if key in plan.trials)
    if known:
        console.print(f"{known} of {len(plan.trials)} known", highlight=False, soft_wrap=True)


def _holes(console: Console, plan: Plan, folder: Folder) -> int:
    records = folder.read()
    failed = [key for key in plan.trials if key not in records or not records[key].is_result]
    names = trial_names(plan)
    for key in failed:
        reason = records[key].outcome.reason if key in records else "it was not run"
        console.print(f"hole: {names[key]}: {reason}", highlight=False, markup=False, soft_wrap=True)
        console.print(f"      its folder is {folder.workdir(key)}", highlight=False, markup=False, soft_wrap=True)
    return 1 if failed else 0


def _shown(
    console: Console, plan: Plan, folder: Folder, events: Iterator[local.Moved | local.Note]
) -> Iterator[local.Moved | local.Note]:
    """Pass the events on and draw them: bars on a terminal, else a line for each trial that ends."""
    known = {key: record for key, record in folder.read().items() if record.is_result and key in plan.trials}
    board = Board(console, plan, known) if console.is_terminal else Lines(console, plan, known)
    with board:
        for event in events:
            if isinstance(event, local.Moved):
                board.show(event.trial, event.message)
            yield event
