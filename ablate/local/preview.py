"""What `ablate check` and `ablate sites` report without training: costs, call sites, and an estimate of the time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ablate.errors import AblateError, Problem, StudyError, quote
from ablate.local.slots import ask, hidden_variables
from ablate.models.probe_client import Probe, Probed
from ablate.paper.published import Printed, find_published
from ablate.recipes.classify import ClassifyRecipe, applicable_values, identity_of
from ablate.remote.documents.plans import PlanRow, PlanView, PrintedCost
from ablate.remote.documents.studies import Finding
from ablate.study.lines import describe_pivot
from ablate.study.overrides import describe_overrides
from ablate.study.plan import Plan, Row, task_name
from ablate.study.printed_rows import join_printed
from ablate.tables.printed_comparability import has_printed_cost
from ablate.trials.needs import label_of_need
from ablate.trials.registry import get_task
from ablate.trials.task import Part
from ablate.trials.trial import Cost, TrialRecord
from ablate.workers.pool import Pool

TIMED_STEPS = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """A recipe that a worker inspects: that of a row, or of a trial that a row needs.

    Attributes:
        row: the name of the row in the plan, or of what it needs.
        name: its name in error messages.
        place: JSON pointer to it in the document.
    """

    row: str
    name: str
    place: str
    task: str
    recipe: BaseModel


def list_asked(plan: Plan) -> Iterator[Asked]:
    """The recipes of all rows, each followed by those of the trials that it needs."""
    for index, row in enumerate(plan.rows):
        name, place = f"row {quote(row.name)}", place_of(plan, index)
        yield Asked(row.name, name, place, task_name(plan), row.recipe)
        for need_name, need in row.needs.items():
            needed = label_of_need(need_name, row.name)
            yield Asked(needed, f"{name}, its {need_name}", place, need.task.name, need.recipe)


def _ask_all(
    plan: Plan, part: Part, function: Callable[[str, Sequence[str]], Iterator[tuple[int, Any]]], pool: Pool
) -> Iterator[tuple[Asked, Any]]:
    """The result of a function for each recipe of a plan whose task has that optional method."""
    by_task: dict[str, list[Asked]] = {}
    for one in list_asked(plan):
        by_task.setdefault(one.task, []).append(one)
    for task, asked in by_task.items():
        if get_task(task).task.offers(part):
            for index, answer in ask(pool, function, task=task, recipes=[one.recipe for one in asked]):
                yield asked[index], answer


def count_costs(plan: Plan, pool: Pool) -> dict[str, Cost]:
    """The counted cost of every row and of the trials that rows need, by name, if their task can count it.

    Args:
        plan: the study, expanded.
        pool: its next free worker builds the networks.

    Raises:
        StudyError: with every row whose network, or the network of a trial that it needs, cannot be built.
    """
    answers = list(_ask_all(plan, "inspect", inspect_rows, pool))
    problems = [
        Problem(one.place, "not_buildable", f"{one.name}: {answer}")
        for one, answer in answers
        if isinstance(answer, str)
    ]
    if problems:
        raise StudyError(problems)
    return {one.row: Cost.model_validate(answer) for one, answer in answers}


def place_of(plan: Plan, index: int) -> str:
    """Explicit rows come first in a plan, in the order of the document."""
    return f"/rows/{index}" if index < len(plan.study.rows) else "/factors"


def time_rows(plan: Plan, pool: Pool) -> dict[str, float]:
    """Estimated seconds of a trial of every row and of the trials it needs, by name, from 20 training steps."""
    return {one.row: answer for one, answer in _ask_all(plan, "time_steps", time_in_worker, pool)}


def describe_plan(
    plan: Plan,
    records: Mapping[str, TrialRecord],
    costs: Mapping[str, Cost],
    trial_s: Mapping[str, float],
    parallel: int,
) -> PlanView:
    """The plan of a study as a document: the answer of `ablate check --json` and of `POST /studies/plan`.

    Args:
        plan: the study, expanded.
        records: known trials, by key.
        costs: counted costs of the rows, by name; a row without one has nulls.
        trial_s: measured seconds of one trial, by name.
        parallel: number of trials that run at the same time.
    """
    known = {key for key, record in records.items() if record.is_result and key in plan.trials}
    published = find_published(plan.study.table.published)
    published = join_printed(published, plan.rows) if published else None
    printed = published.cells if published and has_printed_cost(plan, published) else {}
    return PlanView(
        study=plan.study.name,
        scale=plan.scale,
        rows=[_describe_row(row, costs.get(row.name), printed.get(row.name, {})) for row in plan.rows],
        trials=len(plan.memberships),
        distinct=len(plan.trials),
        needed=len(plan.needed),
        known=len(known),
        estimate_s=estimate_s(plan, records, trial_s, parallel),
        excluded=list(plan.excluded),
        pivot=describe_pivot(plan.study, plan.rows) or None,
        overrides=describe_overrides(plan.study, plan.scale),
        code=_list_code(plan),
        warnings=[Finding(pointer=one.pointer, code=one.code, message=one.message) for one in plan.warnings],
    )


def _list_code(plan: Plan) -> dict[str, list[str]]:
    """The files that the keys of the plan's trials depend on, by task; empty for built-in tasks."""
    names = dict.fromkeys(trial.task for trial in plan.trials.values())
    return {name: list(code) for name in names if (code := get_task(name).code)}


def _describe_row(row: Row, cost: Cost | None, printed: Mapping[str, Printed]) -> PlanRow:
    return PlanRow(
        label=row.label,
        row=row.name if row.is_shared else None,
        group=row.group,
        set=dict(row.set),
        key_fields=identity_of(row.recipe),
        baseline=row.is_baseline,
        line=row.line,
        params=cost.params if cost else None,
        params_without_norm=cost.params_without_norm if cost else None,
        multiply_adds=cost.multiply_adds if cost else None,
        published_params=_describe_printed(printed.get("params")),
        published_multiply_adds=_describe_printed(printed.get("multiply_adds")),
    )


def _describe_printed(printed: Printed | None) -> PrintedCost | None:
    return PrintedCost(text=printed.text, value=printed.value) if printed else None


def estimate_s(
    plan: Plan, records: Mapping[str, TrialRecord], trial_s: Mapping[str, float], parallel: int
) -> float | None:
    """Estimated wall seconds of the outstanding trials, `parallel` at a time; None if no similar trial was timed.

    The time of a row is the probed one, else the median of its finished trials, else of all finished trials.
    """
    known = {key: record for key, record in records.items() if record.is_result and key in plan.trials}
    outstanding = {trial.key for trial in plan.outstanding(known)}
    by_row: dict[str, list[float]] = {}
    for (row, _), key in plan.memberships.items():
        if key in known and known[key].outcome.train_s is not None:
            by_row.setdefault(row, []).append(known[key].outcome.train_s or 0.0)
    everything = [seconds for times in by_row.values() for seconds in times]
    total = 0.0
    for (row, _), key in plan.memberships.items():
        if key not in outstanding:
            continue
        outstanding.discard(key)
        times = [trial_s[row]] if row in trial_s else by_row.get(row, everything)
        if not times:
            return None
        total += statistics.median(times)
    return total / parallel


def find_sites(recipe: ClassifyRecipe) -> Probed:
    """Every call site of a recipe's network, and which of them the recipe replaces.

    Raises:
        SiteError: the network cannot be built or traced.
    """
    with Probe(hidden=hidden_variables()) as probe:
        return probe.sites(applicable_values(recipe))


def inspect_rows(task_name: str, recipes: Sequence[str]) -> Iterator[tuple[int, dict[str, int] | str]]:
    """Run in a worker: index and cost of every recipe as JSON values, or the error message if it cannot be built."""
    task = get_task(task_name).task
    for index, text in enumerate(recipes):
        try:
            yield index, task.inspect(task.Recipe.model_validate_json(text)).model_dump()
        except AblateError as error:
            yield index, str(error)


def time_in_worker(task_name: str, recipes: Sequence[str]) -> Iterator[tuple[int, float]]:
    """Run in a worker: index and estimated seconds of a whole trial for every recipe."""
    task = get_task(task_name).task
    for index, text in enumerate(recipes):
        yield index, task.time_steps(task.Recipe.model_validate_json(text), TIMED_STEPS)
