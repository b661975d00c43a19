"""Results that another program made: `[imported]` of a study that `ablate import` writes, and the task of its trials.

Such a study has values and no recipes. The key of a value is made of its place and of the file, under a task that no
other study can name, so it is never taken for a trial that ablate trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ablate.documents import Document
from ablate.errors import TrialError
from ablate.recipes.identity import Recipe
from ablate.study.strict import StrictDocument
from ablate.trials.task import NO_NEEDS, Task
from ablate.trials.trial import Message

IMPORTED = "imported"
"""Name of the task, and of the table in the document."""
SHOWN_DIGITS = 12
"""Digits of the file's digest in sentences."""


class ImportedFrom(Document):
    """The file of a table that was imported; see `ImportedSpec`."""

    file: str
    sha256: str
    unpaired: bool = False

    @property
    def source(self) -> str:
        """The file in a sentence."""
        return f"{self.file} (sha256 {self.sha256[:SHOWN_DIGITS]})"

    @property
    def sentence(self) -> str:
        """What a reader of the table must know."""
        order = " Its runs are paired in their order." if self.unpaired else ""
        return (
            f"Imported from {self.source}.{order} ablate did not train these. Nothing is known of how rows and seeds "
            "were chosen, so every decision is exploratory."
        )


class ImportedSpec(StrictDocument):
    """Where the values of a study come from.

    Attributes:
        file: name of the file.
        sha256: its digest.
        metrics: metric -> whether a higher value is better (`max`) or a lower one (`min`).
        unpaired: whether the runs of a row have no seeds, and are numbered in the order of the file.
    """

    file: str = Field(min_length=1, max_length=255)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    metrics: dict[Annotated[str, Field(min_length=1, max_length=128)], Literal["min", "max"]] = Field(min_length=1)
    unpaired: bool = False

    @property
    def origin(self) -> ImportedFrom:
        """The file, as a table has it."""
        return ImportedFrom(file=self.file, sha256=self.sha256, unpaired=self.unpaired)


class ImportedRecipe(Recipe):
    """The place of a value; every field is part of its key."""

    row: str = Field("", description="label of the row in the file")
    group: str | None = Field(None, description="group of the row in the file")
    source: str = Field("", description="SHA-256 of the file")


class Imported(Task[ImportedRecipe]):
    """The task of imported values: it trains nothing.

    Args:
        metrics: those of the study; none for the task alone.
    """

    Recipe = ImportedRecipe

    def __init__(self, metrics: Mapping[str, Any] = {}) -> None:
        self.metrics = {name: goal == "min" for name, goal in metrics.items()}

    def run(
        self, recipe: ImportedRecipe, seed: int, workdir: Path, needs: Mapping[str, Path] = NO_NEEDS
    ) -> Iterator[Message]:
        """Refuse: see the class."""
        raise TrialError(NOT_TRAINED)


NOT_TRAINED = (
    "the results of this study were imported, and ablate cannot train them; `ablate import` again reads a newer file. "
    "To train with ablate, write a study: `ablate init SCRIPT` drafts one"
)
task = Imported()
