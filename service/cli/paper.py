"""The command about the tables of the paper. Importing this module adds it to the console script."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli.app import HOLES, AsJson, Cpus, Gpus, Seeds, app, asked_resources
from ablate.errors import AblateError
from service.cli.connect import Url, connected, fetch_missing, is_own, show

if TYPE_CHECKING:
    from ablate.remote.client import Client


@app.command()
def paper(
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="TABLE", help="Such as T5 T7; default: every table that has the scale."),
    ] = None,
    scale: Annotated[str, typer.Option(help="Scale of the studies; --list names those of each.")] = "mini",
    seeds: Seeds = None,
    priority: Annotated[
        int | None, typer.Option(min=-100, max=100, help="Higher runs first.", show_default=False)
    ] = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Start it, however many GPU-hours it is estimated to take.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Show progress until all are done, then the tables.")] = False,
    gains: Annotated[
        Path | None,
        typer.Option(
            help="Draw the paper's Figure 1 from what is trained, into this .svg or .png file; submit nothing.",
            show_default=False,
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Only list the tables: what each asks, its rows.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Submit tables of the paper to the service, one study a table.

    All of them are queued, or none where anything is wrong with one. Rows that tables share are trained once, and what
    is known is not trained again. Data sets that this machine's own service misses are fetched first, where they can
    be. What would take more than a day of one GPU is shown with an estimate (arithmetic, not
    a measurement) and asks first; without a terminal it wants --yes.

    \b
    ablate paper                          every table in miniature, each with its own seeds
    ablate paper T5 T7 --seeds 3          two of them, with three seeds
    ablate paper T5 --scale paper --yes   ImageNet, ResNet-50, 120 epochs: weeks of GPU time
    ablate paper --gains figure1.svg      gains over ReLU: ours with intervals beside the printed
    """
    names = [name.upper() for name in tables or ()]
    if list_:
        _list_tables(names, as_json=as_json)
        return
    if gains is not None:
        _draw_gains(gains, scale, url, as_json=as_json)
        return
    resources = asked_resources(cpus, gpus) or None
    body = {"tables": names, "scale": scale, "seeds": seeds, "priority": priority, "resources": resources}
    with connected(url) as client:
        plan, answer = _submit(client, body, is_confirmed=yes)
        if wait:
            raise typer.Exit(_wait(client, [study["id"] for study in answer["items"]], as_json=as_json))
        _show(answer, plan, client.url, as_json=as_json)


def _submit(client: Client, body: Mapping[str, Any], *, is_confirmed: bool) -> tuple[Any, Any]:
    """What the tables would be, told before they are queued, and their studies, once the data that they miss have come.

    Raises:
        AblateError: they are refused, nobody confirms them, or data cannot be fetched; nothing is queued.
    """
    plan = client.post("/paper/plan", body)
    if plan["left_out"]:
        typer.echo(f"left out, since they have no scale '{body['scale']}': {', '.join(plan['left_out'])}", err=True)
    _tell_warnings(plan, is_own=is_own(client))
    if plan["needs_confirmation"]:
        _confirm(plan, is_confirmed=is_confirmed)
    fetch_missing(client, _missing(plan))
    answer = client.post("/paper", {**body, "confirm": bool(plan["needs_confirmation"])}, is_repeatable=True)
    return plan, answer


def _draw_gains(file: Path, scale: str, url: str | None, *, as_json: bool) -> None:
    from urllib.parse import quote

    kind = file.suffix.removeprefix(".").lower()
    if kind not in ("svg", "png"):
        raise typer.BadParameter(f"{file.name!r} should end in .svg or .png", param_hint="--gains")
    with connected(url) as client:
        content = client.get_bytes(f"/paper/gains.{kind}?scale={quote(scale, safe='')}")
    file.write_bytes(content)
    show({"file": str(file.absolute())}, as_json, str(file))


def _list_tables(names: Sequence[str], *, as_json: bool) -> None:
    from ablate.study.paper_tables import choose_tables, list_tables

    items = [
        {
            "id": table.id, "study": table.name, "question": table.question, "rows": table.rows,
            "scales": list(table.scales),
        }
        for table in choose_tables(names, list_tables())
    ]  # fmt: skip
    show({"items": items}, as_json, "\n".join(map(_line, items)))


def _line(item: Mapping[str, Any]) -> str:
    return f"{item['id']:<4} {item['rows']:>2} rows  {item['question']}  ({', '.join(item['scales'])})"


def _tell_warnings(plan: Mapping[str, Any], *, is_own: bool) -> None:
    """Each warning once, with the tables that it is about.

    Where the service is this machine's own, data that it misses will be fetched, which says so itself; of data that
    cannot be, it is told where it was looked for: the service tells no paths.
    """
    tables: dict[str, list[str]] = {}
    for table in plan["items"]:
        for warning in table["warnings"]:
            if not (is_own and warning["code"] == "no_data"):
                tables.setdefault(warning["message"], []).append(table["id"])
    for message, ids in tables.items():
        typer.echo(f"warning: {', '.join(dict.fromkeys(ids))}: {message}", err=True)
    for text in _not_to_be_fetched(plan) if is_own else ():
        typer.echo(f"on this machine: {text}", err=True)


def _missing(plan: Mapping[str, Any]) -> list[str]:
    """Data sets of the tables of which the service says that it misses some."""
    tables = [table for table in plan["items"] if any(one["code"] == "no_data" for one in table["warnings"])]
    return list(dict.fromkeys(name for table in tables for name in table["datasets"]))


def _not_to_be_fetched(plan: Mapping[str, Any]) -> Iterator[str]:
    """Of each data set that is missing here and that nobody can fetch, what is missing."""
    from ablate.data.datasets import find, get_path
    from ablate.data.fetch import can_fetch
    from ablate.errors import DataError

    for name in _missing(plan):
        if find(name) is None and not can_fetch(name):
            try:
                get_path(name)
            except DataError as error:
                yield str(error)


def _confirm(plan: Mapping[str, Any], *, is_confirmed: bool) -> None:
    """Show what it would take, and go on only where the user says so.

    Raises:
        AblateError: nobody says so, or there is nobody to ask.
    """
    from service.cli.show import hours_text, show_tables

    show_tables(plan)
    if is_confirmed:
        return
    hours = plan["gpu_hours"]
    size = "an unknown number of" if hours is None else f"about {hours_text(hours)}"
    if not sys.stdin.isatty():
        limit = f"more than {plan['limit_gpu_hours']:g} have to be confirmed"
        raise AblateError(f"it would train for {size} GPU-hours, and {limit}: give --yes; nothing was submitted")
    if not typer.confirm(f"train for {size} GPU-hours?", err=True):
        raise AblateError("nothing was submitted")


def _show(answer: Mapping[str, Any], plan: Mapping[str, Any], url: str, *, as_json: bool) -> None:
    from service.cli.show import show_paper

    show(answer, as_json, lambda: show_paper(answer, plan, url))
    first = answer["items"][0]["id"]
    typer.echo(f"watch one with `ablate watch {first}`, see its table with `ablate table {first}`", err=True)


def _wait(client: Client, ids: Sequence[str], *, as_json: bool) -> int:
    """Watch studies to their ends, one after the other, and print each table. Returns the exit status."""
    from rich.console import Console

    from service.cli.watch import watch

    console = Console(stderr=True)
    states = []
    found = []
    for study_id in ids:
        try:
            states.append(watch(client, study_id, console))
        except KeyboardInterrupt:
            console.print(f"the studies go on: {', '.join(ids)}", highlight=False, soft_wrap=True)
            raise
        if as_json:
            found.append(client.get(f"/studies/{study_id}/table"))
        else:
            typer.echo(client.get_text(f"/studies/{study_id}/table", format="md"))
        if reason := client.get(f"/studies/{study_id}")["reason"]:
            typer.echo(f"{study_id} {states[-1]}: {reason}", err=True)
    show({"items": found}, as_json, None)
    return 0 if all(state == "succeeded" for state in states) else HOLES
