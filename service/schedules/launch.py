"""The study of a firing: planned, then queued in the transaction that starts the firing.

A firing never reuses stored results. `verify` repeats stored (row, seed) pairs with the same random streams, under a
new repetition number; `fresh` takes the next seeds without any trial. If `verify` has no reference to compare with,
its firing trains one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from ablate.errors import AblateError
from ablate.remote.choices import Kind
from ablate.remote.documents.studies import Submission
from ablate.study.document import Study
from ablate.trials.trial import Repetition, TrialRecord
from service.context import Context, refuse_without_space
from service.errors import UnavailableError
from service.faults.work import Work
from service.store.cells import find_results
from service.store.schedules import firings, notices
from service.store.schedules import schedules as stored_schedules
from service.store.schedules.firings import Firing
from service.store.schedules.schedules import Schedule
from service.store.studies import CellKey
from service.studies.prepare import Prepared, prepare, resolve_document
from service.studies.submit import add_prepared


@dataclass(frozen=True, slots=True)
class Reference:
    """The trials that `verify` compares with.

    Attributes:
        repeat: repetition number of its trials.
        instant: instant of the firing that trained it, ISO 8601; None: existing trials are used.
        cells: its cells.
    """

    repeat: int
    instant: str | None
    cells: tuple[CellKey, ...]

    def to_json(self) -> dict[str, Any]:
        """The stored form."""
        cells = [[cell.row, cell.seed, cell.key] for cell in self.cells]
        return {"repeat": self.repeat, "instant": self.instant, "cells": cells}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Reference:
        """The reference from its stored form."""
        return cls(value["repeat"], value["instant"], tuple(CellKey(*cell) for cell in value["cells"]))

    def find_records(self, context: Context) -> dict[str, TrialRecord]:
        """Records of its trials that have a result, by key."""
        with context.store.read() as connection:
            return find_results(connection, [cell.key for cell in self.cells])


@dataclass(frozen=True, slots=True)
class Launch:
    """The study that a firing trains.

    Attributes:
        is_new: whether all its trials must be new.
        reference: for verify, the reference to compare with or to train.
        next_seed: next seed of the schedule after the launch.
    """

    kind: Kind
    prepared: Prepared
    is_new: bool
    reference: Reference | None
    next_seed: int


class _NotNowError(Exception):
    """The firing's study cannot be submitted; the message has the reason."""


class _ChangedError(Exception):
    """The schedule was changed while its study was planned; nothing was stored."""


class _KnownError(Exception):
    """A trial that must be new is known or under way; nothing was stored."""


class _TakenError(Exception):
    """Another scheduler launched the firing; nothing was stored."""


def launch_safely(context: Context, firing: Firing, at: datetime) -> None:
    """The same as `launch`, for the scheduler: an internal error ends no other firing.

    After the last try the firing is `refused`, with the reason.

    Raises:
        UnavailableError: the database or the disk is away; the firing waits.
    """
    work = Work("firing", str(firing.id), f"the firing of {firing.instant:%Y-%m-%d %H:%M} UTC")
    context.faults.attempt(work, partial(launch, context, firing, at), partial(_give_up, context, firing, at))


def _give_up(context: Context, firing: Firing, at: datetime, reason: str) -> None:
    with context.store.read() as connection:
        schedule = stored_schedules.find_by_seq(connection, firing.schedule_seq)
    if schedule is not None:
        _refuse(context, schedule, firing, f"it {reason}", at)


def launch(context: Context, firing: Firing, at: datetime) -> bool:
    """Submit the study of a waiting firing. Returns whether it did; another scheduler may have been faster.

    A study that cannot be submitted now makes the firing `refused`, with the reason.
    """
    next_seed, study_id = 0, None
    while study_id is None:
        with context.store.read() as connection:
            schedule = stored_schedules.find_by_seq(connection, firing.schedule_seq)
        if schedule is None:  # removed meanwhile
            return False
        schedule = replace(schedule, next_seed=max(schedule.next_seed, next_seed))
        try:
            chosen = plan_firing(context, schedule, firing)
            study_id = _store(context, schedule, firing, chosen, at)
        except _NotNowError as error:
            return _refuse(context, schedule, firing, str(error), at)
        except _TakenError:
            return False
        except _KnownError:
            next_seed = chosen.next_seed
        except _ChangedError:
            continue
    context.wake(study_id)
    return True


def plan_firing(context: Context, schedule: Schedule, firing: Firing) -> Launch:
    """The study for a firing to train now.

    Raises:
        _NotNowError: its study cannot run here.
        UnavailableError: the disk is full; the firing waits.
    """
    refuse_without_space(context)
    try:
        return (_choose_seeds if schedule.mode == "fresh" else _choose_repeat)(context, schedule, firing)
    except UnavailableError:
        raise
    except AblateError as error:  # the study, its data set or its task cannot be used here now
        raise _NotNowError(f"the study cannot be submitted: {error}") from error


def _choose_seeds(context: Context, schedule: Schedule, firing: Firing) -> Launch:
    document = document_of(schedule)
    count = schedule.seeds or len(Study.parse(document).seed_list)
    end = schedule.next_seed + count
    document["seeds"] = list(range(schedule.next_seed, end))
    return Launch("fresh", prepare(context, document, scale=schedule.scale), True, None, end)


def _choose_repeat(context: Context, schedule: Schedule, firing: Firing) -> Launch:
    def prepared(repeat: int) -> Prepared:
        repetition = Repetition(repeat=repeat, canary_only=True)
        return prepare(context, document_of(schedule), scale=schedule.scale, repetition=repetition)

    with context.store.read() as connection:
        number = firings.highest_repeat(connection) + 1
    if schedule.reference is not None:
        reference = Reference.from_json(schedule.reference)
    else:
        repeat = number if schedule.renews else 0
        reference = Reference(repeat, None, tuple(prepared(repeat).cells))
    if len(reference.find_records(context)) == len({cell.key for cell in reference.cells}):
        return Launch("verify", prepared(number), True, reference, schedule.next_seed)
    again = prepared(reference.repeat)
    trained = Reference(reference.repeat, firing.instant.isoformat(), tuple(again.cells))
    return Launch("reference", again, reference.repeat == number, trained, schedule.next_seed)


def document_of(schedule: Schedule) -> dict[str, Any]:
    """The study document of a schedule, including the schedule's options."""
    return document_of_fields(schedule.study, schedule.seeds, schedule.priority)


def document_of_fields(study: dict[str, Any], seeds: int | None, priority: int | None) -> dict[str, Any]:
    """The same, before the schedule exists."""
    return resolve_document(Submission(study=study, seeds=seeds, priority=priority))


def _store(context: Context, schedule: Schedule, firing: Firing, chosen: Launch, at: datetime) -> str:
    """Queue the study and start the firing, or do neither. Returns the study's id.

    Raises:
        _TakenError: the firing is no longer waiting.
        _ChangedError, _KnownError: see there.
    """
    plan = chosen.prepared.plan
    with context.store.write() as connection:
        present = stored_schedules.find_by_seq(connection, schedule.seq, locked=True)
        if present is None or _deciding(present) != _deciding(schedule):
            raise _ChangedError
        seq, study_id = add_prepared(connection, chosen.prepared, context.settings.home, schedule=schedule.name)
        if chosen.is_new and firings.count_shared(connection, seq):
            raise _KnownError
        values: dict[str, Any] = {
            "kind": chosen.kind, "study_seq": seq, "repeat": plan.repetition.repeat, "seeds": list(plan.seeds),
            "metric": plan.metric, "fired_at": at,
        }  # fmt: skip
        changes: dict[str, Any] = {"next_seed": chosen.next_seed}
        if chosen.reference is not None:
            values["reference"] = changes["reference"] = chosen.reference.to_json()
            changes["renews"] = False
        if not firings.move_firing(connection, firing.id, ("queued",), "running", **values):
            raise _TakenError
        stored_schedules.change_schedule(connection, schedule.seq, changes)
    return study_id


def _deciding(schedule: Schedule) -> tuple[Any, ...]:
    """The fields that determine a firing's study."""
    names = ("mode", "study", "scale", "seeds", "priority", "reference", "renews")
    return tuple(getattr(schedule, name) for name in names)


def _refuse(context: Context, schedule: Schedule, firing: Firing, reason: str, at: datetime) -> bool:
    with context.store.write() as connection:
        if firings.move_firing(connection, firing.id, ("queued",), "refused", reason=reason, ended_at=at):
            notices.announce_firing(connection, schedule.name, firing.id, at)
    return False
