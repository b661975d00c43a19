"""The plan of a study: which rows it has, which trials they need, and in which order they run.

Pure: documents in, values out, but for the name of what a registered folder of images holds at this moment. It imports
neither torch nor a store. Sequential seeds and search will be further inputs of `plan`; nothing else decides what runs.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ablate.errors import Problem, StudyError, collecting
from ablate.recipes.classify import NetworkFields
from ablate.study import checks
from ablate.study.baselines import check_labels, choose_baselines
from ablate.study.canaries import check_canary, pick_canaries
from ablate.study.designs import build_design
from ablate.study.document import Study, problems_of_shape
from ablate.study.resolve import check_base, resolve_rows
from ablate.study.rows import Row, build_rows, check_hidden_labels, copy_baselines
from ablate.study.summary import summarize
from ablate.trials.needs import Blueprint, build_blueprint
from ablate.trials.registry import NamedTask, get_task
from ablate.trials.trial import FIRST, Repetition, Trial

__all__ = ["MAX_TRIALS", "Plan", "Row", "plan", "plan_document"]

MAX_TRIALS = 10_000
"""Trials of one study, unless ABLATE_MAX_TRIALS says otherwise."""


@dataclass(frozen=True, slots=True, repr=False)
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
        trials: distinct trials by key, in the order in which they run: the baseline and one seed of every row first,
            each behind those that it needs.
        memberships: (row label, seed) -> key, audit copies and what rows need among them. Two rows with the same
            recipe share trials.
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

    def __repr__(self) -> str:
        counts = f"{len(self.rows)} rows, {len(self.seeds)} seeds, {len(self.trials)} distinct trials"
        heading = f"Plan of {self.study.name} at scale {self.scale or 'base'}: {counts}"
        return summarize(heading, self.rows, [problem.message for problem in self.warnings])

    @property
    def needs(self) -> dict[str, Blueprint]:
        """What rows and audit copies need, by the label under which the study holds it; no rows of the table."""
        return {label: need for row in (*self.rows, *self.audits) for label, need in row.needs_by_label.items()}

    @property
    def needed(self) -> set[str]:
        """Keys of the trials that are here because others need them."""
        return {self.memberships[label, seed] for label in self.needs for seed in self.seeds}

    @property
    def first_key(self) -> str:
        """Key of the first trial of the table's own rows, which every study of the same rows and seeds holds."""
        baseline = min(self.rows, key=lambda row: not row.is_baseline)
        return self.memberships[baseline.label, self.seeds[0]]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Data sets of our own tasks: of the rows, and of what they need."""
        recipes = (*(row.recipe for row in self.rows), *(need.recipe for need in self.needs.values()))
        return tuple(dict.fromkeys(recipe.dataset for recipe in recipes if isinstance(recipe, NetworkFields)))

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
    chosen, metrics, layout = _check(study, named, scale, len(blocks), max_trials)
    if repetition.canary_only:
        layout = replace(layout, rows=pick_canaries(study, layout.rows), audits=())
    trials, memberships = _trials_of((*layout.rows, *layout.audits), blocks, named, repetition)
    return Plan(
        study=study,
        scale=chosen,
        seeds=blocks,
        rows=layout.rows,
        audits=layout.audits,
        metric=metrics[0],
        metrics=metrics[1:],
        lower_is_better=dict(named.task.metrics),
        trials=trials,
        memberships=memberships,
        excluded=layout.excluded,
        warnings=(
            *layout.warnings,
            *checks.idle_fields(study, chosen, layout.rows),
            *checks.row_warnings(layout.rows, blocks, memberships),
            *checks.table_warnings(study, layout.rows, blocks),
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


def _check(
    study: Study, named: NamedTask, scale: str | None, seeds: int, max_trials: int
) -> tuple[str | None, tuple[str, ...], _Layout]:
    """The scale, the metrics, primary first, and the rows; each is looked at, whatever is wrong with the others.

    Raises:
        StudyError: with every problem found.
    """
    problems: list[Problem] = []
    chosen: str | None = None
    metrics: tuple[str, ...] = ()
    layout = _Layout()
    with collecting(problems):
        chosen = checks.pick_scale(study, scale)
    with collecting(problems):
        metrics = checks.pick_metrics(study, named)
    for check in (partial(check_base, recipe_class=named.task.Recipe), checks.check_printed_table, check_labels):
        with collecting(problems):
            check(study)
    with collecting(problems):
        layout = _lay_out(study, chosen, seeds, named, max_trials, problems)
    if problems:
        raise StudyError(problems)
    return chosen, metrics, layout


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
    checks.refuse_too_many(seeds, max_trials, rows=len(resolved))
    rows = build_rows(study, named, resolved, choose_baselines(study, resolved, design.anchor))
    checks.check_published(study, rows)
    checks.check_headline(study, rows)
    checks.check_presets(study, rows)
    check_canary(study, rows)
    checks.check_ranks(study, rows)
    audits = copy_baselines(rows) if study.audit else ()
    check_hidden_labels(rows, audits)
    needs = sum(len(row.needs) for row in (*rows, *audits))
    checks.refuse_too_many(seeds, max_trials, rows=len(rows), audits=len(audits), needs=needs)
    return _Layout(rows, audits, tuple(design.excluded), tuple(design.warnings))


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


def _trials_of(
    rows: Sequence[Row], seeds: Sequence[int], named: NamedTask, repetition: Repetition
) -> tuple[dict[str, Trial], dict[tuple[str, int], str]]:
    """Trials in the order in which they run, each behind what it needs, and which cell is which."""
    trials: dict[str, Trial] = {}
    memberships: dict[tuple[str, int], str] = {}
    made = {row.label: build_blueprint(named, row.recipe) for row in rows}
    for seed in seeds:
        for row in sorted(rows, key=lambda row: not row.is_baseline):
            for label, blueprint in (*row.needs_by_label.items(), (row.label, made[row.label])):
                trial = blueprint.at(seed, repetition.replicate + row.replicate, repetition.repeat)
                memberships[label, seed] = trial.key
                trials.setdefault(trial.key, trial)
    return trials, memberships


def task_of(plan: Plan) -> Any:
    """The task of a plan's trials, with whatever optional parts it has."""
    return get_task(task_name(plan)).task


def task_name(plan: Plan) -> str:
    """Name of that task."""
    return plan.trials[plan.first_key].task
