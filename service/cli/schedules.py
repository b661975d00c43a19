"""The commands about schedules. Importing this module adds them to the console script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli.app import HOLES, app
from ablate.cli.help import App
from ablate.cli.options import AsJson, Scale, Seeds
from ablate.cli.output import say
from ablate.errors import AblateError, Problem, StudyError, quote
from ablate.remote.choices import Missed, Mode, Overlap
from service.cli.connect import Url, connected, dump, show

if TYPE_CHECKING:
    from ablate.remote.client import Client
    from ablate.remote.documents.schedules import ChangedSchedule

schedule = App(no_args_is_help=True, help="Re-run studies on a cron schedule, and report what changed.")
app.add_typer(schedule, name="schedule")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.", show_default=False)]
StudyFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="STUDY", help="Study files, .toml or .json; each file gets its own schedule.", show_default=False
    ),
]


class SameNameError(AblateError):
    """Two study files would make schedules with the same name."""


@schedule.command("add")
def add(
    name: Name,
    studies: StudyFiles,
    cron: Annotated[
        str,
        typer.Option(
            help="Cron expression: minute, hour, day of month, month, weekday, such as '0 2 * * *'; or @daily.",
            show_default=False,
        ),
    ],
    tz: Annotated[str, typer.Option(help="Time zone of the cron expression, such as Europe/Berlin.")] = "UTC",
    mode: Annotated[
        Mode, typer.Option(help="verify: train stored cells again and compare; fresh: train new seeds.")
    ] = "verify",
    scale: Scale = None,
    seeds: Seeds = None,
    missed: Annotated[
        Missed,
        typer.Option(help="Instants that passed while the service was down: one firing for all, none, or one each."),
    ] = "coalesce",
    overlap: Annotated[
        Overlap, typer.Option(help="If the previous firing is still running: skip this one, or queue it after that.")
    ] = "skip",
    jitter: Annotated[int, typer.Option(min=0, max=3600, help="Start up to this many seconds late.")] = 0,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Mode verify: largest accepted difference of a metric, relative to its stored value, on another "
            "processor, device or set of packages. A choice, not a measurement. On the same ones the numbers must be "
            "equal to the last bit.",
        ),
    ] = 1e-3,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Add a schedule that re-runs a study. Prints when it fires next.

    With several study files, each file gets a schedule named NAME-STUDY, after the study in the file. If one is
    refused, none is added. The same command again changes nothing, and adds what a broken connection left out.
    """
    from ablate.study.source import read_to_send

    documents = [read_to_send(path) for path in studies]
    if len(studies) > 1:
        _check_names(studies, documents)
    with connected(url) as client:
        documents = [
            client.tasks.document_of(document, path.parent) for path, document in zip(studies, documents, strict=True)
        ]
        named = list(name_schedules(name, documents))
        add_one = partial(
            client.schedules.add, tz=tz, mode=mode, scale=scale, seeds=seeds, missed=missed, overlap=overlap,
            jitter_s=jitter, tolerance=tolerance,
        )  # fmt: skip
        added = _add_all(client, [(own, partial(add_one, own, cron, document)) for own, document in named])
    for one in added:
        if not one.changed:
            say(f"{one.name}: {one.message}", err=True)
    lines = [f"{one.name}: {one.cron_text} ({one.tz}); fires next {one.next_text}" for one in added]
    show(added[0] if len(added) == 1 else {"items": list(map(dump, added)), "next": None}, as_json, lines)


def _check_names(files: Sequence[Path], documents: Sequence[Any]) -> None:
    """Several schedules are named after their studies, so each needs a name; the service validates a single one."""
    problems = [
        Problem("", "invalid", f"{path}: should be a study with a name, because its schedule is named NAME-STUDY")
        for path, document in zip(files, documents, strict=True)
        if not isinstance(document, dict) or not isinstance(document.get("name"), str)
    ]
    if problems:
        raise StudyError(problems)


def name_schedules(name: str, documents: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each study document with the name of its schedule: NAME for a single one, else NAME-STUDY.

    Raises:
        SameNameError: two studies have the same name.
    """
    several, seen = len(documents) > 1, set[str]()
    for document in documents:
        own = f"{name}-{document.get('name')}" if several else name
        if own in seen:
            text = f"two of the {len(documents)} files have a study named {quote(document.get('name'))}"
            raise SameNameError(
                f"{text}, and each schedule is named after its study; add one of them with another NAME"
            )
        seen.add(own)
        yield own, document


def _add_all(client: Client, additions: Sequence[tuple[str, Callable[[], ChangedSchedule]]]) -> list[ChangedSchedule]:
    """Add every schedule, or none: if one is refused, those that this call has added are removed again."""
    from ablate.remote.errors import RefusedError

    several = len(additions) > 1
    before = {one.name for one in client.schedules.all()} if several else set()
    added: list[ChangedSchedule] = []
    for name, add_one in additions:
        try:
            added.append(add_one())
        except (StudyError, RefusedError):
            for one in added:
                if one.name not in before:
                    client.schedules.remove(one.name)
            if several:
                say(f"{name} is refused, so none of the {len(additions)} schedules is added", err=True)
            raise
        except AblateError:
            if several:
                text = f"{len(added)} of {len(additions)} schedules were added; the same command again adds the rest"
                say(text, err=True)
            raise
    return added


@schedule.command("list")
def list_schedules(url: Url = None, as_json: AsJson = False) -> None:
    """List the schedules, with their next and their last firing."""
    from service.cli import show_schedules as screen

    with connected(url) as client:
        found = client.schedules.all()
    items = [dump(one) for one in found] if as_json else []
    show({"items": items, "next": None}, as_json, lambda: screen.show_schedules(found))


@schedule.command("history")
def history(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Number of firings, newest first.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the firings of a schedule, and whether they found drift."""
    from service.cli import show_schedules as screen

    with connected(url) as client:
        page = client.schedules.history(name, limit=limit)
        found = client.schedules.get(name)
    show(page, as_json, lambda: screen.show_history(found, page.items))


@schedule.command("trigger")
def trigger(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Fire a schedule now, even if it is paused. Prints the id of its study.

    Exit status: 1 if its study could not be submitted.
    """
    with connected(url) as client:
        firing = client.schedules.trigger(name)
    if firing.state == "refused":
        say(f"refused: {firing.reason}", err=True)
    show(firing, as_json, firing.study_id or firing.state)
    raise typer.Exit(HOLES if firing.state == "refused" else 0)


@schedule.command("pause")
def pause(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Pause a schedule: it fires nothing until it is resumed."""
    with connected(url) as client:
        _show_one(client.schedules.pause(name), as_json)


@schedule.command("resume")
def resume(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Resume a paused schedule at its next instant."""
    with connected(url) as client:
        _show_one(client.schedules.resume(name), as_json)


@schedule.command("ack")
def ack(
    name: Name,
    reason: Annotated[str, typer.Option(help="Cause of the change, for the history.", show_default=False)],
    keep_reference: Annotated[
        bool,
        typer.Option("--keep-reference", help="The cause is fixed: keep comparing with the present reference."),
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge the alarms and unknown rows of a schedule. After an alarm, the next firing starts a new reference."""
    with connected(url) as client:
        found = client.schedules.acknowledge(name, reason, keep_reference=keep_reference)
    show(found, as_json, f"{name}: acknowledged; fires next {found.next_text}")


@schedule.command("remove")
def remove(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Remove a schedule with its history. The studies that it fired stay."""
    with connected(url) as client:
        client.schedules.remove(name)
    show({"removed": name}, as_json, f"{name}: removed; its studies stay")


def _show_one(found: ChangedSchedule, as_json: bool) -> None:
    say(f"{found.name}: {found.message}", err=True)
    text = found.next_text if found.state == "paused" else f"fires next {found.next_text}"
    show(found, as_json, f"{found.name}: {text}")
