"""Documents about firings of schedules: how each one ended, what it found, and what needs a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from ablate.documents import Document
from ablate.remote.choices import Cause, FiringState, Kind
from ablate.remote.documents.studies import Finding, StudyView


class Change(Document):
    """A difference between two firings: `commit`, `lock`, `device`, ...; null: unknown or absent."""

    what: str
    then: Any
    now: Any


class FiringRow(Document):
    """A row at one firing.

    Attributes:
        row, group: see `ablate.remote.documents.trials.CellView`; firings of earlier versions have no group.
        n: number of seeds that ended with a value.
        lost: number of seeds that diverged, failed or were cancelled.
        mean: over the seeds that ended; null without one.
        sd: sample standard deviation over the seeds; null for fewer than two values.
        values: by seed; the seed is a string.
    """

    row: str
    group: str | None = None
    n: int
    lost: int
    mean: float | None
    sd: float | None
    values: dict[str, float]


class RepeatView(Document):
    """A (row, seed) pair that was trained again, compared with the stored one.

    Attributes:
        verdict: `equal` to the last bit, `within tolerance`, or `different`.
        then: stored value of the primary metric; null if the trial has none.
        now: new value of the primary metric; null if the trial has none.
        first_difference_step: first step at which the curves differ; null if they do not.
        key: of the new trial.
        reference_key: of the stored trial.
    """

    row: str
    seed: int
    verdict: Literal["equal", "within tolerance", "different"]
    then: float | None
    now: float | None
    first_difference_step: int | None
    sentence: str
    key: str
    reference_key: str


class DriftView(Document):
    """Result of the drift test at a firing.

    Attributes:
        state: `reference` (the reference window is being filled), `steady`, `alarm`, or `unknown` (a row without a
            number, a row that lost half of its seeds, cells without result, or nothing to compare).
        unknown: name -> sentence of each unknown row that needs a person: it is not acknowledged.
    """

    state: Literal["reference", "steady", "alarm", "unknown"]
    sentence: str
    unknown: dict[str, str] = Field(default_factory=dict)


class FiringView(Document):
    """One firing of a schedule.

    Attributes:
        instant: moment that the cron expression names, or moment of a trigger.
        kind: what its study trains; null if it has no study.
        state: `done`, or the reason why not: `holes` (cells without result), `cancelled`, `skipped` (the previous
            firing was still running), `missed` (too late by the policy), `refused` (its study could not be submitted);
            or `queued`, `running`.
        stands_for: number of instants that it covers, including its own; above 1 if several were missed.
        repeat: number of the repetition; 0 for a reference that other studies may share.
        metric: the primary metric, which `rows` are about.
    """

    id: int
    instant: datetime
    cause: Cause
    kind: Kind | None
    state: FiringState
    reason: str | None
    stands_for: int
    study_id: str | None
    seeds: list[int]
    repeat: int | None
    metric: str | None
    rows: list[FiringRow]
    comparisons: list[RepeatView]
    drift: DriftView | None
    fired_at: datetime | None
    ended_at: datetime | None


class AlarmView(Document):
    """A change that needs a person.

    Attributes:
        instant: of the firing that found it.
        direction: `up` or `down`, of the metric's mean; `lost` if more seeds of the row are lost than before; null if a
            repeated trial differs in another way.
        size: of the change, in units of the metric; null without a number.
        changed_instant: of the firing that is estimated to be the first changed one.
        good_instant: of the last firing before the change.
        good_study_id: study of the last firing before the change.
        differences: in provenance between these two firings.
    """

    id: int
    schedule: str
    instant: datetime
    study_id: str | None
    row: str
    direction: Literal["up", "down", "lost"] | None
    size: float | None
    changed_instant: datetime
    good_instant: datetime | None
    good_study_id: str | None
    sentence: str
    differences: list[Change]
    raised_at: datetime
    acknowledged_at: datetime | None
    ack_reason: str | None


class NextFiring(Document):
    """The next firing of a schedule."""

    schedule: str
    next_at: datetime
    next_text: str


class ScheduledFiring(Document):
    """A firing with the name of its schedule."""

    schedule: str
    firing: FiringView


class Today(Document):
    """Recent results, and the next firings.

    Attributes:
        needs_person: whether `attention` has any entry.
        attention: what needs a person, in sentences.
        finished: studies that ended, newest first, at most 200.
        holes: the finished studies that have cells without result.
        missed: firings that did not happen, or could not start.
        alarms: all open alarms, of any age.
        next: next firing of each schedule, soonest first.
        free_mib: free space on the disk of the state directory, in MiB.
    """

    since: datetime
    until: datetime
    needs_person: bool
    attention: list[Finding]
    finished: list[StudyView]
    holes: list[StudyView]
    missed: list[ScheduledFiring]
    alarms: list[AlarmView]
    next: list[NextFiring]
    free_mib: int
