"""From a submission to a stored study: plan it, count its networks, check it against data and machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ablate.data import datasets, fetch
from ablate.documents import canonical_json
from ablate.errors import Problem, StudyError, quote
from ablate.remote.documents.studies import Submission
from ablate.study.checks import NO_COMMAND, NO_IMPORT
from ablate.study.data_names import check_datasets
from ablate.study.document import with_resources
from ablate.study.plan import Plan, plan_document, task_name
from ablate.study.resources import Resources
from ablate.tasks.command.registered import pinned
from ablate.trials.registry import STORED
from ablate.trials.trial import FIRST, Cost, Repetition, TrialRecord
from service.context import Context
from service.dispatch.machines import count_places
from service.errors import ConflictError
from service.store.cells import find_results
from service.store.heartbeat import find_machines
from service.store.studies import CellKey, Stored, list_cell_keys


@dataclass(frozen=True, slots=True)
class Prepared:
    """A study that can be stored.

    Attributes:
        document: the study document including the submission's options, so that planning it again gives the same.
        costs: by row name.
    """

    plan: Plan
    document: dict[str, Any]
    costs: Mapping[str, Cost]
    warnings: tuple[Problem, ...]

    @property
    def cells(self) -> list[CellKey]:
        """Every cell, ordered by seed, then by row."""
        order = {key: index for index, key in enumerate(self.plan.trials)}
        groups = self.plan.group_of
        cells = [CellKey(row, seed, key, groups[row]) for (row, seed), key in self.plan.memberships.items()]
        return sorted(cells, key=lambda cell: order[cell.key])


def resolve_document(submission: Submission) -> dict[str, Any]:
    """The study document with the submission's options, and the version of a registered task, written into it.

    Raises:
        StudyError: its task was removed, or has no such version.
    """
    options = {"seeds": submission.seeds, "priority": submission.priority}
    document = submission.study | {name: value for name, value in options.items() if value is not None}
    asked = submission.resources.model_dump(exclude_unset=True) if submission.resources else {}
    return dict(pinned(with_resources(document, asked)))


def prepare(
    context: Context,
    document: dict[str, Any],
    *,
    scale: str | None,
    repetition: Repetition = FIRST,
    strict: bool = True,
    until_s: float | None = None,
) -> Prepared:
    """Plan a document, and check its rows.

    Args:
        context: see there.
        document: a study document, not yet validated.
        scale: see `ablate.study.plan.plan`.
        repetition: repetition of its trials.
        strict: whether a study that cannot run here is an error; else it is a warning.
        until_s: monotonic time until which networks are counted; None: see `Costs.count`.

    Raises:
        StudyError: with every problem found.
    """
    plan = plan_document(document, scale=scale, repetition=repetition, max_trials=context.settings.max_trials)
    if plan.study.imported is not None:
        raise StudyError([Problem("/imported", "not_supported", NO_IMPORT)])
    if plan.study.command is not None:
        raise StudyError([Problem("/command", "not_supported", NO_COMMAND)])
    if task_name(plan).startswith(tuple(STORED)):
        raise StudyError([Problem("/base/task", "not_supported", NO_COMMAND)])
    if strict and context.settings.ray_address is None:  # the machines of a cluster may have data sets of their own
        check_datasets(plan.study, plan.scale)
    counted = context.costs.count(plan, until_s)
    obstacles = (*_missing_data(plan, context), *_missing_resources(context, plan.study.resources))
    problems = (*counted.problems, *(obstacles if strict else ()))
    if problems:
        raise StudyError(problems)
    warnings = (*plan.warnings, *counted.warnings, *(() if strict else obstacles))
    return Prepared(replace(plan, warnings=warnings), document, counted.costs, warnings)


def _missing_data(plan: Plan, context: Context) -> Iterator[Problem]:
    """Data sets with which training would fail. A cluster's machines may have their own copies."""
    for name in plan.datasets if context.settings.ray_address is None else ():
        if fault := datasets.find_folder_fault(name):
            yield Problem("/base/dataset", fault.code, fault.public)
        elif datasets.find(name) is None:
            text = f"data set {quote(name)} is not on this machine; {fetch.describe_way(name)}"
            yield Problem("/base/dataset", "no_data", text)


def _missing_resources(context: Context, demand: Resources) -> Iterator[Problem]:
    with context.store.read() as connection:
        machines = find_machines(connection)
    if machines and not any(count_places(machine, demand) for machine in machines):
        largest = max(machines, key=lambda machine: (machine.gpus, machine.cpus))
        text = (
            f"a trial requests {demand.cpus} CPUs and {demand.gpus:g} GPUs; the largest machine has {largest.cpus} "
            f"and {largest.gpus:g}; request less in [resources]"
        )
        yield Problem("/resources", "infeasible", text)


def plan_stored(context: Context, stored: Stored) -> Plan:
    """The plan of a stored study, with its stored trials.

    Raises:
        ConflictError: this version of ablate cannot plan the document.
    """
    try:
        plan = _planned(canonical_json(stored.document), stored.scale, stored.repetition, context.settings.max_trials)
    except StudyError as error:
        text = f"this version of ablate cannot plan the study, so it has no table: {error}"
        raise ConflictError(text) from error
    with context.store.read() as connection:
        cells = list_cell_keys(connection, stored.seq)
    memberships = {(cell.row, cell.seed): cell.key for cell in cells}
    if memberships == plan.memberships:
        return plan
    return replace(plan, memberships={place: memberships.get(place, key) for place, key in plan.memberships.items()})


@lru_cache(maxsize=16)
def _planned(document: str, scale: str | None, repetition: Repetition, max_trials: int) -> Plan:
    return plan_document(json.loads(document), scale=scale, repetition=repetition, max_trials=max_trials)


def find_known(context: Context, plan: Plan) -> dict[str, TrialRecord]:
    """Records of the trials of a plan that have a result."""
    with context.store.read() as connection:
        return find_results(connection, list(plan.trials))
