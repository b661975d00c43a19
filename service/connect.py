"""What the commands that speak REST share: their options, the connection, and how an answer is shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from service.client import Client

Url = Annotated[
    str | None,
    typer.Option(
        envvar="ABLATE_URL",
        help="Address of the service; default: the one that runs on this state directory, else http://127.0.0.1:8080.",
        show_default=False,
    ),
]
StudyId = Annotated[
    str, typer.Argument(metavar="ID", help="A study's id, or its name for the newest one.", show_default=False)
]
TrialKey = Annotated[
    str, typer.Argument(metavar="KEY", help="A trial's key, or its first 8 digits or more.", show_default=False)
]


@contextmanager
def connected(url: str | None) -> Iterator[Client]:
    """A client of the service: at the address given, else of this state directory, else at the default port."""
    from service.address import find_address
    from service.client import Client
    from service.settings import read_settings

    address = url or find_address(read_settings().home) or "http://127.0.0.1:8080"
    with Client(address, os.environ.get("ABLATE_API_KEY")) as client:
        yield client


def show(answer: Any, as_json: bool, otherwise: Any) -> None:
    """The answer as JSON, or a text, or what a function shows, or nothing."""
    if as_json:
        typer.echo(json.dumps(answer, indent=1, ensure_ascii=False))
    elif callable(otherwise):
        otherwise()
    elif otherwise is not None:
        typer.echo(otherwise)
