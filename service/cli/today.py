"""The command `ablate today`. Importing this module adds it to the console script."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ablate.cli.app import HOLES, app
from ablate.cli.options import AsJson
from ablate.errors import AblateError, quote
from service.cli.connect import Url, connected, show


@app.command()
def today(
    since: Annotated[
        str, typer.Option(help="Start of the period: 30m, 12h, 2d or 1w ago, or an ISO date and time.")
    ] = "1d",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened in the last day, and what needs a person.

    Lists finished studies, holes, drift, rows without a number, missed firings, and the next firings.

    Exit status: 1 if something needs a person.
    """
    from service.cli import show_schedules as screen

    with connected(url) as client:
        found = client.today(read_since(since, datetime.now(UTC)))
    show(found, as_json, lambda: screen.show_today(found))
    raise typer.Exit(HOLES if found.needs_person else 0)


UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class SinceError(AblateError):
    """`--since` is not a time."""


def read_since(text: str, at: datetime) -> datetime:
    """The moment that a text names, relative to `at`.

    Raises:
        SinceError: the text is not a time.
    """
    if match := re.fullmatch(r"([0-9]{1,4})([mhdw])", text):
        return at - timedelta(**{UNITS[match[2]]: int(match[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        allowed = "a number with m, h, d or w, such as 12h, or an ISO date and time, such as 2026-11-25T08:00"
        raise SinceError(f"--since {quote(text)} is not a time; give {allowed}") from None
    return found.astimezone(UTC)
