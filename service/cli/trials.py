"""The commands about single trials. Importing this module adds them to the console script."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import HOLES, app
from ablate.cli.options import AsJson
from ablate.cli.output import say, show_text
from service.cli.connect import NoStudyError, TrialKey, Url, connected, pick_study, show

if TYPE_CHECKING:
    from ablate.remote.client import Client


@app.command()
def trial(key: TrialKey, url: Url = None, as_json: AsJson = False) -> None:
    """Show a trial: its recipe, attempts, outcome, and where it ran."""
    from service.cli import show_studies as screen

    with connected(url) as client:
        found = client.trial(key)
    show(found, as_json, lambda: screen.show_trial(found))


@app.command()
def logs(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="KEY",
            help="Key of a trial, or its first 8 digits or more. Default: the first trial of the newest study that "
            "failed, else one that runs, else the last one.",
            show_default=False,
        ),
    ] = None,
    url: Url = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print what is added to the log, until the trial has ended.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the log of a trial: what its code printed, and how each attempt ended."""
    if follow and as_json:
        raise typer.BadParameter("--follow cannot be combined with --json")
    with connected(url) as client:
        key = _pick_trial(client) if key is None else key
        if follow:
            for part in client.follow_log(key, partial(say, err=True)):
                show_text(part)
            return
        log = client.log(key)
    show({"key": key, "log": log}, as_json, lambda: show_text(log))


def _pick_trial(client: Client) -> str:
    """The trial of the newest study whose log somebody wants first; a line on stderr names it.

    Raises:
        NoStudyError: there is no study, or no trial of it has begun.
    """
    study = pick_study(client, None)
    begun = [cell for cell in client.trials(study) if cell.state not in ("queued", "cancelled")]
    if not begun:
        raise NoStudyError("no trial of the newest study has begun; `ablate watch` shows when one does")
    wanted = [one for state in ("failed", "running") for one in begun if one.state == state]
    cell = next(iter(wanted), begun[-1])
    say(f"{cell.row}, seed {cell.seed}, {cell.state}: {cell.key[:16]}", err=True)
    return cell.key


@app.command()
def rerun(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="KEY of a trial (its first 8 digits or more), ID:ROW:SEED of a study, or FOLDER:KEY or "
            "FOLDER:ROW:SEED of a folder that `ablate run` wrote.",
            show_default=False,
        ),
    ],
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, help="Largest accepted difference of a final metric, relative to its stored value."),
    ] = 1e-3,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Train a trial again here, and compare it with the stored result.

    The trial trains from its first step, with the same number of threads. Nothing that is stored is changed. If the
    trial started from the weights of another trial, those weights are used; if they are gone, that trial is trained
    again first.
    Exit status: 0 equal or within the tolerance, 1 different.

    \b
    ablate rerun 3f9a2c71                      a trial of the service
    ablate rerun table05:"E Max(DW(x), 0)":2   a cell of a study, by id or name
    ablate rerun ablate-out/first-base:FReLU:0 a cell of a folder
    """
    from ablate.cli.terminal import Terminal
    from ablate.local.folder import Folder
    from ablate.trials.record_comparison import DIFFERENT
    from service.cli import rerun as targets
    from service.cli import show_studies as screen
    from service.settings import read_settings

    place, what = targets.read_target(target)
    if isinstance(place, Path):
        then, workdir = targets.find_in_folder(place, what), Folder(place).workdir
    else:
        with connected(url) as client:
            then, workdir = targets.find_in_service(client, place, what), read_settings().workdir
    needs = targets.find_needs(then, workdir)
    found = targets.train_and_compare(then, Terminal(stderr=True), tolerance=tolerance, needs=needs)
    show(found.to_json(), as_json, lambda: screen.show_comparison(found))
    raise typer.Exit(HOLES if found.verdict == DIFFERENT else 0)
