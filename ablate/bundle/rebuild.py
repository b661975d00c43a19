"""The table made again from the documents of a bundle, by the functions that made it first.

Rows, recipes and keys come from `resolved.json`, values from `seeds.csv`, everything else from `provenance.json`. It
needs only ablate's base: a task that is not built in counts with its recorded recipes.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ablate.bundle.archive import Archive, BundleError
from ablate.bundle.documents import FORMAT, Provenance, Resolved, ResolvedNeed, ResolvedRow
from ablate.bundle.scripts import RecordedTask, Script, read_script
from ablate.documents import Document
from ablate.errors import StudyError, quote
from ablate.paper.published import find_published
from ablate.study.document import Study
from ablate.study.plan import Plan, Row
from ablate.study.preregistration import Seen
from ablate.tables.build import build_table
from ablate.tables.formats.csv import unguarded
from ablate.tables.formats.seeds import HEADER, SEEDS_FILE
from ablate.tables.inputs import RowCosts, StudyState
from ablate.tables.table import Table
from ablate.tables.tries import PairHistory
from ablate.trials.needs import Blueprint, label_of_need
from ablate.trials.registry import BUILT_IN, NamedTask, get_task
from ablate.trials.trial import Outcome, Repetition, Trial, TrialRecord

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class SeedLine:
    """A line of `seeds.csv`, with its texts as they were before `guard_formula`; `value` is its text."""

    row: str
    group: str
    seed: int
    metric: str
    value: str
    key: str
    status: str


@dataclass(frozen=True, slots=True)
class Parts:
    """The documents of a bundle, read.

    Attributes:
        document: the study document as JSON values; `study` is the same, validated.
        lines: lines of `seeds.csv`.
        table: the stored table.
        texts: format -> text of the stored table.
        script: the user's own script or function; None of other tasks.
    """

    document: Any
    study: Study
    resolved: Resolved
    provenance: Provenance
    lines: list[SeedLine]
    table: Table
    texts: Mapping[str, str]
    script: Script | None = None

    def named(self, task: str, identity: str) -> NamedTask:
        """A task of the study; one that is not built in is as the bundle has it."""
        if task in BUILT_IN:
            return get_task(task)
        if self.script is not None and self.script.named.name == task:
            return self.script.named
        return NamedTask(task, identity, RecordedTask())


def read_parts(archive: Archive) -> Parts:
    """Read the documents of a bundle.

    Raises:
        BundleError: one is missing, or is not what it should be.
    """
    document = _json(archive, "study.json")
    header = _json(archive, "resolved.json")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BundleError("resolved.json has a format that this ablate does not know; use the wheel in the bundle")
    try:
        study = Study.parse(document)
    except StudyError as error:
        raise BundleError(f"study.json is not a study document: {error}") from error
    resolved = _document(Resolved, "resolved.json", header)
    return Parts(
        document=document,
        study=study,
        resolved=resolved,
        provenance=_document(Provenance, "provenance.json", _json(archive, "provenance.json")),
        lines=_lines(_text(archive, SEEDS_FILE)),
        table=_document(Table, "table.json", _json(archive, "table.json")),
        texts={name: _text(archive, f"table.{name}") for name in ("json", "md", "tex", "csv", "html")},
        script=None if resolved.task in BUILT_IN else read_script(archive, resolved.task),
    )


def _text(archive: Archive, name: str) -> str:
    try:
        return archive.read(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{name} in the bundle is not UTF-8") from error


def _json(archive: Archive, name: str) -> Any:
    try:
        return json.loads(_text(archive, name))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name} in the bundle is not JSON") from error


def _document(kind: type[D], name: str, value: object) -> D:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(map(str, first["loc"]))
        raise BundleError(f"{name} in the bundle is damaged at /{place}: {first['msg']}") from error


def _lines(text: str) -> list[SeedLine]:
    try:
        first, *rest = csv.reader(io.StringIO(text, newline=""))
        if tuple(first) != HEADER:
            raise BundleError(f"{SEEDS_FILE} in the bundle does not begin with {','.join(HEADER)}")
        return [_line(*cells) for cells in rest]
    except (ValueError, TypeError, csv.Error) as error:  # TypeError: another number of cells
        raise BundleError(f"{SEEDS_FILE} in the bundle has a damaged line: {error}") from error


def _line(row: str, group: str, seed: str, metric: str, value: str, key: str, status: str) -> SeedLine:
    if value and not math.isfinite(float(value)):
        raise ValueError(f"the value {quote(value)} is not a finite number")
    return SeedLine(unguarded(row), unguarded(group), int(seed), unguarded(metric), value, key, status)


def rebuild_plan(parts: Parts) -> Plan:
    """The plan as the bundle has it.

    Raises:
        BundleError: a recipe is not one of its task.
    """
    resolved = parts.resolved
    rows, audits = ([_row(parts, row) for row in found] for found in (resolved.rows, resolved.audits))
    memberships: dict[tuple[str, int], str] = {}
    trials: dict[str, Trial] = {}
    for row in (*resolved.rows, *resolved.audits):
        if any(list(keys) != resolved.seeds for keys in (row.keys, *(need.keys for need in row.needs.values()))):
            raise BundleError(f"resolved.json has other seeds for row {quote(row.name)} than for the study")
        for name, need in row.needs.items():
            memberships |= {(label_of_need(name, row.name), seed): key for seed, key in need.keys.items()}
        memberships |= {(row.name, seed): key for seed, key in row.keys.items()}
        trials |= {key: _trial(resolved, row, seed, key) for seed, key in row.keys.items()}
    return Plan(
        study=parts.study,
        scale=resolved.scale,
        seeds=tuple(resolved.seeds),
        rows=tuple(rows),
        audits=tuple(audits),
        metric=resolved.metric,
        metrics=tuple(resolved.metrics),
        lower_is_better=resolved.lower_is_better,
        trials=trials,
        memberships=memberships,
        excluded=tuple(resolved.excluded),
        warnings=(),
        repetition=Repetition(resolved.replicate, resolved.repeat, resolved.canary_only),
    )


def _row(parts: Parts, row: ResolvedRow) -> Row:
    named = parts.named(parts.resolved.task, parts.resolved.task_identity)
    recipe = read_recipe(named, row.recipe)
    needs = {name: _need(parts, need) for name, need in row.needs.items()}
    blueprint = Blueprint(named, recipe, row.identity, row.recipe, needs)
    more = (row.levels, row.replicate, blueprint, row.line, row.row is not None)
    made = Row(row.label, row.group, row.set, recipe, row.is_baseline, *more)
    if made.name != row.name:
        raise BundleError(f"resolved.json calls row {quote(made.name)} {quote(row.name)}")
    return made


def _need(parts: Parts, need: ResolvedNeed) -> Blueprint:
    named = parts.named(need.task, need.task_identity)
    return Blueprint(named, read_recipe(named, need.recipe), need.identity, need.recipe)


def read_recipe(named: NamedTask, values: Mapping[str, Any]) -> BaseModel:
    """A recipe from its stored values.

    Raises:
        BundleError: they are not those of a recipe of the task.
    """
    try:
        recipe: BaseModel = named.task.Recipe.model_validate_json(json.dumps(values))
        return recipe
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(map(str, first["loc"]))
        raise BundleError(f"resolved.json has a recipe that task '{named.name}' does not know: /{place}") from error


def _trial(resolved: Resolved, row: ResolvedRow, seed: int, key: str) -> Trial:
    return Trial(
        key=key,
        task=resolved.task,
        recipe=row.recipe,
        seed=seed,
        replicate=resolved.replicate + row.replicate,
        repeat=resolved.repeat,
        needs={name: need.keys[seed] for name, need in row.needs.items() if seed in need.keys},
    )


def rebuild_records(parts: Parts, plan: Plan) -> dict[str, TrialRecord]:
    """The records of the trials as the bundle has them: metrics from `seeds.csv`, all else from `provenance.json`."""
    metrics: dict[str, dict[str, float]] = {}
    for line in parts.lines:
        if line.value:
            metrics.setdefault(line.key, {})[line.metric] = float(line.value)
    found = {}
    for key, facts in parts.provenance.trials.items():
        if key not in plan.trials:
            continue  # a trial that others start from
        outcome = Outcome(
            status=facts.status,
            metrics=facts.audit_metrics | metrics.get(key, {}),
            reason=facts.reason,
            train_s=facts.train_s,
            peak_memory_bytes=facts.peak_memory_bytes,
            cost=facts.cost,
            funnel_share=facts.funnel_share,
            items=facts.items,
        )
        found[key] = TrialRecord(
            trial=plan.trials[key], outcome=outcome, provenance=facts.provenance, finished_at=facts.finished_at
        )
    return found


def rebuild_table(parts: Parts) -> Table:
    """The table of the values in the bundle."""
    plan, resolved, provenance = rebuild_plan(parts), parts.resolved, parts.provenance
    records = rebuild_records(parts, plan)
    state = StudyState(
        seen=Seen.of(records.values(), resolved.used_as_first),
        provisional=resolved.provisional,
        missing=resolved.missing,
        registrations=resolved.registrations,
        retried={
            name: PairHistory(one.number, tuple(map(float, one.differences))) for name, one in resolved.tried.items()
        },
        is_firing=resolved.is_firing,
    )
    return build_table(
        plan,
        records,
        published=find_published(plan.study.table.published),
        costs=RowCosts(counted=provenance.counted, measured=provenance.measured),
        state=state,
    )
