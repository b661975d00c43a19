"""Rows of a plan: resolved recipes with pinned data sets and the trials they need; replicates of them for an audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.data.datasets import pin
from ablate.errors import Code, DataError, Findings, Problem, RegistryError, StudyError, TrialError, quote
from ablate.recipes.classify import NetworkFields, Recipe
from ablate.study.document import Study
from ablate.study.names import full_name
from ablate.study.resolve import Resolved
from ablate.trials.needs import Blueprint, build_blueprint, label_of_need
from ablate.trials.registry import NamedTask


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the result table.

    Attributes:
        label: unique in its group.
        group: rows are compared within a group; None if the study has no groups.
        set: recipe fields that the row changes in the study's base.
        recipe: the resolved recipe, an instance of its task's `Recipe`.
        is_baseline: whether the other rows of its group are compared with it.
        levels: factor -> label of its level, for a generated row, without factors that do not apply.
        replicate: number added to the replicate of the plan's trials; 1 for the audit replicate of a baseline, which
            has the same recipe and other random numbers.
        blueprint: the row's trials without seed and replicate; None for a row that is not planned.
        line: line of the pivoted table in which the row is one cell; None if the study has no pivot.
        is_shared: whether another group has a row of the same label.
    """

    label: str
    group: str | None
    set: Mapping[str, Any]
    recipe: BaseModel
    is_baseline: bool
    levels: Mapping[str, str] = field(default_factory=dict)
    replicate: int = 0
    blueprint: Blueprint | None = None
    line: str | None = None
    is_shared: bool = False

    @property
    def name(self) -> str:
        """What the row is called in its study, unique there; see `ablate.study.names`."""
        return full_name(self.group, self.label) if self.is_shared else self.label

    @property
    def needs(self) -> Mapping[str, Blueprint]:
        """Name -> the trials that this row's trials take weights from, without seed and replicate."""
        return self.blueprint.needs if self.blueprint else {}

    @property
    def needs_by_name(self) -> dict[str, Blueprint]:
        """The trials it needs, by their name in the study."""
        return {label_of_need(name, self.name): need for name, need in self.needs.items()}


def build_rows(
    study: Study, named: NamedTask, resolved: Sequence[Resolved], baselines: Mapping[str | None, str]
) -> tuple[Row, ...]:
    """Build the rows from resolved recipes.

    Args:
        study: the document.
        named: its task.
        resolved: explicit rows first, as in the document.
        baselines: group -> label.

    Raises:
        StudyError: the record of a registered folder cannot be read, or a trial that a row needs is invalid.
    """
    found = Findings()
    rows = []
    pin_once = cache(pin)  # a study has few data sets, and each one is looked up on the disk
    for index, row in enumerate(resolved):
        recipe = pinned(row.recipe, pin_once)
        try:
            blueprint = build_blueprint(named, recipe)
        except (TrialError, ValidationError) as error:
            place = f"/rows/{index}" if index < len(study.rows) else "/factors"
            found.add(Problem(place, "invalid", f"row {quote(row.name)}: {_sentence(error)}"))
            if found.is_full:
                break
            continue
        is_baseline = baselines[row.group] == row.label
        more: dict[str, Any] = {"blueprint": blueprint, "is_shared": row.is_shared}
        rows.append(Row(row.label, row.group, row.set, recipe, is_baseline, row.levels, **more))
    found.refuse()
    return tuple(rows)


def _sentence(error: TrialError | ValidationError) -> str:
    """The error in one line; pydantic's own text would repeat the given value."""
    if isinstance(error, TrialError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"])) or error.title
    return f"the trial it needs is invalid: {place}: {first['msg'].removeprefix('Value error, ')}"


def pinned(recipe: BaseModel, pin: Callable[[str], str] = pin) -> BaseModel:
    """The recipe with the current fingerprint in the name of a registered folder, whose content may change later.

    The same applies to the recipes inside it, such as that of a backbone.

    Raises:
        StudyError: the record of a registered folder cannot be read.
    """
    if not isinstance(recipe, NetworkFields):
        return recipe
    inner = {name: value for name, value in vars(recipe).items() if isinstance(value, Recipe)}
    changes: dict[str, Any] = {name: _with_pinned_data(value, f"/base/{name}", pin) for name, value in inner.items()}
    own = _with_pinned_data(recipe, "/base", pin)
    return own.model_copy(update=changes) if changes else own


def _with_pinned_data(recipe: Recipe, place: str, pin: Callable[[str], str]) -> Recipe:
    name = getattr(recipe, "dataset", None)
    if name is None:
        return recipe
    try:
        found = pin(name)
        return recipe if found == name else recipe.model_copy(update={"dataset": found})
    except DataError as error:
        code: Code = "data_damaged" if isinstance(error, RegistryError) else "no_data"
        raise StudyError([Problem(f"{place}/dataset", code, str(error))]) from error


def copy_baselines(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The baselines as audit replicates, with their own labels."""
    return tuple(
        replace(row, label=f"(audit copy) {row.label}", is_baseline=False, replicate=1)
        for row in rows
        if row.is_baseline
    )


def check_hidden_labels(rows: Sequence[Row], audits: Sequence[Row]) -> None:
    """Refuse a row with the label of an audit replicate or of a needed trial.

    Raises:
        StudyError: with every such label.
    """
    Findings(_taken(rows, audits)).refuse()


def _taken(rows: Sequence[Row], audits: Sequence[Row]) -> Iterator[Problem]:
    labels = {row.name for row in rows}
    for label in (audit.name for audit in audits if audit.name in labels):
        yield Problem(
            "/audit", "duplicate", f"row {quote(label)} has the label of an audit copy; give it another label"
        )
    for row in (*rows, *audits):
        for label in labels & row.needs_by_name.keys():
            text = (
                f"row {quote(label)} has the label of a trial that row {quote(row.name)} needs; give it another label"
            )
            yield Problem("/rows", "duplicate", text)
