"""The plan of a study: its rows, the trials that they need, and the order in which these run.

Planning is a pure function of the document, apart from the current fingerprint of registered folders. This module
imports neither torch nor a store.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.errors import Code, Findings, Problem, StudyError, TrialError, quote
from ablate.limits import MAX_TRIALS
from ablate.recipes.classify import NetworkFields
from ablate.statistics.words import counted
from ablate.study import checks
from ablate.study.canaries import pick_canaries
from ablate.study.data_names import check_datasets
from ablate.study.document import Study, read_shape
from ablate.study.expansion import Inputs, expand
from ablate.study.overrides import idle_overrides
from ablate.study.rows import Row
from ablate.study.scan import other_values
from ablate.study.seeds import blocks_of, seeds_of_count
from ablate.study.summary import summarize
from ablate.trials.needs import Blueprint, build_blueprint
from ablate.trials.registry import NamedTask, get_task
from ablate.trials.task import Task
from ablate.trials.trial import FIRST, Repetition, Trial

__all__ = ["MAX_TRIALS", "Plan", "Row", "plan", "plan_document"]


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """A study at one scale, expanded.

    Attributes:
        study: the document.
        scale: name of the scale; None for base alone.
        seeds: the seeds, in order; with folds the blocks, see `ablate.study.seeds`.
        rows: rows of the table, in order.
        audits: audit replicates of the baselines, which are trained and compared and are not rows of the table; empty
            unless the study asks for them.
        metric: the primary metric, the only one that is tested.
        metrics: further metrics, shown as columns.
        lower_is_better: metric of the task -> its direction.
        trials: key -> distinct trial, in the order in which they run: seed by seed, the baselines first, each trial
            after those that it needs.
        memberships: (row name, seed) -> key, including audit replicates and needed trials. Two rows with the same
            recipe share trials.
        excluded: labels of the cells that `[[exclude]]` removed.
        warnings: findings that do not stop the study.
        repetition: repetition number of the trials.
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
        sizes = (len(self.rows), "row"), (len(self.seeds), "seed"), (len(self.trials), "distinct trial")
        counts = ", ".join(counted(*size) for size in sizes)
        heading = f"Plan of {self.study.name} at scale {self.scale or 'base'}: {counts}"
        return summarize(heading, self.rows, [problem.message for problem in self.warnings])

    @property
    def needs(self) -> dict[str, Blueprint]:
        """Name in the study -> what rows and audit replicates need; these are not rows of the table."""
        return {name: need for row in (*self.rows, *self.audits) for name, need in row.needs_by_name.items()}

    @property
    def needed(self) -> set[str]:
        """Keys of the trials that others need."""
        return {self.memberships[name, seed] for name in self.needs for seed in self.seeds}

    @property
    def group_of(self) -> dict[str, str | None]:
        """Name in the study -> group, of rows, audit replicates and what they need."""
        rows = (*self.rows, *self.audits)
        return {name: row.group for row in rows for name in (row.name, *row.needs_by_name)}

    @property
    def has_decisions(self) -> bool:
        """Whether its table decides on rows: not that of a pilot, nor of a repetition with known random numbers."""
        return not (self.study.pilot or self.repetition.repeat or self.repetition.canary_only)

    @property
    def first_key(self) -> str:
        """Key of the first baseline's trial with the first seed, which every study of the same rows and seeds has."""
        baseline = min(self.rows, key=lambda row: not row.is_baseline)
        return self.memberships[baseline.name, self.seeds[0]]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Distinct data sets of the built-in tasks' rows and of the trials that they need."""
        recipes = (*(row.recipe for row in self.rows), *(need.recipe for need in self.needs.values()))
        return tuple(dict.fromkeys(recipe.dataset for recipe in recipes if isinstance(recipe, NetworkFields)))

    def outstanding(self, known: Collection[str]) -> tuple[Trial, ...]:
        """The trials that remain to be trained, in order, given the keys whose result is known."""
        return tuple(trial for key, trial in self.trials.items() if key not in known)


def plan(
    study: Study,
    *,
    scale: str | None = None,
    seeds: int | None = None,
    repetition: Repetition = FIRST,
    max_trials: int = MAX_TRIALS,
) -> Plan:
    """Expand a study into trials.

    Args:
        study: the document.
        scale: name of a scale; None takes `mini` if the study has it, else base alone.
        seeds: number of seeds, instead of the document's.
        repetition: repetition number of every trial.
        max_trials: largest number of trials that is allowed.

    Raises:
        StudyError: with every problem found. A wrong scale has the pointer `/scale`, which is an option and not part
            of the document.
    """
    try:
        named = checks.get_named_task(study)
    except StudyError as error:
        if (meant := checks.meant_task(study)) is None:
            raise
        found = Findings(error.problems)
        with found.collecting():
            plan(study.model_copy(update={"base": {**study.base, "task": meant}}), scale=scale, max_trials=max_trials)
        raise found.error() from error
    try:
        return _plan(study, named, scale, seeds, repetition, max_trials)
    except TrialError as error:  # of the task's own code, such as its recipe
        text = f"task {quote(named.name)} cannot be planned: {error}"
        raise StudyError([Problem("/base/task", "invalid", text)]) from error


def _plan(
    study: Study, named: NamedTask, scale: str | None, seeds: int | None, repetition: Repetition, max_trials: int
) -> Plan:
    checks.check_folds(study, named)
    wanted = study.seed_list if seeds is None else seeds_of_count(seeds)
    checks.refuse_too_many(len(wanted) * (study.folds or 1), max_trials, rows=1)
    blocks = blocks_of(wanted, study.folds)
    found = expand(Inputs(study, named, len(blocks), max_trials), scale)
    rows, audits = found.rows.table, found.rows.audits
    if repetition.canary_only:
        rows, audits = pick_canaries(study, rows), ()
    trials, memberships = _trials_of((*rows, *audits), blocks, named, repetition)
    return Plan(
        study=study,
        scale=found.scale,
        seeds=blocks,
        rows=rows,
        audits=audits,
        metric=found.metrics[0],
        metrics=found.metrics[1:],
        lower_is_better=dict(named.task.metrics),
        trials=trials,
        memberships=memberships,
        excluded=found.rows.excluded,
        warnings=checks.first_warnings(
            *found.rows.warnings,
            *checks.idle_fields(study, found.scale, rows),
            *idle_overrides(study, found.scale, rows),
            *checks.row_warnings(rows, blocks, memberships),
            *checks.table_warnings(study, rows, blocks),
        ),
        repetition=repetition,
    )


def plan_document(document: object, **options: Any) -> Plan:
    """Plan a document that has not been validated.

    Args:
        document: a plain mapping (parsed TOML or JSON).
        options: the options of `plan`.

    Raises:
        StudyError: with every problem found. A document of the wrong shape is also validated without its wrong fields,
            so that a typo in `[base]` is reported together with one in `[table]`.
    """
    max_trials = options.get("max_trials", MAX_TRIALS)
    others = Findings(other_values(document))
    study, shape = read_shape(document, max_trials)
    if study is not None and not others:
        try:
            return plan(study, **options)
        except StudyError as error:
            found = Findings()
            found.extend(error.problems, error.more)
            with found.collecting():
                check_datasets(study, options.get("scale"))
            raise found.error() from error
    places = {problem.pointer for problem in others.problems}
    found = Findings(problem for problem in shape.problems if problem.pointer not in places)
    found.extend(others.problems, shape.more + others.more)
    rest, study = document, None
    for _ in range(ROUNDS):
        if study is None and not found.more:
            rest = _without(rest, [problem.pointer for problem in found.problems])
            study, further = read_shape(rest, max_trials)
            found.extend(further.problems, further.more)
    if study is not None and not found.more:
        content = Findings()
        with content.collecting():
            plan(study, **options)
        with content.collecting():
            check_datasets(study, options.get("scale"))
        found.extend((one for one in content.problems if one.code in CODES_OF_CONTENT), content.more)
    raise found.error()


ROUNDS = 3
"""How often a document's shape is validated again, since a field may only be reached when another is removed."""

CODES_OF_CONTENT: frozenset[Code] = frozenset({
    "unknown_field", "invalid", "exclusive", "does_not_apply", "unknown_dataset", "unknown_metric", "unknown_task",
    "duplicate", "unknown_row", "unknown_table",
})  # fmt: skip
"""Problems that cannot result from the removal of other fields of the document."""


def _without(document: object, pointers: Sequence[str]) -> object:
    """A copy of a document without the values at these pointers, in which every row has a label."""
    if not isinstance(document, dict) or not pointers:
        return document
    rest: dict[str, Any] = copy.deepcopy(document)
    if isinstance(rest.get("rows"), list):
        rest["rows"] = [row if isinstance(row, dict) else {} for row in rest["rows"]]
    for pointer in pointers:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        if parts and not (parts[0] == "rows" and len(parts) == 2):
            _remove(rest, parts)
    for index, row in enumerate(rest.get("rows", ())):
        row.setdefault("label", f"(row {index})")
    rest.setdefault("name", "unnamed")
    return rest


def _remove(value: Any, parts: Sequence[str]) -> bool:
    """Remove the value at a place. An item of a list cannot be removed, since its followers would change their places.

    Returns:
        Whether it is removed; else the caller removes what contains it.
    """
    first, *others = parts
    if isinstance(value, list):
        return bool(others) and first.isdigit() and int(first) < len(value) and _remove(value[int(first)], others)
    if not isinstance(value, dict) or (first not in value and others):
        return False
    if first in value and not (others and _remove(value[first], others)):
        del value[first]
    return True


def _trials_of(
    rows: Sequence[Row], seeds: Sequence[int], named: NamedTask, repetition: Repetition
) -> tuple[dict[str, Trial], dict[tuple[str, int], str]]:
    """Distinct trials in the order in which they run, each after those that it needs; (name, seed) -> key."""
    trials: dict[str, Trial] = {}
    memberships: dict[tuple[str, int], str] = {}
    made = {row.name: row.blueprint or build_blueprint(named, row.recipe) for row in rows}
    in_order = sorted(rows, key=lambda row: not row.is_baseline)
    for seed in seeds:
        for row in in_order:
            for name, blueprint in (*row.needs_by_name.items(), (row.name, made[row.name])):
                trial = blueprint.at(seed, repetition.replicate + row.replicate, repetition.repeat)
                memberships[name, seed] = trial.key
                trials.setdefault(trial.key, trial)
    return trials, memberships


def task_of(plan: Plan) -> Task[Any]:
    """The task of a plan's trials."""
    return get_task(task_name(plan)).task


def task_name(plan: Plan) -> str:
    """Name of the task of a plan's trials, each of which follows the trials of other tasks that it needs."""
    return list(plan.trials.values())[-1].task
