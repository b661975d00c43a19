"""The plan of a study: which rows it has, which trials they need, and in which order they run.

Pure: documents in, values out, but for the name of what a registered folder of images holds at this moment. It imports
neither torch nor a store. Sequential seeds and search will be further inputs of `plan`; nothing else decides what runs.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import BaseModel

from ablate import checks
from ablate.baselines import check_labels, choose_baselines
from ablate.canaries import check_canary, pick_canaries
from ablate.datasets import pin
from ablate.designs import build_design
from ablate.errors import DataError, Problem, StudyError, collecting, quote
from ablate.recipe import NetworkFields, applicable_values, identity_of
from ablate.resolve import check_base, resolve_rows
from ablate.study import Study, problems_of_shape
from ablate.tasks import NamedTask
from ablate.trial import FIRST, Repetition, Trial, trial_key

MAX_TRIALS = 10_000
"""Trials of one study, unless ABLATE_MAX_TRIALS says otherwise."""


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
    """

    label: str
    group: str | None
    set: Mapping[str, Any]
    recipe: BaseModel
    is_baseline: bool
    levels: Mapping[str, str] = field(default_factory=dict)
    replicate: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A study at one scale, expanded.

    Attributes:
        study: the document.
        scale: name of the scale, None for base as it stands.
        seeds: the blocks, in order.
        rows: in the order of the table.
        audits: copies of the baselines, trained and compared but no rows of the table; none unless the study asks.
        metric: the primary metric; `metrics` the further columns.
        lower_is_better: direction of every metric of the task.
        trials: distinct trials by key, in the order in which they run: the baseline and one seed of every row first.
        memberships: (row label, seed) -> key, audit copies among them. Two rows with the same recipe share trials.
        excluded: labels of generated cells that `exclude` cut.
        warnings: findings that do not stop the study.
        repetition: of the trials.
    """

    study: Study
    scale: str | None
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    audits: tuple[Row, ...]
    metric: str
    metrics: tuple[str, ...]
    lower_is_better: Mapping[str, bool]
    trials: Mapping[str, Trial]
    memberships: Mapping[tuple[str, int], str]
    excluded: tuple[str, ...]
    warnings: tuple[Problem, ...]
    repetition: Repetition = FIRST

    def outstanding(self, known: Collection[str]) -> tuple[Trial, ...]:
        """The trials still to be trained, in order, given the keys whose result is known."""
        return tuple(trial for key, trial in self.trials.items() if key not in known)


def plan(
    study: Study,
    *,
    scale: str | None = None,
    seeds: int | None = None,
    repetition: Repetition = FIRST,
    max_trials: int = MAX_TRIALS,
) -> Plan:
    """Expand a study.

    Args:
        study: the document.
        scale: name of a scale; None takes `mini` where the study has it, else base as it stands.
        seeds: a count that overrides the document's.
        repetition: of every trial.
        max_trials: above this the study is refused.

    Raises:
        StudyError: with every problem found. A wrong scale is at `/scale`, which is an option and no part of the
            document.
    """
    named = checks.get_named_task(study)
    blocks = study.seed_list if seeds is None else tuple(range(seeds))
    problems: list[Problem] = []
    chosen: str | None = None
    metrics: tuple[str, ...] = ()
    laid_out = _Layout()
    with collecting(problems):
        chosen = checks.pick_scale(study, scale)
    with collecting(problems):
        metrics = checks.pick_metrics(study, named)
    for check in (partial(check_base, recipe_class=named.task.Recipe), checks.check_printed_table, check_labels):
        with collecting(problems):
            check(study)
    with collecting(problems):
        laid_out = _lay_out(study, chosen, len(blocks), named, max_trials, problems)
    if problems:
        raise StudyError(problems)
    if repetition.canary_only:
        laid_out = replace(laid_out, rows=pick_canaries(study, laid_out.rows), audits=())
    trials, memberships = _trials_of((*laid_out.rows, *laid_out.audits), blocks, named, repetition)
    return Plan(
        study=study,
        scale=chosen,
        seeds=blocks,
        rows=laid_out.rows,
        audits=laid_out.audits,
        metric=metrics[0],
        metrics=metrics[1:],
        lower_is_better=dict(named.task.metrics),
        trials=trials,
        memberships=memberships,
        excluded=laid_out.excluded,
        warnings=(
            *laid_out.warnings,
            *checks.idle_fields(study, chosen, laid_out.rows),
            *checks.row_warnings(laid_out.rows, blocks, memberships),
            *checks.table_warnings(study, laid_out.rows, blocks),
        ),
        repetition=repetition,
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """The rows of a study at a scale; see `Plan`."""

    rows: tuple[Row, ...] = ()
    audits: tuple[Row, ...] = ()
    excluded: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()


def _lay_out(
    study: Study, scale: str | None, seeds: int, named: NamedTask, max_trials: int, problems: list[Problem]
) -> _Layout:
    """Expand the design, resolve every row's recipe and choose baselines.

    Raises:
        StudyError: with every problem of rows; those of the design that leave rows to look at go into `problems`.
    """
    design = build_design(study, list(named.task.Recipe.model_fields), max_cells=10 * max_trials)
    problems += design.problems
    resolved = resolve_rows(study, scale, design, named.task.Recipe)
    checks.refuse_too_many(len(resolved), 0, seeds, max_trials)
    baselines = choose_baselines(study, resolved, design.anchor)
    rows = tuple(
        Row(row.label, row.group, row.set, _pinned(row.recipe), baselines[row.group] == row.label, row.levels)
        for row in resolved
    )
    checks.check_published(study, rows)
    checks.check_headline(study, rows)
    check_canary(study, rows)
    checks.check_ranks(study, rows)
    audits = _audits_of(rows) if study.audit else ()
    checks.refuse_too_many(len(rows), len(audits), seeds, max_trials)
    return _Layout(rows, audits, tuple(design.excluded), tuple(design.warnings))


def _pinned(recipe: BaseModel) -> BaseModel:
    """The recipe with its data set by the name of what it holds now: a registered folder may hold something else soon.

    Raises:
        StudyError: what is known of the folder cannot be read.
    """
    if not isinstance(recipe, NetworkFields):
        return recipe
    try:
        return recipe.model_copy(update={"dataset": pin(recipe.dataset)})
    except DataError as error:
        raise StudyError([Problem("/base/dataset", "no_data", str(error))]) from error


def plan_document(document: object, **options: Any) -> Plan:
    """`plan` of a document that has not been validated; the options are those of `plan`.

    Raises:
        StudyError: with every problem found. A document of the wrong shape is checked further without the parts that
            are wrong, so that a typo in `[base]` is reported together with one in `[table]`.
    """
    problems: list[Problem] = []
    rest = document
    while found := [problem for problem in problems_of_shape(rest) if problem not in problems]:
        problems += found
        rest = _without(rest, [problem.pointer for problem in found])
    if not problems:
        return plan(Study.model_validate(document), **options)
    if not problems_of_shape(rest):
        content: list[Problem] = []
        with collecting(content):
            plan(Study.model_validate(rest), **options)
        problems += [problem for problem in content if problem.code in CODES_OF_CONTENT]
    raise StudyError(problems)


CODES_OF_CONTENT = frozenset(
    {
        "unknown_field",
        "invalid",
        "exclusive",
        "does_not_apply",
        "unknown_metric",
        "unknown_task",
        "duplicate",
        "unknown_row",
        "unknown_table",
    }
)
"""Problems that cannot have come about by leaving other parts of the document out."""


def _without(document: object, pointers: Sequence[str]) -> object:
    """A copy of a document without the values at these pointers; a row keeps its place, emptied."""
    if not isinstance(document, dict):
        return document
    rest: dict[str, Any] = copy.deepcopy(document)
    for pointer in pointers:
        parts = pointer.split("/")[1:]
        inner = rest.get(parts[0]) if parts else None
        if len(parts) == 2 and isinstance(inner, dict):
            inner.pop(parts[1], None)
        elif len(parts) > 1 and parts[0] == "rows" and isinstance(inner, list):
            inner[int(parts[1])] = {"label": f"(row {parts[1]})"}
        elif parts:
            rest.pop(parts[0], None)
    rest.setdefault("name", "unnamed")
    return rest


def _audits_of(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The baselines once more, as replicates, under labels of their own."""
    labels = {row.label for row in rows}
    audits = [
        replace(row, label=f"(audit copy) {row.label}", is_baseline=False, replicate=1)
        for row in rows
        if row.is_baseline
    ]
    taken = [audit.label for audit in audits if audit.label in labels]
    if taken:
        raise StudyError([Problem("/audit", "duplicate", f"a row is called {quote(taken[0])}, as the audit's own is")])
    return tuple(audits)


def _trials_of(
    rows: Sequence[Row], seeds: Sequence[int], named: NamedTask, repetition: Repetition
) -> tuple[dict[str, Trial], dict[tuple[str, int], str]]:
    trials: dict[str, Trial] = {}
    memberships: dict[tuple[str, int], str] = {}
    content = {row.label: (identity_of(row.recipe), applicable_values(row.recipe)) for row in rows}
    for seed in seeds:
        for row in sorted(rows, key=lambda row: not row.is_baseline):
            identity, values = content[row.label]
            numbers = {"replicate": repetition.replicate + row.replicate, "repeat": repetition.repeat}
            key = trial_key(named.identity, identity, seed, **numbers)
            memberships[row.label, seed] = key
            if key not in trials:
                trials[key] = Trial(key=key, task=named.name, recipe=values, seed=seed, **numbers)
    return trials, memberships
