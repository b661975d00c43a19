"""The commands about studies, over REST. Importing this module adds them to the console script."""

from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli.app import app
from ablate.cli.options import (
    AsJson,
    Caption,
    Columns,
    Cpus,
    Delta,
    Digits,
    Full,
    Gpus,
    Label,
    NoMeasured,
    Notes,
    Order,
    Rename,
    Robust,
    Rows,
    Scale,
    Seeds,
    Set,
    Siunitx,
    Spread,
    StudyFile,
    Style,
    asked_resources,
    chosen_columns,
    chosen_rows,
)
from ablate.cli.output import say
from ablate.remote.choices import StudyState, TableFormat
from service.cli.connect import (
    OR_FOLDER,
    Priority,
    StudyId,
    StudyOrFault,
    StudyOrNewest,
    Url,
    connected,
    fetch_missing,
    find_folder,
    is_own,
    pick_study,
    show,
)
from service.cli.table import show_table, text_of_folder, wait_for_table

if TYPE_CHECKING:
    from ablate.errors import StudyError
    from ablate.remote.client import Client
    from ablate.remote.documents.studies import ChangedStudy


@app.command()
def submit(
    study: StudyFile,
    scale: Scale = None,
    seeds: Seeds = None,
    replaced: Set = None,
    priority: Priority = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    fresh: Annotated[bool, typer.Option(help="Train known trials again, as new replicates.")] = False,
    wait: Annotated[bool, typer.Option(help="Show progress until the study has ended, then print its table.")] = False,
    notes: Notes = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Submit a study to the service. Prints its id.

    If the service runs on this machine and lacks a data set, the data set is fetched first where possible. A study with
    a [command] needs a task of the service that has its command and its code: see `ablate task add`.
    """
    from ablate.errors import StudyError
    from ablate.study.include import naming_files
    from ablate.study.overrides import read_assignments, with_overrides
    from ablate.study.source import read_to_send
    from ablate.study.text import read_alone

    document = with_overrides(read_to_send(study), read_assignments(replaced or ()))
    with naming_files(study, read_alone), connected(url) as client:
        document = client.tasks.document_of(document, study.parent)
        send = partial(
            client.submit, document, scale=scale, seeds=seeds, priority=priority,
            resources=asked_resources(cpus, gpus), fresh=fresh,
        )  # fmt: skip
        try:
            stored = send()
        except StudyError as refusal:
            if not _fetch_data(client, refusal, document, scale, seeds):
                raise
            stored = send()
        for warning in stored.warnings:
            say(f"warning: {warning.message}", err=True)
        if wait:
            raise typer.Exit(wait_for_table(client, stored.id, notes=notes, as_json=as_json))
        show(stored, as_json, stored.id)


def _fetch_data(client: Client, refusal: StudyError, document: Any, scale: str | None, seeds: int | None) -> bool:
    """Fetch the data of a study that was refused only because this machine lacks them; whether any were fetched."""
    from ablate.study.plan import plan_document
    from service.settings import read_settings

    if not is_own(client) or any(problem.code != "no_data" for problem in refusal.problems):
        return False
    plan = plan_document(document, scale=scale, seeds=seeds, max_trials=read_settings().max_trials)
    return fetch_missing(client, plan.datasets)


@app.command("list")
def list_studies(
    state: Annotated[StudyState | None, typer.Option(help="Only studies in this state.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Only studies of this name.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Number of studies.")] = 20,
    stuck: Annotated[
        bool, typer.Option("--stuck", help="List work that ended with an internal error and waits to be retried.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the studies of the service, newest first.

    With --stuck: the work that was set aside after three internal errors. `ablate retry NUMBER` tries it again.
    """
    from service.cli import show_studies as screen

    with connected(url) as client:
        if stuck:
            if state is not None or name is not None:
                raise typer.BadParameter("--stuck cannot be combined with --state or --name")
            faults = client.faults(stuck=True, limit=limit)
            return show(faults, as_json, lambda: screen.show_faults(faults.items))
        page = client.studies(state=state, name=name, limit=limit)
    return show(page, as_json, lambda: screen.show_studies(page.items))


@app.command("show")
def show_study(study: StudyOrNewest = None, url: Url = None, as_json: AsJson = False) -> None:
    """Show a study: its state, its progress and its cells."""
    from service.cli import show_studies as screen

    with connected(url) as client:
        found = client.study(pick_study(client, study))
        cells = [] if as_json else client.trials(found)
    show(found, as_json, lambda: screen.show_study(found, cells))


@app.command()
def watch(study: StudyOrNewest = None, notes: Notes = False, url: Url = None, as_json: AsJson = False) -> None:
    """Watch a study until it has ended, then print its table."""
    with connected(url) as client:
        raise typer.Exit(wait_for_table(client, client.find(pick_study(client, study)), notes=notes, as_json=as_json))


@app.command()
def table(
    study: Annotated[
        str | None,
        typer.Argument(metavar="ID", help=f"{OR_FOLDER} Default: the newest study.", show_default=False),
    ] = None,
    format: Annotated[
        TableFormat | None,
        typer.Option(help="Default: tex with an option of LaTeX, else md.", show_default=False),
    ] = None,
    columns: Columns = None,
    full: Full = False,
    digits: Digits = None,
    no_measured: NoMeasured = False,
    robust: Robust = False,
    rows: Rows = None,
    order: Order = None,
    rename: Rename = None,
    style: Style = "paper",
    caption: Caption = None,
    label: Label = None,
    siunitx: Siunitx = False,
    delta: Delta = None,
    spread: Spread = "pm",
    notes: Notes = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the table in every format and the plots to this folder instead.", show_default=False),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print the table of a study. While it runs, the table is provisional.

    Below the table are the lines that everybody should read; --notes prints the other notes, too. Of the files of
    --out, table.md has all notes.
    """
    from ablate.tables.formats.latex_options import LatexOptions

    chosen, selection = chosen_columns(columns, full=full), chosen_rows(rows, order, rename)
    latex = LatexOptions(style, caption, label, siunitx, delta, spread)
    options: dict[str, Any] = {"columns": chosen, "digits": digits, "measured": not no_measured, "robust": robust}
    options |= {"selection": selection, "latex": latex}
    by_options: TableFormat = "tex" if latex != LatexOptions() else "md"
    chosen_format: TableFormat = "json" if as_json else format or by_options
    folder = find_folder(study)
    if folder is not None:
        if out is not None:
            raise typer.BadParameter(f"{folder} has the tables and plots already; use --format", param_hint="--out")
        show_table(partial(text_of_folder, folder, notes=notes, **options), chosen_format)
    else:
        with connected(url) as client:
            study = client.find(pick_study(client, study))
            text = partial(client.table_text, study, **options)
            if out is not None:
                from service.cli.saving import save

                save(client, study, out, text)
                show({"folder": str(out.absolute())}, as_json, None)
                return
            show_table(partial(text, notes=notes), chosen_format)
    if chosen_format == "md" and not (notes or robust):
        say(f"more: ablate table {shlex.quote(str(study))} --notes", err=True)


@app.command()
def cancel(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Cancel a study.

    Trials shared with another live study keep running.
    """
    with connected(url) as client:
        _show_one(client.cancel(study), as_json)


@app.command()
def retry(study: StudyOrFault, url: Url = None, as_json: AsJson = False) -> None:
    """Queue the failed and cancelled trials of a study again.

    With the number of an internal error (`ablate list --stuck`): try that work again, for example after an upgrade.
    """
    with connected(url) as client:
        if re.fullmatch(r"E-[0-9a-f]{4,12}", study):
            fault = client.retry_fault(study)
            show(fault, as_json, f"{fault.number} is tried again: {fault.work}")
        else:
            _show_one(client.retry(study), as_json)


@app.command()
def pause(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Pause a study; its running trials continue.

    No more of its trials start, except those shared with another live study.
    """
    with connected(url) as client:
        _show_one(client.pause(study), as_json)


@app.command()
def resume(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Resume a paused study."""
    with connected(url) as client:
        _show_one(client.resume(study), as_json)


@app.command()
def extend(
    study: StudyId,
    seeds: Annotated[
        int, typer.Option(min=1, help="New number of seeds; existing results are kept.", show_default=False)
    ],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Add seeds to a study."""
    with connected(url) as client:
        _show_one(client.extend(study, seeds), as_json)


def _show_one(study: ChangedStudy, as_json: bool) -> None:
    from service.cli import show_studies as screen

    say(f"{study.name} ({study.id}): {study.message}", err=True)
    show(study, as_json, lambda: screen.show_studies([study]))
