"""Rows of a plan: resolved recipes with the data they mean and the trials they need; copies of them for an audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.data.datasets import pin
from ablate.errors import DataError, Problem, RegistryError, StudyError, TrialError, quote
from ablate.recipes.classify import NetworkFields, Recipe
from ablate.study.document import Study
from ablate.study.resolve import Resolved
from ablate.trials.needs import Blueprint, build_blueprint, label_of_need
from ablate.trials.registry import NamedTask


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the result table.

    Attributes:
        label: unique in the study.
        group: rows are compared within a group; None where the study has none.
        set: what the row changes in the study's base, field by field.
        recipe: the resolved recipe, an instance of its task's `Recipe`.
        is_baseline: whether the rows of its group are compared with it.
        levels: of a generated row, factor -> label of its level, without factors that do not apply.
        replicate: added to that of the plan's trials; 1 for the audit copy of a baseline, which has the same recipe
            and other random numbers.
        needs: name -> the trials from whose weights those of this row start, but for seed and replicate.
    """

    label: str
    group: str | None
    set: Mapping[str, Any]
    recipe: BaseModel
    is_baseline: bool
    levels: Mapping[str, str] = field(default_factory=dict)
    replicate: int = 0
    needs: Mapping[str, Blueprint] = field(default_factory=dict)

    @property
    def needs_by_label(self) -> dict[str, Blueprint]:
        """What it needs, by the label under which the study holds it."""
        return {label_of_need(name, self.label): need for name, need in self.needs.items()}


def build_rows(
    study: Study, named: NamedTask, resolved: Sequence[Resolved], baselines: Mapping[str | None, str]
) -> tuple[Row, ...]:
    """The rows of resolved recipes.

    Args:
        study: whose rows.
        named: its task.
        resolved: explicit rows first, as in the document.
        baselines: group -> label.

    Raises:
        StudyError: what is known of a folder of images cannot be read, or what a row needs cannot be.
    """
    problems: list[Problem] = []
    rows = []
    for index, row in enumerate(resolved):
        recipe = pinned(row.recipe)
        try:
            needs = build_blueprint(named, recipe).needs
        except (TrialError, ValidationError) as error:
            place = f"/rows/{index}" if index < len(study.rows) else "/factors"
            problems.append(Problem(place, "invalid", f"row {quote(row.label)}: {_sentence(error)}"))
            continue
        is_baseline = baselines[row.group] == row.label
        rows.append(Row(row.label, row.group, row.set, recipe, is_baseline, row.levels, needs=needs))
    if problems:
        raise StudyError(problems)
    return tuple(rows)


def _sentence(error: TrialError | ValidationError) -> str:
    """What is wrong, in one line; pydantic's own text of a wrong recipe would show what was given."""
    if isinstance(error, TrialError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"])) or error.title
    return f"what it needs cannot be trained: {place}: {first['msg'].removeprefix('Value error, ')}"


def pinned(recipe: BaseModel) -> BaseModel:
    """The recipe with its data set by the name of what it holds now: a registered folder may hold something else soon.

    So with the data set of a recipe inside it, from which a trial that it needs is made.

    Raises:
        StudyError: what is known of a folder cannot be read.
    """
    if not isinstance(recipe, NetworkFields):
        return recipe
    inner = {name: value for name, value in recipe if isinstance(value, Recipe)}
    changes: dict[str, Any] = {name: _with_pinned_data(value, f"/base/{name}") for name, value in inner.items()}
    return _with_pinned_data(recipe, "/base").model_copy(update=changes)


def _with_pinned_data(recipe: Recipe, place: str) -> Recipe:
    name = getattr(recipe, "dataset", None)
    if name is None:
        return recipe
    try:
        return recipe.model_copy(update={"dataset": pin(name)})
    except DataError as error:
        code = "data_damaged" if isinstance(error, RegistryError) else "no_data"
        raise StudyError([Problem(f"{place}/dataset", code, str(error))]) from error


def copy_baselines(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The baselines once more, as replicates, under labels of their own."""
    return tuple(
        replace(row, label=f"(audit copy) {row.label}", is_baseline=False, replicate=1)
        for row in rows
        if row.is_baseline
    )


def check_hidden_labels(rows: Sequence[Row], audits: Sequence[Row]) -> None:
    """No row may be called as an audit copy or what a row needs is.

    Raises:
        StudyError: with every such label.
    """
    problems = list(_taken(rows, audits))
    if problems:
        raise StudyError(problems)


def _taken(rows: Sequence[Row], audits: Sequence[Row]) -> Iterator[Problem]:
    labels = {row.label for row in rows}
    for label in (audit.label for audit in audits if audit.label in labels):
        yield Problem("/audit", "duplicate", f"a row is called {quote(label)}, as the audit's own is")
    for row in (*rows, *audits):
        for label in labels & row.needs_by_label.keys():
            text = f"a row is called {quote(label)}, as what row {quote(row.label)} needs is; give it another label"
            yield Problem("/rows", "duplicate", text)
