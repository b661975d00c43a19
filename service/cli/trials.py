"""The commands about single trials. Importing this module adds them to the console script."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import HOLES, AsJson, app
from service.cli.connect import TrialKey, Url, connected, show


@app.command()
def trial(key: TrialKey, url: Url = None, as_json: AsJson = False) -> None:
    """Show one trial: recipe, attempts, outcome, where it ran."""
    from service.cli import show as showing

    with connected(url) as client:
        answer = client.get(f"/trials/{client.check_key(key)}")
    show(answer, as_json, lambda: showing.show_trial(answer))


@app.command()
def logs(key: TrialKey, url: Url = None, as_json: AsJson = False) -> None:
    """Print a trial's log."""
    with connected(url) as client:
        log = client.get_text(f"/trials/{client.check_key(key)}/log")
    show({"key": key, "log": log}, as_json, lambda: typer.echo(log, nl=False))


@app.command()
def rerun(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A trial's KEY (its first 8 digits or more), ID:ROW:SEED of a study, or FOLDER:KEY or "
            "FOLDER:ROW:SEED of a folder that `ablate run` wrote.",
            show_default=False,
        ),
    ],
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="How far a final metric may be, as a share of the stored one.")
    ] = 1e-3,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Train one trial again, here, and compare it with what is stored.

    It runs from its first step, with as many threads as the first time, and nothing that is stored is changed. What it
    started from is taken from where it lies, and trained again where it is gone.
    Exit status: 0 equal or within the tolerance, 1 different.

    \b
    ablate rerun 3f9a2c71                      a trial of the service
    ablate rerun table05:"E Max(DW(x), 0)":2   a cell of a study, by id or name
    ablate rerun ablate-out/first-base:FReLU:0 a cell of a folder
    """
    from rich.console import Console

    from ablate.local.folder import Folder
    from ablate.trials.comparison import DIFFERENT
    from service.cli import rerun as rerunning
    from service.cli import show as showing
    from service.settings import read_settings

    place, what = rerunning.read_target(target)
    if isinstance(place, Path):
        then, workdir = rerunning.find_in_folder(place, what), Folder(place).workdir
    else:
        with connected(url) as client:
            then, workdir = rerunning.find_in_service(client, place, what), read_settings().workdir
    needs = rerunning.find_needs(then, workdir)
    found = rerunning.train_and_compare(then, Console(stderr=True), tolerance=tolerance, needs=needs)
    show(found.to_json(), as_json, lambda: showing.show_comparison(found))
    raise typer.Exit(HOLES if found.verdict == DIFFERENT else 0)
