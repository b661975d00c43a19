"""What the commands that speak REST share: their options, the connection, and how an answer is shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablate.cli.output import say, show_json
from ablate.errors import AblateError
from ablate.study.problems import NAME

if TYPE_CHECKING:
    from ablate.documents import Document
    from ablate.remote.client import Client

Url = Annotated[
    str | None,
    typer.Option(
        envvar="ABLATE_URL",
        help="Address of the service. Default: the service of this state directory, else http://127.0.0.1:8080.",
        show_default=False,
    ),
]
WHICH = (
    "Id of a study, or its name (the newest study of that name that no schedule fired), or the first 4 letters or more "
    "of its id."
)
OR_FOLDER = f"{WHICH} Or the folder of a run (ablate-out/NAME-SCALE)."
WHICH_OR_NEWEST = f"{WHICH} Default: the newest study."
StudyId = Annotated[
    str,
    typer.Argument(metavar="ID", help=WHICH, show_default=False),
]
StudyOrNewest = Annotated[
    str | None,
    typer.Argument(metavar="ID", help=WHICH_OR_NEWEST, show_default=False),
]
StudyOrFault = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Id or name of a study, as elsewhere; or the number of an internal error, such as E-7f3a.",
        show_default=False,
    ),
]
TrialKey = Annotated[
    str, typer.Argument(metavar="KEY", help="Key of a trial, or its first 8 digits or more.", show_default=False)
]
Priority = Annotated[
    int | None,
    typer.Option(min=-100, max=100, help="Priority; higher runs first. Default: the study's own.", show_default=False),
]


@contextmanager
def connected(url: str | None) -> Iterator[Client]:
    """A client of the service: at the given address, else that of this state directory, else at the default port."""
    from ablate.remote.client import Client
    from service.address import find_address
    from service.settings import read_settings

    with Client(url or find_address(read_settings().home)) as client:
        yield client


def find_folder(source: str | None) -> Path | None:
    """The folder of results of `ablate run` that a text names; None for a study of the service."""
    from ablate.tasks.command.shared import is_results

    with suppress(OSError):  # a label that is too long for a path
        if source and (is_results(Path(source)) or (not re.fullmatch(NAME, source) and Path(source).is_dir())):
            return Path(source)
    return None


def pick_study(client: Client, study: str | None) -> str:
    """The study that a command names; without one the newest, of which a line on stderr gives name and id.

    Raises:
        NoStudyError: there is none.
    """
    if study is not None:
        return study
    found = sorted(client.studies(limit=200).items, key=lambda one: one.schedule is not None)
    if not found:
        raise NoStudyError("the service has no study; submit one: ablate submit STUDY")
    say(f"newest study: {found[0].name} ({found[0].id})", err=True)
    return found[0].id


class NoStudyError(AblateError):
    """A command asks for the newest study, and there is none."""


def is_own(client: Client) -> bool:
    """Whether it is the service of this state directory, and uses the same data folder as this command."""
    from service.address import shares_data
    from service.settings import read_settings

    return shares_data(read_settings().home, client.url)


def fetch_missing(client: Client, names: Iterable[str]) -> bool:
    """Fetch data sets that this machine's service lacks, as `ablate run` does, and print what is fetched.

    Args:
        client: of a service; nothing is fetched for a service on another machine (`is_own`).
        names: of data sets; those that are present, or cannot be fetched, are skipped.

    Returns:
        Whether any data set was fetched.

    Raises:
        DataError: fetching failed; the error lists every source that was tried.
    """
    from ablate.data import datasets, fetch

    if not is_own(client):
        return False
    missing = [name for name in names if fetch.can_fetch(name) and datasets.find(name) is None]
    for name in missing:
        fetch.fetch(name, partial(say, err=True))
    return bool(missing)


def dump(document: Document) -> dict[str, Any]:
    """A document as the JSON values that the service sent."""
    return document.model_dump(mode="json", by_alias=True)


def show(
    answer: Document | Mapping[str, Any], as_json: bool, otherwise: str | Sequence[str] | Callable[[], None] | None
) -> None:
    """Print the answer as JSON; without `--json` print lines, or call a function that prints, or print nothing."""
    if as_json:
        show_json(answer if isinstance(answer, Mapping) else dump(answer))
    elif callable(otherwise):
        otherwise()
    else:
        for line in [otherwise] if isinstance(otherwise, str) else otherwise or ():
            say(line)
