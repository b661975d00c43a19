"""What the commands that speak REST share: their options, the connection, and how an answer is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ablate.remote.client import Client

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
    from ablate.remote.client import Client
    from service.address import find_address
    from service.settings import read_settings

    settings = read_settings()
    address = url or find_address(settings.home) or "http://127.0.0.1:8080"
    with Client(address, settings.api_key.get_secret_value() if settings.api_key else None) as client:
        yield client


def is_own(client: Client) -> bool:
    """Whether it is the service of this state directory, and looks for data sets where this command does."""
    from service.address import shares_data
    from service.settings import read_settings

    return shares_data(read_settings().home, client.url)


def fetch_missing(client: Client, names: Iterable[str]) -> bool:
    """Fetch data sets that this machine's own service misses, as `ablate run` does at the desk, saying so.

    Args:
        client: of a service; where it is not this machine's own (`is_own`), nothing is fetched.
        names: of data sets; those that are here, or that nobody can fetch, are left alone.

    Returns:
        Whether anything was fetched.

    Raises:
        DataError: fetching failed; every way tried is listed.
    """
    from ablate.data import datasets, fetch

    if not is_own(client):
        return False
    missing = [name for name in names if fetch.can_fetch(name) and datasets.find(name) is None]
    for name in missing:
        fetch.fetch(name, lambda line: typer.echo(line, err=True))
    return bool(missing)


def show(answer: Any, as_json: bool, otherwise: Any) -> None:
    """The answer as JSON, or a text, or what a function shows, or nothing."""
    if as_json:
        typer.echo(json.dumps(answer, indent=1, ensure_ascii=False))
    elif callable(otherwise):
        otherwise()
    elif otherwise is not None:
        typer.echo(otherwise)
