"""The plan of a study: which rows it has, which trials they need, and in which order they run.

Pure: documents in, values out. It imports neither torch nor a store. Sequential seeds and search will be further
inputs of `plan`; nothing else decides what runs.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from ablate.baselines import check_labels, choose_baselines
from ablate.designs import Design, build_design
from ablate.errors import Problem, StudyError, TableError, TrialError, collecting, nearest, quote
from ablate.recipe import EXCLUSIVE, applicable_values, identity_of, inapplicable_fields
from ablate.resolve import check_base, resolve_rows
from ablate.statistics.power import describe_power
from ablate.study import Study, problems_of_shape
from ablate.tables.published import PublishedTable, load_published
from ablate.tasks import NamedTask, get_task
from ablate.trial import Trial, trial_key

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

    def outstanding(self, known: Collection[str]) -> tuple[Trial, ...]:
        """The trials still to be trained, in order, given the keys whose result is known."""
        return tuple(trial for key, trial in self.trials.items() if key not in known)


def plan(
    study: Study,
    *,
    scale: str | None = None,
    seeds: int | None = None,
    replicate: int = 0,
    max_trials: int = MAX_TRIALS,
) -> Plan:
    """Expand a study.

    Args:
        study: the document.
        scale: name of a scale; None takes `mini` where the study has it, else base as it stands.
        seeds: a count that overrides the document's.
        replicate: of every trial; see `ablate.trial.Trial`.
        max_trials: above this the study is refused.

    Raises:
        StudyError: with every problem found. A wrong scale is at `/scale`, which is an option and no part of the
            document.
    """
    named = _task_of(study)
    problems: list[Problem] = []
    chosen: str | None = None
    metric: str = ""
    metrics: tuple[str, ...] = ()
    blocks = study.seed_list if seeds is None else tuple(range(seeds))
    rows: tuple[Row, ...] = ()
    audits: tuple[Row, ...] = ()
    design = Design()
    with collecting(problems):
        chosen = _scale_of(study, scale)
    with collecting(problems):
        metric, metrics = _metrics_of(study, named)
    with collecting(problems):
        check_base(study, named.task.Recipe)
    with collecting(problems):
        _printed_table(study)
    with collecting(problems):
        check_labels(study)
    with collecting(problems):
        design = build_design(study, list(named.task.Recipe.model_fields), max_cells=10 * max_trials)
        problems += design.problems
        resolved = resolve_rows(study, chosen, design, named.task.Recipe)
        _refuse_too_many(len(resolved), len(blocks), max_trials)
        baselines = choose_baselines(study, resolved, design.anchor)
        rows = tuple(
            Row(row.label, row.group, row.set, row.recipe, baselines[row.group] == row.label, row.levels)
            for row in resolved
        )
        _check_published(study, rows)
        _check_headline(study, rows)
        audits = _audits_of(rows) if study.audit else ()
    if problems:
        raise StudyError(problems)
    trials, memberships = _trials_of((*rows, *audits), blocks, named, replicate)
    return Plan(
        study=study,
        scale=chosen,
        seeds=blocks,
        rows=rows,
        audits=audits,
        metric=metric,
        metrics=metrics,
        lower_is_better=dict(named.task.metrics),
        trials=trials,
        memberships=memberships,
        excluded=tuple(design.excluded),
        warnings=(
            *design.warnings,
            *_idle_fields(study, chosen, rows),
            *_warnings(rows, blocks, memberships),
            *_power_warnings(study, rows, blocks),
        ),
    )


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


def _task_of(study: Study) -> NamedTask:
    name = study.base.get("task", "classify")
    if not isinstance(name, str):
        raise StudyError([Problem("/base/task", "invalid", "task: should be the name of a task")])
    try:
        return get_task(name)
    except TrialError as error:
        raise StudyError([Problem("/base/task", "unknown_task", str(error))]) from error


def _scale_of(study: Study, scale: str | None) -> str | None:
    if scale is None:
        return "mini" if "mini" in study.scales else None
    if scale not in study.scales:
        known = f"; it has {', '.join(study.scales)}" if study.scales else "; it has none, leave the scale out"
        raise StudyError([Problem("/scale", "unknown_scale", f"the study has no scale {quote(scale)}{known}")])
    return scale


def _metrics_of(study: Study, named: NamedTask) -> tuple[str, tuple[str, ...]]:
    known = named.task.metrics
    asked = {"/metric": study.metric} if study.metric is not None else {}
    asked |= {f"/metrics/{index}": name for index, name in enumerate(study.metrics)}
    problems = [
        Problem(pointer, "unknown_metric", f"task '{named.name}' has no metric {quote(name)}{nearest(name, known)}")
        for pointer, name in asked.items()
        if name not in known
    ]
    if problems:
        raise StudyError(problems)
    metric = study.metric or named.primary_metric
    return metric, tuple(dict.fromkeys(name for name in study.metrics if name != metric))


def _refuse_too_many(rows: int, seeds: int, limit: int) -> None:
    if rows * seeds > limit:
        text = (
            f"the study expands to {rows * seeds:,} trials ({rows:,} rows x {seeds:,} seeds), above the limit of "
            f"{limit:,}; drop seeds or levels, or raise ABLATE_MAX_TRIALS"
        )
        raise StudyError([Problem("", "too_many", text)])


def _printed_table(study: Study) -> PublishedTable | None:
    if study.table.published is None:
        return None
    try:
        return load_published().column(study.table.published)
    except TableError as error:
        raise StudyError([Problem("/table/published", "unknown_table", str(error))]) from error


def _check_published(study: Study, rows: Sequence[Row]) -> None:
    """Every row's label must join a printed row: a silent miss would look like "not printed"."""
    printed = _printed_table(study)
    unmatched = printed.unmatched(row.label for row in rows) if printed else []
    if printed and unmatched:
        texts = [f"no printed row {quote(label)} in {printed.id}{printed.suggest(label)}" for label in unmatched]
        raise StudyError([Problem("/table/published", "unmatched", text) for text in texts])


def _check_headline(study: Study, rows: Sequence[Row]) -> None:
    labels = {row.label for row in rows}
    problems = [
        Problem(f"/table/headline/{index}", "unknown_row", f"no row {quote(label)}{nearest(label, labels)}")
        for index, label in enumerate(study.table.headline or ())
        if label not in labels
    ]
    if problems:
        raise StudyError(problems)


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
    rows: Sequence[Row], seeds: Sequence[int], named: NamedTask, replicate: int
) -> tuple[dict[str, Trial], dict[tuple[str, int], str]]:
    trials: dict[str, Trial] = {}
    memberships: dict[tuple[str, int], str] = {}
    content = {row.label: (identity_of(row.recipe), applicable_values(row.recipe)) for row in rows}
    for seed in seeds:
        for row in sorted(rows, key=lambda row: not row.is_baseline):
            identity, values = content[row.label]
            key = trial_key(named.identity, identity, seed, replicate + row.replicate)
            memberships[row.label, seed] = key
            if key not in trials:
                trials[key] = Trial(
                    key=key, task=named.name, recipe=values, seed=seed, replicate=replicate + row.replicate
                )
    return trials, memberships


def _idle_fields(study: Study, scale: str | None, rows: Sequence[Row]) -> Iterator[Problem]:
    """What base or the scale sets, and no row has a use for; one of epochs and steps may always idle."""
    patches = {"/base": study.base} | ({f"/scales/{scale}": study.scales[scale]} if scale is not None else {})
    gone = [inapplicable_fields(row.recipe) for row in rows]
    exclusive = {name for pair in EXCLUSIVE for name in pair}
    for place, patch in patches.items():
        for name in patch:
            if name not in exclusive and all(name in fields for fields in gone):
                yield Problem(f"{place}/{name}", "idle", f"'{name}' applies to no row: {gone[0][name]}")


def _power_warnings(study: Study, rows: Sequence[Row], seeds: Sequence[int]) -> Iterator[Problem]:
    """What the tests of the study cannot decide, by the size of its families; one seed has a warning of its own."""
    if len(seeds) == 1:
        return
    families = Counter(row.group for row in rows)
    for size in sorted({count - 1 for count in families.values()}):
        for sentence in describe_power(len(seeds), size, study.table.alpha, study.table.test):
            yield Problem("/seeds", "power", sentence)


def _warnings(
    rows: Sequence[Row], seeds: Sequence[int], memberships: Mapping[tuple[str, int], str]
) -> Iterator[Problem]:
    if len(seeds) == 1:
        yield Problem("/seeds", "one_seed", "1 seed: the table will have no spread and no interval")
    first: dict[str, str] = {}
    for row in rows:
        key = memberships[row.label, seeds[0]]
        if key in first:
            text = f"rows {quote(first[key])} and {quote(row.label)} are one configuration; they share their trials"
            yield Problem("/rows", "coincide", text)
        first.setdefault(key, row.label)
