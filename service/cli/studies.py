"""The commands about studies, over REST. Importing this module adds them to the console script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli.app import (
    HOLES,
    AsJson,
    Columns,
    Cpus,
    Full,
    Gpus,
    Scale,
    Seeds,
    StudyFile,
    app,
    asked_resources,
    chosen_columns,
)
from service.cli.connect import StudyId, Url, connected, fetch_missing, is_own, show

if TYPE_CHECKING:
    from ablate.remote.client import Client


@app.command()
def submit(
    study: StudyFile,
    scale: Scale = None,
    seeds: Seeds = None,
    priority: Annotated[
        int | None, typer.Option(min=-100, max=100, help="Higher runs first.", show_default=False)
    ] = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    fresh: Annotated[bool, typer.Option(help="Train known trials again, as new replicates.")] = False,
    wait: Annotated[bool, typer.Option(help="Show progress until it is done, then the table.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Post a study to the service. Prints its id.

    Data sets that this machine's own service misses are fetched first, where they can be.
    """
    from ablate.study.text import read_document

    resources = asked_resources(cpus, gpus) or None
    body = {
        "study": read_document(study), "scale": scale, "seeds": seeds, "priority": priority, "resources": resources,
        "fresh": fresh,
    }  # fmt: skip
    with connected(url) as client:
        answer = _post(client, body)
        for warning in answer["warnings"]:
            typer.echo(f"warning: {warning['message']}", err=True)
        if wait:
            raise typer.Exit(_wait(client, answer["id"], as_json=as_json))
        show(answer, as_json, answer["id"])


def _post(client: Client, body: Mapping[str, Any]) -> Any:
    """The study as the service stored it, once the data that it misses have come."""
    from ablate.errors import StudyError
    from ablate.study.plan import plan_document
    from service.settings import read_settings

    try:
        return client.post("/studies", body, is_repeatable=True)
    except StudyError as refusal:
        if not is_own(client) or any(problem.code != "no_data" for problem in refusal.problems):
            raise
        limit = read_settings().max_trials
        plan = plan_document(body["study"], scale=body["scale"], seeds=body["seeds"], max_trials=limit)
        if not fetch_missing(client, plan.datasets):
            raise
        return client.post("/studies", body, is_repeatable=True)


@app.command("list")
def list_studies(
    state: Annotated[str | None, typer.Option(help="Only those in this state.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Only those of this name.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the studies of the service, newest first."""
    from service.cli import show as showing

    with connected(url) as client:
        answer = client.get("/studies", state=state, name=name, limit=limit)
    show(answer, as_json, lambda: showing.show_studies(answer["items"]))


@app.command("show")
def show_study(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Show a study: its state, progress and cells."""
    from service.cli import show as showing

    with connected(url) as client:
        study_id = client.find_study(study)
        answer = client.get(f"/studies/{study_id}")
        cells = [] if as_json else client.get_all(f"/studies/{study_id}/trials")
    show(answer, as_json, lambda: showing.show_study(answer, cells))


@app.command()
def watch(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Show a study's progress until it is done, then its table."""
    with connected(url) as client:
        raise typer.Exit(_wait(client, client.find_study(study), as_json=as_json))


@app.command()
def table(
    study: StudyId,
    format: Annotated[str, typer.Option(help="md, tex, csv, html or json.")] = "md",
    columns: Columns = None,
    full: Full = False,
    digits: Annotated[int | None, typer.Option(min=0, max=10, help="Decimals.", show_default=False)] = None,
    no_measured: Annotated[bool, typer.Option("--no-measured", help="Leave out what every run measures anew.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the table in every format and the plots, instead.", show_default=False),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Print a study's table; while it runs, what is known so far."""
    chosen = chosen_columns(columns, full=full)
    options = {
        "columns": ",".join(chosen) if chosen else None,
        "digits": digits,
        "measured": "false" if no_measured else None,
    }
    with connected(url) as client:
        study_id = client.find_study(study)
        if out is not None:
            _save(client, study_id, out, options)
            show({"folder": str(out.absolute())}, as_json, None)
        else:
            kind = "json" if as_json else format
            typer.echo(client.get_text(f"/studies/{study_id}/table", format=kind, **options), nl=False)


@app.command()
def compare(
    study: StudyId,
    a: Annotated[str, typer.Argument(metavar="A", help="Label of the row to judge.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="Label of the row to compare it with.", show_default=False)],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Compare any two rows of a study, seed by seed: is A really different from B?

    Post hoc, so p is corrected over all pairs of the table's rows.
    """
    from service.cli import show as showing

    with connected(url) as client:
        answer = client.get(f"/studies/{client.find_study(study)}/compare", a=a, b=b)
    show(answer, as_json, lambda: showing.show_pair(answer))


@app.command()
def cancel(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Cancel a study; trials that another study wants go on."""
    _act(study, "cancel", url, as_json)


@app.command()
def retry(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Queue a study's failed and cancelled trials again."""
    _act(study, "retry", url, as_json)


@app.command()
def pause(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Start no more trials that only paused studies want; what runs goes on."""
    _act(study, "pause", url, as_json)


@app.command()
def resume(study: StudyId, url: Url = None, as_json: AsJson = False) -> None:
    """Go on with a paused study."""
    _act(study, "resume", url, as_json)


@app.command()
def extend(
    study: StudyId,
    seeds: Annotated[int, typer.Option(min=1, help="New number of seeds; what is known stays.", show_default=False)],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Add seeds to a study."""
    _act(study, "extend", url, as_json, {"seeds": seeds})


def _act(study: str, verb: str, url: str | None, as_json: bool, body: dict[str, Any] | None = None) -> None:
    from service.cli import show as showing

    with connected(url) as client:
        answer = client.post(f"/studies/{client.find_study(study)}/{verb}", body)
    show(answer, as_json, lambda: showing.show_studies([answer]))


def _wait(client: Client, study_id: str, *, as_json: bool) -> int:
    """Watch a study to its end, print its table and name its holes. Returns the exit status."""
    from rich.console import Console

    from service.cli.watch import watch

    console = Console(stderr=True)
    try:
        state = watch(client, study_id, console)
    except KeyboardInterrupt:
        console.print(f"the study goes on; `ablate watch {study_id}` shows it again", highlight=False, soft_wrap=True)
        raise
    typer.echo(client.get_text(f"/studies/{study_id}/table", format="json" if as_json else "md"), nl=False)
    study = client.get(f"/studies/{study_id}")
    if study["reason"]:
        typer.echo(f"{state}: {study['reason']}", err=True)
    return 0 if state == "succeeded" else HOLES


def _save(client: Client, study_id: str, folder: Path, options: dict[str, Any]) -> None:
    """The table in every format, and every plot, into a folder."""
    from ablate.tables.formats.render import FORMATS
    from ablate.tables.plots.plot import PLOT_FORMATS, plots_of
    from ablate.tables.table import Table

    folder.mkdir(parents=True, exist_ok=True)
    for name in FORMATS:
        text = client.get_text(f"/studies/{study_id}/table", format=name, **options)
        (folder / f"table.{name}").write_text(text, encoding="utf-8", newline="")
    shown = Table.from_json(client.get(f"/studies/{study_id}/table", measured="false"))
    for name in plots_of(shown):
        for kind in PLOT_FORMATS:
            (folder / f"{name}.{kind}").write_bytes(client.get_bytes(f"/studies/{study_id}/plots/{name}.{kind}"))
    _save_picture(client, study_id, shown.rows[0].trials[0], folder)
    typer.echo(f"tables and plots are in {folder}", err=True)


def _save_picture(client: Client, study_id: str, trial_key: str, folder: Path) -> None:
    """The picture of a study of scenes; where there is none (yet), the service's reason is said."""
    from ablate.remote.client import RefusedError
    from ablate.tables.plots.panel import TASKS

    if client.get(f"/trials/{trial_key}")["task"] not in TASKS:
        return
    try:
        (folder / "panel.png").write_bytes(client.get_bytes(f"/studies/{study_id}/plots/panel.png"))
    except RefusedError as refusal:
        typer.echo(str(refusal), err=True)
