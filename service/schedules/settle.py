"""The results of a firing whose study has ended: rows, comparisons of repeats, and drift.

Statistics decide (`ablate.statistics.drift.watch`, `ablate.trials.repeats`); this module supplies the history and
stores the decisions. A row without a number is unknown, whatever else was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from ablate.errors import quote
from ablate.remote.choices import FiringState, StudyState
from ablate.remote.documents.firings import DriftView, FiringRow, RepeatView
from ablate.tables.table import Table
from ablate.trials.record_comparison import DIFFERENT, EQUAL
from ablate.trials.repeats import compare_repeat, is_same_machine
from ablate.trials.trial import TrialRecord
from service.context import Context
from service.faults.work import Work
from service.schedules import alarms, losses
from service.schedules.launch import Reference
from service.store import cells, studies
from service.store.schedules import firings, notices, schedules
from service.store.schedules.firings import SETTLED, Firing
from service.store.studies import CellKey, Stored

STATE_OF: Mapping[StudyState, FiringState] = {"succeeded": "done", "failed": "holes", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True)
class FiringData:
    """The stored data that settle a firing.

    Attributes:
        table: table of its study; None if this version of ablate cannot build it.
        cells: cells of its study.
        records: records of its trials, by key.
        reference_records: records of the reference of verify, by key.
    """

    study: Stored
    table: Table | None
    cells: Sequence[CellKey]
    records: Mapping[str, TrialRecord]
    reference_records: Mapping[str, TrialRecord]


def settle_safely(context: Context, firing: Firing, at: datetime) -> None:
    """The same as `settle_firing`, for the scheduler: an internal error ends no other firing.

    After the last try the firing has holes, with the reason, so that its schedule continues.

    Raises:
        UnavailableError: the database or the disk is away.
    """
    work = Work(
        "settlement", f"{firing.id}:{firing.study_seq}", f"the results of the firing of {firing.instant:%Y-%m-%d}"
    )
    context.faults.attempt(work, partial(settle_firing, context, firing, at), partial(_give_up, context, firing))


def _give_up(context: Context, firing: Firing, reason: str) -> None:
    with context.store.write() as connection:
        assert firing.study_seq is not None, "only firings with a study are settled"
        values = {
            "reason": f"its results {reason}", "ended_at": studies.get_by_seq(connection, firing.study_seq).ended_at,
            "drift": DriftView(state="unknown", sentence=f"the results {reason}").model_dump(mode="json"),
        }  # fmt: skip
        firings.move_firing(connection, firing.id, ("running", *SETTLED), "holes", **values)


def settle_firing(context: Context, firing: Firing, at: datetime) -> None:
    """Store the results of a firing, once for each end of its study."""
    data = _read(context, firing)
    if data.study.state not in STATE_OF:  # queued again in the meantime: its next end settles the firing
        return
    with context.store.read() as connection:
        schedule = schedules.find_by_seq(connection, firing.schedule_seq)
    if schedule is None:  # removed in the meantime
        return
    rows, repeats = _rows_of(data), _compare(firing, data, schedule.tolerance)
    state = STATE_OF[data.study.state]
    values = {
        "rows": [row.model_dump(mode="json") for row in rows],
        "comparisons": [repeat.model_dump(mode="json") for repeat in repeats],
        "provenance": _provenance_of(data.records.values()),
        "reason": data.study.reason, "ended_at": data.study.ended_at,
    }  # fmt: skip
    with context.store.write() as connection:
        schedule = schedules.find_by_seq(connection, firing.schedule_seq, locked=True)
        if schedule is None or firings.get_firing(connection, firing.id).ended_at == data.study.ended_at:
            return  # it was removed, or another scheduler was faster
        if not firings.move_firing(connection, firing.id, ("running", *SETTLED), state, **values):
            return
        case = alarms.Settlement(connection, schedule, firings.get_firing(connection, firing.id), at)
        drift = losses.add_losses(case, _judge(case, repeats, data))
        firings.move_firing(connection, firing.id, (state,), state, drift=drift.model_dump(mode="json"))
        if state != "done":
            notices.announce_firing(connection, schedule.name, firing.id, at)


def _read(context: Context, firing: Firing) -> FiringData:
    reference = Reference.from_json(firing.reference) if firing.reference and firing.kind == "verify" else None
    assert firing.study_seq is not None, "only firings with a study are settled"
    with context.store.read() as connection:
        return FiringData(
            study=studies.get_by_seq(connection, firing.study_seq),
            table=studies.find_table(connection, firing.study_seq),
            cells=studies.list_cell_keys(connection, firing.study_seq),
            records=cells.list_records(connection, firing.study_seq),
            reference_records=cells.find_results(connection, [cell.key for cell in reference.cells])
            if reference
            else {},
        )


def _rows_of(data: FiringData) -> list[FiringRow]:
    if data.table is None:
        return []
    metric = data.table.metric
    return [
        FiringRow(
            row=row.name,
            group=row.group,
            n=len(row.cells[metric].values),
            lost=row.n_planned - len(row.cells[metric].values),
            mean=row.cells[metric].mean,
            sd=row.cells[metric].sd,
            values={str(seed): value for seed, value in row.cells[metric].values.items()},
        )
        for row in data.table.rows
    ]


def _compare(firing: Firing, data: FiringData, tolerance: float) -> list[RepeatView]:
    """Each repeated trial with a result, compared with the trial that it repeats."""
    if firing.reference is None or firing.kind != "verify":
        return []
    now = {(cell.row, cell.seed): data.records.get(cell.key) for cell in data.cells}
    views = []
    for cell in Reference.from_json(firing.reference).cells:
        stored, again = data.reference_records.get(cell.key), now.get((cell.row, cell.seed))
        if stored is not None and again is not None and again.is_result:
            views.append(_compare_pair(firing, cell, (stored, again), tolerance))
    return views


def _compare_pair(firing: Firing, cell: CellKey, pair: tuple[TrialRecord, TrialRecord], tolerance: float) -> RepeatView:
    stored, again = pair
    same = is_same_machine(stored.provenance, again.provenance)
    found = compare_repeat(stored, again, is_same_machine=same, tolerance=tolerance)
    metric = firing.metric or ""
    return RepeatView(
        row=cell.row,
        seed=cell.seed,
        verdict=found.verdict,
        then=stored.outcome.metrics.get(metric),
        now=again.outcome.metrics.get(metric),
        first_difference_step=found.first_difference_step,
        sentence=found.sentence,
        key=again.trial.key,
        reference_key=stored.trial.key,
    )


def _provenance_of(records: Iterable[TrialRecord]) -> dict[str, Any]:
    """Provenance and data set of a firing's trials: a value, or a list if they differ."""
    found: dict[str, list[Any]] = {}
    for record in records:
        for name, value in (record.provenance | {"data": record.trial.recipe.get("dataset")}).items():
            values = found.setdefault(name, [])
            if value not in values:
                values.append(value)
    return {name: values[0] if len(values) == 1 else sorted(map(str, values)) for name, values in found.items()}


def _judge(case: alarms.Settlement, repeats: Sequence[RepeatView], data: FiringData) -> DriftView:
    firing = case.firing
    if firing.kind == "fresh":
        return alarms.judge_fresh(case)
    if firing.kind == "reference":
        return DriftView(state="reference", sentence=_of_reference(firing, data))
    changed = {repeat.row: repeat for repeat in reversed(repeats) if repeat.verdict == DIFFERENT}
    if changed and firing.fired_at is not None and firing.fired_at < case.schedule.watched_from:
        rows = ", ".join(map(quote, changed))
        return DriftView(
            state="unknown", sentence=f"results differ in {rows}; the firing started before the reference window"
        )
    if changed:
        before = _provenance_of(data.reference_records.values())
        return alarms.raise_repeats(case, list(changed.values()), before)
    return _steady(case, repeats, data)


def _of_reference(firing: Firing, data: FiringData) -> str:
    results = sum(record.is_result for record in data.records.values())
    wanted = len({cell.key for cell in data.cells})
    text = f"trained the reference: {results} of {wanted} trials, which later firings repeat"
    return text if firing.state == "done" else f"{text}; the next firing trains the missing ones"


def _steady(case: alarms.Settlement, repeats: Sequence[RepeatView], data: FiringData) -> DriftView:
    """Drift of a firing without a changed trial: steady if every trial could be compared, else unknown."""
    wanted = Reference.from_json(case.firing.reference).cells if case.firing.reference else ()
    gone = sum(cell.key not in data.reference_records for cell in wanted)
    lost = len(wanted) - gone - len(repeats)
    parts = [_count_equal(repeats, case.schedule.tolerance) if repeats else "no trial could be compared"]
    if gone:
        parts.append(f"{gone} of {len(wanted)} stored results are missing; the next firing trains them again")
    if lost:
        parts.append(f"{lost} of {len(wanted)} trials have no result this time, which does not count as drift")
    is_whole = case.firing.state == "done" and not gone and not lost
    return DriftView(state="steady" if is_whole else "unknown", sentence="; ".join(parts))


def _count_equal(repeats: Sequence[RepeatView], tolerance: float) -> str:
    equal = sum(repeat.verdict == EQUAL for repeat in repeats)
    text = f"{equal} of {len(repeats)} repeated trials are bit-identical"
    if equal == len(repeats):
        return text
    why = "because processor, threads, device, driver or packages differ from the reference"
    return f"{text}, {len(repeats) - equal} within the tolerance of {tolerance:g}, {why}"
