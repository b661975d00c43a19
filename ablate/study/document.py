"""The study document: the shape of what a user writes, with every error at once.

`ablate.study.text` reads its text; `Study` is the shape; `ablate.study.designs` makes rows of it; `ablate.study.plan`
makes trials of the rows. This module imports neither torch nor a task's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, field_validator

from ablate.documents import Document
from ablate.errors import Problem, StudyError
from ablate.study.problems import problems_of
from ablate.study.seeds import Seeds

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
NOT_YET = ("search", "pivot")
"""Fields of the contract that are not built yet: refused by name, never ignored."""


def _is_printable(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    if any(not character.isprintable() for character in text):
        raise ValueError("holds a character that cannot be printed (a line break, a control or a surrogate)")
    return text


Label = Annotated[str, Field(max_length=200), AfterValidator(_is_printable)]
Patch = dict[str, Any]


class StrictDocument(Document):
    """A document whose scalars are not coerced: `"3"` is no number and `1` is no boolean."""

    model_config = ConfigDict(**{**Document.model_config, "strict": True})


class RowSpec(StrictDocument):
    """A named row."""

    label: Label
    set: Patch = Field(default_factory=dict)
    group: Label | None = None


class GroupSpec(StrictDocument):
    """What the named rows of a group share, such as their network: set over base, and at a scale over the scale."""

    set: Patch = Field(default_factory=dict)
    scales: dict[str, Patch] = Field(default_factory=dict)


class LevelSpec(StrictDocument):
    """A level with a name of its own."""

    label: Label
    set: Patch


class FactorSpec(StrictDocument):
    """A factor: `levels` for grid and one_at_a_time, `off` for leave_one_out."""

    name: Label
    levels: list[Any] | None = Field(None, min_length=1)
    off: Patch | None = None


class Resources(StrictDocument):
    """What one trial occupies. No part of a trial's identity."""

    cpus: int = Field(1, ge=1, le=1024, description="threads of a trial")
    gpus: float = Field(0, ge=0, le=64, description="GPUs of a trial; fractions share one, above 1 whole numbers")

    @field_validator("gpus")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"{gpus:g} GPUs are no whole number; a fraction is of one GPU")
        return gpus


class TableSpec(StrictDocument):
    """How the table reads, and how it decides: the last four are fixed before the trials run.

    Attributes:
        margin: differences up to this, in units of the primary metric, are as good as none; without it no row is ever
            called equivalent.
        alpha: chance that a family without any difference shows a decided row.
        test: `auto` takes the exact sign flip where it can decide at all, else the paired t test.
        headline: labels of the rows that the agreement with the paper rests on; default: all with a claim.
    """

    baseline: Label | dict[str, Label] | None = None
    published: str | None = Field(None, max_length=64)
    group_by: str | None = Field(None, max_length=64)
    margin: float | None = Field(None, gt=0, allow_inf_nan=False)
    alpha: float = Field(0.05, ge=0.0001, le=0.5)
    test: Literal["auto", "flip", "t", "pooled"] = "auto"
    headline: list[Label] | None = Field(None, min_length=1)


class CanarySpec(StrictDocument):
    """Labels of the rows that a schedule trains again to see whether they still give the same numbers."""

    rows: list[Label] = Field(min_length=1)


class Study(StrictDocument):
    """A study as written. `Study.parse` is the way in: it collects every error."""

    name: str = Field(pattern=NAME)
    title: str = Field("", max_length=300)
    question: str = Field("", max_length=2000)
    seeds: Seeds = 3
    metric: str | None = Field(None, max_length=64)
    metrics: list[str] = Field(default_factory=list, max_length=64)
    priority: int = Field(0, ge=-100, le=100)
    design: Literal["rows", "grid", "leave_one_out", "one_at_a_time"] | None = None
    base: Patch = Field(default_factory=dict)
    resources: Resources = Field(default_factory=Resources)
    scales: dict[str, Patch] = Field(default_factory=dict)
    groups: dict[Label, GroupSpec] = Field(default_factory=dict)
    rows: list[RowSpec] = Field(default_factory=list)
    factors: list[FactorSpec] = Field(default_factory=list)
    exclude: list[Patch] = Field(default_factory=list)
    table: TableSpec = Field(default_factory=TableSpec)
    canary: CanarySpec | None = Field(None, description="what a schedule of mode verify trains; default: baselines")
    audit: bool = Field(False, description="train a hidden copy of each baseline, which must not come out different")

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, a count n standing for 0..n-1."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else tuple(self.seeds)

    @property
    def design_or_default(self) -> str:
        """The design: as written, else grid where there are factors, else rows."""
        return self.design or ("grid" if self.factors else "rows")

    @classmethod
    def parse(cls, document: object) -> Study:
        """A study from a plain mapping (parsed TOML or JSON).

        Raises:
            StudyError: with every problem of the document's shape; recipes are checked when rows are made.
        """
        problems = problems_of_shape(document)
        if problems:
            raise StudyError(problems)
        return cls.model_validate(document)


PARTS: Mapping[str, type[Document]] = {
    "rows": RowSpec, "groups": GroupSpec, "factors": FactorSpec, "resources": Resources, "table": TableSpec,
    "canary": CanarySpec,
}  # fmt: skip
"""What stands in a study's fields, or in the lists and tables there."""


def problems_of_shape(document: object) -> list[Problem]:
    """Every problem of a document's shape; recipes are not looked at."""
    problems = list(_fields_to_come(document))
    try:
        Study.model_validate(document)
    except ValidationError as error:
        problems += problems_of(error, Study, PARTS, skip={problem.pointer for problem in problems})
    return problems


def with_resources(document: Any, asked: Mapping[str, float]) -> Any:
    """A document that asks for other resources: they belong to the machine at hand, and change no result's identity."""
    if not asked or not isinstance(document, Mapping):
        return document
    written = document.get("resources", {})
    return {**document, "resources": {**(written if isinstance(written, Mapping) else {}), **asked}}


def _fields_to_come(document: object) -> list[Problem]:
    if not isinstance(document, Mapping):
        return []
    problems = [
        Problem(f"/{name}", "not_yet_supported", f"'{name}' is not yet supported")
        for name in NOT_YET
        if name in document
    ]
    if isinstance(document.get("seeds"), Mapping):
        text = "seeds as {min, max, alpha} is not yet supported; give a count or a list"
        problems.append(Problem("/seeds", "not_yet_supported", text))
    return problems
