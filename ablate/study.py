"""The study document: what a user writes, read strictly, with every error at once.

`Study` is the shape; `ablate.designs` makes rows of it; `ablate.plan` makes trials of the rows. JSON over REST and
TOML files are the same document. This module imports neither torch nor a task's code.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, field_validator

from ablate.errors import Problem, StudyError, nearest, quote
from ablate.seeds import Seeds
from ablate.trial import Document

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MAX_DEPTH = 32
MAX_KEYS = 1_000
"""In one object of a JSON text. No honest study comes near, and each unknown name costs a search for the nearest."""
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


def problems_of_shape(document: object) -> list[Problem]:
    """Every problem of a document's shape; recipes are not looked at."""
    problems = list(_fields_to_come(document))
    try:
        Study.model_validate(document)
    except ValidationError as error:
        problems += _problems_of(Study, error, skip={problem.pointer for problem in problems})
    return problems


def with_resources(document: Any, asked: Mapping[str, float]) -> Any:
    """A document that asks for other resources: they belong to the machine at hand, and change no result's identity."""
    if not asked or not isinstance(document, Mapping):
        return document
    written = document.get("resources", {})
    return {**document, "resources": {**(written if isinstance(written, Mapping) else {}), **asked}}


def read_document(path: Path) -> Any:
    """The document in a `.toml` or `.json` file, not yet validated.

    Raises:
        StudyError: the file cannot be read, or is not TOML or JSON.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StudyError([Problem("", "unreadable", f"cannot read study file {quote(path)}: {reason}")]) from error
    return parse_json(text) if path.suffix == ".json" else parse_toml(text)


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML text as a mapping; StudyError with line and column where it is none."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is no TOMLDecodeError
        raise StudyError([Problem("", "not_toml", f"not TOML: {error}")]) from error


def parse_json(text: str) -> Any:
    """A JSON text, read strictly.

    Raises:
        StudyError: not JSON, NaN or infinity, a key given twice, a lone surrogate, or depth above 32.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite_float)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else _json_reason(error)
        raise StudyError([Problem("", "not_json", f"not strict JSON: {reason}")]) from error
    if _depth(value) > MAX_DEPTH:
        raise StudyError([Problem("", "not_json", f"not strict JSON: nested deeper than {MAX_DEPTH} levels")])
    return value


def _json_reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "a lone surrogate" if isinstance(error, UnicodeEncodeError) else str(error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise ValueError(f"an object has {len(pairs):,} keys; at most {MAX_KEYS:,} are read")
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key is given twice in one object")
    return mapping


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


def _depth(value: object) -> int:
    deepest, layer = 0, [value]
    while layer:
        deepest += 1
        layer = [
            child
            for item in layer
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return deepest - 1


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


def _problems_of(model: type[Document], error: ValidationError, skip: set[str]) -> list[Problem]:
    """A pydantic error as problems: pointers for places, one problem a place, the nearest name for a typo."""
    problems: dict[str, Problem] = {}
    for item in error.errors(include_url=False, include_input=False):
        is_name = item["type"] in ("extra_forbidden", "missing")
        location = _without_union_branches(item["loc"], is_name=is_name)
        pointer = pointer_of(location)
        if any(pointer == place or pointer.startswith(place + "/") for place in skip):
            continue
        if item["type"] == "extra_forbidden":
            allowed = _fields_at(model, location[:-1])
            message = f"no field {quote(location[-1])} here{nearest(str(location[-1]), allowed)}"
            problems.setdefault(pointer, Problem(pointer, "unknown_field", message))
        elif item["type"] == "missing":
            problems.setdefault(pointer, Problem(pointer, "missing", f"'{location[-1]}' is missing"))
        else:
            message = sentence(item["msg"].removeprefix("Value error, "))
            problems.setdefault(pointer, Problem(pointer, "invalid", message))
    return list(problems.values())


def sentence(message: str) -> str:
    """Pydantic's message in the manner of ours."""
    message = re.sub(r"a valid dictionary or instance of \w+|a valid dictionary", "a table", message)
    for theirs, ours in (("Input should be", "should be"), ("String should", "should"), ("a valid ", "a ")):
        message = message.replace(theirs, ours)
    return (
        message.replace("a integer", "a whole number").replace("a string", "text").replace("a tuple", "a list").strip()
    )


def _without_union_branches(location: tuple[int | str, ...], *, is_name: bool) -> tuple[int | str, ...]:
    """Pydantic names the branch of a union in the location (`constrained-int`, `list[...]`); a user has none.

    Where the last part is a name that a user wrote, it stays, however it looks.
    """
    last = len(location) - 1
    return tuple(
        part
        for index, part in enumerate(location)
        if (is_name and index == last) or not (isinstance(part, str) and re.search(r"\[|-|^(int|str|float)$", part))
    )


def _fields_at(model: type[Document], location: tuple[int | str, ...]) -> list[str]:
    kinds: dict[str, type[Document]] = {
        "rows": RowSpec, "groups": GroupSpec, "factors": FactorSpec, "resources": Resources, "table": TableSpec,
        "canary": CanarySpec,
    }  # fmt: skip
    return list((kinds.get(str(location[0]), model) if location else model).model_fields)


def pointer_of(parts: tuple[int | str, ...]) -> str:
    """JSON pointer (RFC 6901) of a location; a part that could deceive is replaced by `(unprintable)`."""
    safe = (quote(part).strip("'") for part in parts)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in safe)
