"""Initial content of the form for a new study: empty, a study file that comes with ablate, or an earlier document."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import Field

from ablate.errors import quote
from ablate.limits import MAX_BYTES
from ablate.paper.published import studies_folder
from ablate.study.strict import StrictDocument
from ablate.study.written import render_document
from ablate.tasks.command.registered import find_registered
from service.context import Context
from service.errors import NotFoundError
from service.store import studies
from service.store.studies import Stored


class Draft(StrictDocument):
    """Body of `POST /preview`: a pasted text and the options of `ablate.remote.documents.studies.Submission`."""

    text: str = Field(max_length=MAX_BYTES)
    scale: str | None = Field(None, max_length=64)
    seeds: int | None = None
    priority: int | None = None
    fresh: bool | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The given options, as members of a submission."""
        return self.model_dump(exclude={"text"}, exclude_none=True)


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Initial content of the form.

    Attributes:
        examples: name -> title of every study file that comes with ablate.
    """

    text: str
    scale: str
    is_fresh: bool
    examples: dict[str, str]


def draft_of(context: Context, example: str | None, again: str | None, task: str | None) -> Prefilled:
    """The form for an example, for a study to run again, or for a registered task.

    Raises:
        NotFoundError: there is no such example, study or task.
    """
    files = _examples()
    titles = _titles()
    if again is not None:
        with context.store.read() as connection:
            stored = studies.get_study(connection, again)
        return Prefilled(document_text(stored), stored.scale or "", True, titles)
    if task is not None:
        registered = find_registered(task)
        if registered is None or registered.is_removed:
            raise NotFoundError(f"no registered task {quote(task)}; /tasks lists them")
        return Prefilled(render_document(registered.study)[1], "", False, titles)
    if example is not None and example not in files:
        raise NotFoundError(f"unknown example {quote(example)}; available examples: {', '.join(files)}")
    return Prefilled(files[example] if example else "", "", False, titles)


@cache
def _examples() -> dict[str, str]:
    """Study files by name; the one that runs in seconds first."""
    files = {
        file.name.removesuffix(".toml"): file.read_text(encoding="utf-8")
        for file in studies_folder().iterdir()
        if file.name.endswith(".toml")
    }
    return dict(sorted(files.items(), key=lambda item: (item[0] != "smoke", item[0])))


@cache
def _titles() -> dict[str, str]:
    return {name: str(tomllib.loads(text).get("title", name)) for name, text in _examples().items()}


def document_text(stored: Stored) -> str:
    """A study's document with the seeds and resources that it runs with, as the text of a file."""
    return render_document(stored.document)[1]
