"""The study document: the shape of what a user writes. Validation reports every error together.

`ablate.study.text` parses the file, `Study` is its shape, `ablate.study.designs` expands it into rows, and
`ablate.study.plan` expands the rows into trials. This module imports neither torch nor the code of a task.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from ablate.documents import Document
from ablate.errors import Findings, Problem
from ablate.limits import MAX_AXES, MAX_ITEMS, MAX_LABEL, MAX_TRIALS
from ablate.recipes.classify import ClassifyRecipe
from ablate.study.command import CommandSpec
from ablate.study.imported import ImportedSpec
from ablate.study.include import FIELD, NO_FILES, POINTER
from ablate.study.problems import NAME, problems_of
from ablate.study.resources import LimitsSpec, ResourcesSpec
from ablate.study.seeds import Folds, Seeds
from ablate.study.strict import StrictDocument
from ablate.text import visible

NOT_YET = ("search",)
"""Fields that are planned and not built yet: refused by name, never ignored."""


def _is_visible(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    if hidden := hidden_in(text):
        raise ValueError(hidden)
    return text


def hidden_in(text: str) -> str:
    """What a label must not have, and has: a character that is not shown; empty if every character is."""
    hidden = next((one for one in text if visible(one) != one), None)
    return "" if hidden is None else f"contains {visible(hidden)}, a character that is not shown; remove it"


WRITTEN_GROUPS = "group"
"""The pivot of a study whose named rows are in groups of their own."""

Label = Annotated[str, Field(max_length=MAX_LABEL), AfterValidator(_is_visible)]
Patch = dict[str, Any]


class RowSpec(StrictDocument):
    """A named row as written in `[[rows]]`.

    Attributes:
        label: unique in its group.
        set: recipe fields that the row changes.
        group: group within which the row is compared.
    """

    label: Label
    set: Patch = Field(default_factory=dict)
    group: Label | None = None


class GroupSpec(StrictDocument):
    """Recipe fields that the named rows of a group share, such as their network.

    Attributes:
        set: fields applied after `[base]` and the scale.
        scales: scale -> fields applied after `set` at that scale.
    """

    set: Patch = Field(default_factory=dict)
    scales: dict[str, Patch] = Field(default_factory=dict)


class LevelSpec(StrictDocument):
    """A level with its own name.

    Attributes:
        label: name of the level in row labels.
        set: recipe fields that the level changes.
    """

    label: Label
    set: Patch


class FactorSpec(StrictDocument):
    """A factor of a generated design.

    Attributes:
        name: recipe field, or any name where every level has `label` and `set`.
        levels: values, for the designs `grid` and `one_at_a_time`.
        off: recipe fields that switch the factor off, for the design `leave_one_out`.
    """

    name: Label
    levels: list[Any] | None = Field(None, min_length=1, max_length=MAX_ITEMS)
    off: Patch | None = None


class TableSpec(StrictDocument):
    """Layout of the table and its statistical decisions. The last four fields are fixed before the trials run.

    Attributes:
        baseline: label of the row that the others are compared with, or a map from group to label; default: the first
            row of each group.
        published: id of the printed table whose numbers are shown, such as `T7`.
        group_by: factor or recipe field that assigns generated rows to groups.
        pivot: the same field, or `group` for groups of named rows: the printed table has a column for each group.
        margin: largest difference, in units of the primary metric, that counts as equivalent; without it no row is
            called equivalent.
        alpha: probability that a family without any real difference contains a decided row.
        test: `auto` is the exact sign-flip test where it can reach significance, else the paired t test.
        headline: labels of the rows that decide the agreement with the paper; default: every row with a claim.
    """

    baseline: Label | dict[str, Label] | None = None
    published: str | None = Field(None, max_length=64)
    group_by: str | None = Field(None, max_length=64)
    pivot: str | None = Field(None, max_length=64)
    margin: float | None = Field(None, gt=0, allow_inf_nan=False)
    alpha: float = Field(0.05, ge=0.0001, le=0.5)
    test: Literal["auto", "flip", "t", "pooled"] = "auto"
    headline: list[Label] | None = Field(None, min_length=1, max_length=MAX_ITEMS)

    @property
    def groups_by(self) -> str | None:
        """The factor or recipe field that assigns rows to groups; None if at most the rows name their groups."""
        return self.group_by if self.group_by is not None or self.pivot == WRITTEN_GROUPS else self.pivot


class CanarySpec(StrictDocument):
    """Rows that a schedule retrains to check that they still give the same numbers.

    Attributes:
        rows: labels of these rows.
    """

    rows: list[Label] = Field(min_length=1, max_length=MAX_ITEMS)


class Study(StrictDocument):
    """A study as written. Use `Study.parse` to read one: it reports every error together."""

    name: str = Field(pattern=NAME)
    title: str = Field("", max_length=300)
    question: str = Field("", max_length=2000)
    seeds: Seeds = 3
    folds: Folds | None = Field(
        None,
        exclude_if=lambda folds: folds is None,
        description="a script trains each seed once for each fold, `{fold}` in its command; then the default is 1 seed",
    )
    metric: str | None = Field(None, max_length=64)
    metrics: list[str] = Field(default_factory=list, max_length=64)
    priority: int = Field(0, ge=-100, le=100)
    design: Literal["rows", "grid", "leave_one_out", "one_at_a_time"] | None = None
    base: Patch = Field(default_factory=dict)
    overrides: Patch = Field(
        default_factory=dict,
        exclude_if=lambda fields: not fields,
        description="recipe fields that replace those of base and scale, as `--set` does; rows keep what they set",
    )
    command: CommandSpec | None = Field(None, description="a script of one's own that trains every trial")
    resources: ResourcesSpec = Field(default_factory=ResourcesSpec)
    limits: LimitsSpec | None = Field(
        None, exclude_if=lambda chosen: chosen is None, description="how much the study may use at most"
    )
    imported: ImportedSpec | None = Field(
        None,
        exclude_if=lambda spec: spec is None,
        description="where the values come from, in a study that `ablate import` wrote",
    )
    scales: dict[Label, Patch] = Field(default_factory=dict)
    groups: dict[Label, GroupSpec] = Field(default_factory=dict)
    rows: list[RowSpec] = Field(default_factory=list)
    factors: list[FactorSpec] = Field(default_factory=list, max_length=MAX_AXES)
    exclude: list[Patch] = Field(default_factory=list, max_length=MAX_ITEMS)
    table: TableSpec = Field(default_factory=TableSpec)
    canary: CanarySpec | None = Field(
        None, description="rows that a schedule of mode verify retrains; default: the baselines"
    )
    pilot: bool = Field(
        False,
        description="a trial run: its table decides nothing, so that the study with other seeds is not a second try",
    )
    minus_labels: bool = Field(
        False,
        exclude_if=lambda chosen: not chosen,
        description="label the rows of a leave-one-out design '- NAME', as studies of earlier versions do, instead of "
        "'without NAME'",
    )
    audit: bool = Field(False, description="train a hidden replicate of each baseline, which must not differ from it")

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds as a tuple; a count n means 0..n-1."""
        seeds = 1 if self.folds and "seeds" not in self.model_fields_set else self.seeds
        return tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)

    @property
    def design_or_default(self) -> str:
        """The design as written; default: `grid` if the study has factors, else `rows`."""
        return self.design or ("grid" if self.factors else "rows")

    @classmethod
    def parse(cls, document: object, max_rows: int = MAX_TRIALS) -> Study:
        """Validate a plain mapping (parsed TOML or JSON).

        Raises:
            StudyError: with every problem in the document's shape. Recipes are validated later, when rows are built.
        """
        study, found = read_shape(document, max_rows)
        if study is None:
            raise found.error()
        return study


COMPONENTS: Mapping[str, type[Document]] = {
    "rows": RowSpec, "groups": GroupSpec, "factors": FactorSpec, "resources": ResourcesSpec, "limits": LimitsSpec,
    "table": TableSpec, "canary": CanarySpec, "command": CommandSpec, "imported": ImportedSpec,
}  # fmt: skip
"""Field of a study -> class of its value, or of the items in its list or table."""


OTHER_PLACES: Mapping[str, Collection[str]] = {
    "at the top of the study": Study.model_fields,
    "in [resources]": ResourcesSpec.model_fields,
    "in [limits]": LimitsSpec.model_fields,
    "in [table]": TableSpec.model_fields,
}
"""Names that people write in another table than theirs, by what belongs to them; see `ablate.errors.nearest`."""


def read_shape(document: object, max_rows: int) -> tuple[Study | None, Findings]:
    """The study, or None and the problems in its shape. Recipes are not validated, nor rows above `max_rows`."""
    found = Findings(_fields_to_come(document))
    rows = document.get("rows") if isinstance(document, Mapping) else None
    if isinstance(document, Mapping) and isinstance(rows, list) and len(rows) > max_rows:
        text = f"the study has {len(rows):,} rows, above the limit of {max_rows:,} trials; remove rows"
        found.add(Problem("/rows", "too_many", text))
        document = {**document, "rows": []}
    try:
        study = Study.validated(document)
    except ValidationError as error:
        skip = {problem.pointer for problem in found.problems}
        elsewhere = {**OTHER_PLACES, "in [base]": ClassifyRecipe.model_fields}
        inside = problems_of(document, error, Study, COMPONENTS, skip=skip, elsewhere=elsewhere)
        found.extend(inside.problems, inside.more)
        return None, found
    return None if found else study, found


def with_resources(document: Any, asked: Mapping[str, float]) -> Any:
    """The document with other `[resources]`, which depend on the machine and are not part of a trial's identity."""
    if not asked or not isinstance(document, Mapping):
        return document
    written = document.get("resources", {})
    return {**document, "resources": {**(written if isinstance(written, Mapping) else {}), **asked}}


def _fields_to_come(document: object) -> list[Problem]:
    if not isinstance(document, Mapping):
        return []
    problems = [
        Problem(f"/{name}", "not_yet_supported", f"'{name}' is not yet supported; remove it")
        for name in NOT_YET
        if name in document
    ]
    if FIELD in document:
        problems.append(Problem(POINTER, "not_supported", NO_FILES))
    if isinstance(document.get("seeds"), Mapping):
        text = "a table {min, max, alpha} is not yet supported; give a count or a list of seeds"
        problems.append(Problem("/seeds", "not_yet_supported", text))
    return problems
