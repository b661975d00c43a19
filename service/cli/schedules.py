"""The commands about schedules, and `ablate today`. Importing this module adds them to the console script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli.app import HOLES, AsJson, Scale, Seeds, app
from ablate.errors import AblateError, Problem, StudyError
from service.cli.connect import Url, connected, show

if TYPE_CHECKING:
    from ablate.remote.client import Client

schedule = typer.Typer(help="Scheduled reproduction: train again by a cron text, and see what changed.")
app.add_typer(schedule, name="schedule")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.", show_default=False)]
StudyFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="STUDY", help="Study documents, .toml or .json; several make a schedule each.", show_default=False
    ),
]
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SinceError(AblateError):
    """`--since` is no time."""


class SameNameError(AblateError):
    """Two study files would make schedules of one name."""


@schedule.command("add")
def add(
    name: Name,
    studies: StudyFiles,
    cron: Annotated[str, typer.Option(help="minute hour day month weekday, such as '0 2 * * *'.", show_default=False)],
    tz: Annotated[str, typer.Option(help="IANA zone whose clock counts, such as Europe/Berlin.")] = "UTC",
    mode: Annotated[str, typer.Option(help="verify: stored cells again, compared; fresh: new seeds.")] = "verify",
    scale: Scale = None,
    seeds: Seeds = None,
    missed: Annotated[str, typer.Option(help="Missed instants: coalesce (one for all), skip or all.")] = "coalesce",
    overlap: Annotated[str, typer.Option(help="While the firing before runs: skip or queue.")] = "skip",
    jitter: Annotated[int, typer.Option(min=0, max=3600, help="Start up to so many seconds late.")] = 0,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Of verify: by what share a metric may be off where processor, device or packages are not those of "
            "the reference. Your choice, not measured. On the same ones nothing but equal bits will do.",
        ),
    ] = 1e-3,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Repeat a study by a cron text. Says when it fires next.

    Several study files make a schedule each, named NAME-STUDY after the study in the file: all of them are added, or
    none where one is refused. The same command again changes nothing, and adds what a broken connection left out.
    """
    from ablate.study.text import read_document

    common = {
        "cron": cron, "tz": tz, "mode": mode, "scale": scale, "seeds": seeds, "missed": missed, "overlap": overlap,
        "jitter_s": jitter, "tolerance": tolerance,
    }  # fmt: skip
    documents = [read_document(path) for path in studies]
    if len(studies) > 1:
        _check_names(studies, documents)
    bodies = [{"name": own, "study": study, **common} for own, study in name_schedules(name, documents)]
    with connected(url) as client:
        answers = _add_all(client, bodies)
    lines = [f"{one['name']}: {one['cron_text']} ({one['tz']}); fires next {one['next_text']}" for one in answers]
    show(answers[0] if len(answers) == 1 else {"items": answers, "next": None}, as_json, "\n".join(lines))


def _check_names(files: Sequence[Path], documents: Sequence[Any]) -> None:
    """Several schedules are named after their studies, so each needs a name; one alone is the service's to refuse."""
    problems = [
        Problem("", "invalid", f"{path}: should be a study with a name, since its schedule is named NAME-STUDY")
        for path, document in zip(files, documents, strict=True)
        if not isinstance(document, dict) or not isinstance(document.get("name"), str)
    ]
    if problems:
        raise StudyError(problems)


def name_schedules(name: str, documents: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each study document with the name of its schedule: NAME for one, NAME-STUDY for each of several.

    Raises:
        SameNameError: two of them are studies of one name.
    """
    several, seen = len(documents) > 1, set[str]()
    for document in documents:
        own = f"{name}-{document.get('name')}" if several else name
        if own in seen:
            text = f"two of the {len(documents)} files are a study named {document.get('name')!r}"
            raise SameNameError(f"{text}, and a schedule is named after its study; add one of them under another NAME")
        seen.add(own)
        yield own, document


def _add_all(client: Client, bodies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add every schedule, or none: where one is refused, those that were not there before are removed again."""
    from ablate.remote.client import RefusedError

    before = {one["name"] for one in client.get_all("/schedules")} if len(bodies) > 1 else set()
    answers: list[dict[str, Any]] = []
    for body in bodies:
        try:
            answers.append(client.post("/schedules", body))
        except (StudyError, RefusedError):
            for one in answers:
                if one["name"] not in before:
                    client.delete(f"/schedules/{one['name']}")
            if len(bodies) > 1:
                typer.echo(f"{body['name']} is refused, so none of the {len(bodies)} schedules is added", err=True)
            raise
        except AblateError:
            if len(bodies) > 1:
                text = f"{len(answers)} of {len(bodies)} schedules were added; the same command again adds the rest"
                typer.echo(text, err=True)
            raise
    return answers


@schedule.command("list")
def list_schedules(url: Url = None, as_json: AsJson = False) -> None:
    """List the schedules: when each fires next, and how its last firing was."""
    from service.cli import show_schedules

    with connected(url) as client:
        items = client.get_all("/schedules")
    show({"items": items, "next": None}, as_json, lambda: show_schedules.show_schedules(items))


@schedule.command("history")
def history(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many firings, newest first.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the firings of a schedule: what each found, and whether that is drift."""
    from service.cli import show_schedules

    with connected(url) as client:
        answer = client.get(f"/schedules/{client.check_name(name)}/history", limit=limit)
        found = client.get(f"/schedules/{name}")
    show(answer, as_json, lambda: show_schedules.show_history(found, answer["items"]))


@schedule.command("trigger")
def trigger(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Fire a schedule now, also one that is paused. Prints the id of its study.

    Exit status: 1 where its study could not be submitted.
    """
    with connected(url) as client:
        answer = client.post(f"/schedules/{client.check_name(name)}/trigger")
    if answer["state"] == "refused":
        typer.echo(f"refused: {answer['reason']}", err=True)
    show(answer, as_json, answer["study_id"] or answer["state"])
    raise typer.Exit(HOLES if answer["state"] == "refused" else 0)


@schedule.command("pause")
def pause(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Fire nothing until it is resumed."""
    _change(name, {"paused": True}, url, as_json)


@schedule.command("resume")
def resume(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Go on with a paused schedule at its next instant."""
    _change(name, {"paused": False}, url, as_json)


@schedule.command("ack")
def ack(
    name: Name,
    reason: Annotated[str, typer.Option(help="What the change was, for the history.", show_default=False)],
    keep_reference: Annotated[
        bool, typer.Option("--keep-reference", help="The cause is mended: go on comparing with the old numbers.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Acknowledge the alarms of a schedule; a new reference window begins."""
    body = {"reason": reason, "keep_reference": keep_reference}
    with connected(url) as client:
        answer = client.post(f"/schedules/{client.check_name(name)}/ack", body)
    show(answer, as_json, f"{name}: acknowledged; fires next {answer['next_text']}")


@schedule.command("remove")
def remove(name: Name, url: Url = None, as_json: AsJson = False) -> None:
    """Remove a schedule with its history. The studies that it fired stay."""
    with connected(url) as client:
        client.delete(f"/schedules/{client.check_name(name)}")
    show({"removed": name}, as_json, f"{name}: removed; its studies stay")


def _change(name: str, body: dict[str, Any], url: str | None, as_json: bool) -> None:
    with connected(url) as client:
        answer = client.patch(f"/schedules/{client.check_name(name)}", body)
    text = answer["next_text"] if answer["state"] == "paused" else f"fires next {answer['next_text']}"
    show(answer, as_json, f"{name}: {text}")


@app.command()
def today(
    since: Annotated[str, typer.Option(help="How far back: 30m, 12h, 2d, 1w, or an ISO date and time.")] = "1d",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened since yesterday: finished, holes, drift, missed, and what fires next.

    Exit status: 1 where a person is needed.
    """
    from service.cli import show_schedules

    with connected(url) as client:
        answer = client.get("/today", since=read_since(since, datetime.now(UTC)).isoformat())
    show(answer, as_json, lambda: show_schedules.show_today(answer))
    raise typer.Exit(HOLES if answer["needs_person"] else 0)


def read_since(text: str, at: datetime) -> datetime:
    """The moment that a text names, seen from another.

    Raises:
        SinceError: it names none.
    """
    if match := re.fullmatch(r"([0-9]{1,4})([mhdw])", text):
        return at - timedelta(**{UNITS[match[2]]: int(match[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        allowed = "a number with m, h, d or w, such as 12h, or an ISO date and time, such as 2026-11-25T08:00"
        raise SinceError(f"--since {text!r} is no time; give {allowed}") from None
    return found.astimezone(UTC)
