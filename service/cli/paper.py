"""The command about the tables of the paper. Importing this module adds it to the console script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import HOLES, app
from ablate.cli.options import AsJson, Cpus, Gpus, Notes, Seeds, asked_resources
from ablate.cli.output import say, show_text, writing_to
from ablate.errors import AblateError, quote
from ablate.remote.choices import PlotFormat
from service.cli.connect import Priority, Url, connected, fetch_missing, is_own, show

if TYPE_CHECKING:
    from ablate.remote.client import Client
    from ablate.remote.documents.paper import PaperPlan
    from ablate.study.paper_tables import PaperTable

Tables = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TABLE", help="Tables, such as T5 T7. Default: every table that has the scale.", show_default=False
    ),
]
Gains = Annotated[
    Path | None,
    typer.Option(
        help="Draw the paper's Figure 1 from existing results into this .pdf, .svg or .png file; submit nothing.",
        show_default=False,
    ),
]
PICTURES: dict[str, PlotFormat] = {".pdf": "pdf", ".svg": "svg", ".png": "png"}


@app.command()
def paper(
    tables: Tables = None,
    scale: Annotated[str, typer.Option(help="Scale of the studies; --list prints the scales of each table.")] = "mini",
    seeds: Seeds = None,
    priority: Priority = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Start without asking, at any estimated number of GPU-hours.")
    ] = False,
    wait: Annotated[
        bool, typer.Option(help="Show progress until all studies have ended, then print the tables.")
    ] = False,
    notes: Notes = False,
    gains: Gains = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the tables with their question and rows; submit nothing.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Submit tables of the paper, one study for each table.

    If one table is wrong, nothing is submitted. Rows that tables share are trained once, and known trials are not
    trained again. If the service runs on this machine and lacks a data set, the data set is fetched first where
    possible. Above 24 estimated GPU-hours the command prints the estimate (arithmetic, not a measurement) and asks;
    without a terminal it requires --yes.

    \b
    ablate paper                          every table at scale mini, with its own seeds
    ablate paper T5 T7 --seeds 3          two tables with three seeds
    ablate paper T5 --scale paper --yes   ImageNet, ResNet-50, 120 epochs: weeks of GPU time
    ablate paper --gains figure1.svg      gains over ReLU: ours with intervals, next to the printed ones
    """
    names = [name.upper() for name in tables or ()]
    if list_:
        _list_tables(names, as_json=as_json)
        return
    if gains is not None:
        _draw_gains(gains, scale, url, as_json=as_json)
        return
    with connected(url) as client:
        resources = asked_resources(cpus, gpus)
        plan = client.paper.plan(names, scale=scale, seeds=seeds, priority=priority, resources=resources)
        _prepare(client, plan, scale, is_confirmed=yes)
        submitted = client.paper.submit(
            names, scale=scale, seeds=seeds, priority=priority, resources=resources, confirm=plan.needs_confirmation
        )
        if wait:
            raise typer.Exit(_wait(client, [study.id for study in submitted.items], notes=notes, as_json=as_json))
    from service.cli.show_studies import show_paper

    show(submitted, as_json, lambda: show_paper(submitted, plan, client.url))
    first = submitted.items[0].id
    say(f"`ablate watch {first}` shows the progress of one, `ablate table {first}` prints its table", err=True)


def _prepare(client: Client, plan: PaperPlan, scale: str, *, is_confirmed: bool) -> None:
    """Print what would be submitted, and fetch missing data.

    Raises:
        AblateError: the user does not confirm, or data cannot be fetched.
    """
    if plan.left_out:
        say(f"left out, because they have no scale '{scale}': {', '.join(plan.left_out)}", err=True)
    _print_warnings(plan, is_own=is_own(client))
    if plan.needs_confirmation:
        _confirm(plan, is_confirmed=is_confirmed)
    fetch_missing(client, _missing(plan))


def _draw_gains(file: Path, scale: str, url: str | None, *, as_json: bool) -> None:
    kind = PICTURES.get(file.suffix.lower())
    if kind is None:
        raise typer.BadParameter(f"{quote(file.name)} should end in .pdf, .svg or .png", param_hint="--gains")
    with connected(url) as client:
        picture = client.paper.gains(kind, scale=scale)
    with writing_to(file, "--gains"):
        file.write_bytes(picture)
    show({"file": str(file.absolute())}, as_json, str(file))


def _list_tables(names: Sequence[str], *, as_json: bool) -> None:
    from ablate.study.paper_tables import choose_tables, list_tables

    tables = list(choose_tables(names, list_tables()))
    items = [
        {
            "id": table.id, "study": table.name, "question": table.question, "rows": table.rows,
            "scales": list(table.scales),
        }
        for table in tables
    ]  # fmt: skip
    show({"items": items}, as_json, [_line(table) for table in tables])


def _line(table: PaperTable) -> str:
    return f"{table.id:<4} {table.rows:>2} rows  {table.question}  ({', '.join(table.scales)})"


def _print_warnings(plan: PaperPlan, *, is_own: bool) -> None:
    """Print each warning once, with the tables that it is about.

    For the service of this machine, data sets that can be fetched need no warning; for the others, the paths that were
    searched are printed here, because the service sends no paths.
    """
    tables: dict[str, list[str]] = {}
    for table in plan.items:
        for warning in table.warnings:
            if not (is_own and warning.code == "no_data"):
                tables.setdefault(warning.message, []).append(table.id)
    for message, ids in tables.items():
        say(f"warning: {', '.join(dict.fromkeys(ids))}: {message}", err=True)
    for text in _not_to_be_fetched(plan) if is_own else ():
        say(f"on this machine: {text}", err=True)


def _missing(plan: PaperPlan) -> list[str]:
    """Data sets of the tables for which the service reports missing data."""
    tables = [table for table in plan.items if any(one.code == "no_data" for one in table.warnings)]
    return list(dict.fromkeys(name for table in tables for name in table.datasets))


def _not_to_be_fetched(plan: PaperPlan) -> Iterator[str]:
    """What is missing of each data set that is not on this machine and cannot be fetched."""
    from ablate.data.datasets import find, get_path
    from ablate.data.fetch import can_fetch
    from ablate.errors import DataError

    for name in _missing(plan):
        if find(name) is None and not can_fetch(name):
            try:
                get_path(name)
            except DataError as error:
                yield str(error)


def _confirm(plan: PaperPlan, *, is_confirmed: bool) -> None:
    """Print the estimate, and return only if the user confirms.

    Raises:
        AblateError: the user does not confirm, or there is no terminal to ask on.
    """
    from service.cli.show_studies import hours_text, show_tables

    show_tables(plan)
    if is_confirmed:
        return
    size = "an unknown number of" if plan.gpu_hours is None else f"about {hours_text(plan.gpu_hours)}"
    if not sys.stdin.isatty():
        limit = f"more than {plan.limit_gpu_hours:g} need confirmation"
        raise AblateError(f"this would train for {size} GPU-hours, and {limit}; nothing was submitted; give --yes")
    if not typer.confirm(f"train for {size} GPU-hours?", err=True):
        raise AblateError("nothing was submitted")


def _wait(client: Client, ids: Sequence[str], *, notes: bool, as_json: bool) -> int:
    """Watch studies one after the other until they have ended, and print each table. Returns the exit status."""
    from ablate.cli.terminal import Terminal
    from service.cli.watch import watch

    console = Terminal(stderr=True)
    states = []
    found = []
    for study_id in ids:
        try:
            states.append(watch(client, study_id, console))
        except KeyboardInterrupt:
            console.say(f"the studies keep running: {', '.join(ids)}")
            raise
        if as_json:
            found.append(json.loads(client.table_text(study_id, "json")))
        else:
            show_text(client.table_text(study_id, notes=notes) + "\n")
        if reason := client.study(study_id).reason:
            say(f"{study_id} {states[-1]}: {reason}", err=True)
    show({"items": found}, as_json, None)
    return 0 if all(state == "succeeded" for state in states) else HOLES
