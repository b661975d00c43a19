"""The documents of REST about firings: how one went, what it found, what somebody should look at."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ablate.documents import Document
from service.documents.studies import Finding, StudyView

Cause = Literal["cron", "manual"]
Kind = Literal["reference", "verify", "fresh"]
FiringState = Literal["queued", "running", "done", "holes", "cancelled", "skipped", "missed", "refused"]
CAUSES: tuple[Cause, ...] = ("cron", "manual")
KINDS: tuple[Kind, ...] = ("reference", "verify", "fresh")
FIRING_STATES: tuple[FiringState, ...] = (
    "queued", "running", "done", "holes", "cancelled", "skipped", "missed", "refused",
)  # fmt: skip


class Change(Document):
    """Something that is not the same at two firings: `commit`, `lock`, `device`, ...; null: unknown, or not there."""

    what: str
    then: Any
    now: Any


class FiringRow(Document):
    """A row at one firing: `values` by seed, as text; `n` of them, with mean and sample sd (null for fewer than two).

    `lost` counts its seeds that diverged, failed or were cancelled.
    """

    row: str
    n: int
    lost: int
    mean: float | None
    sd: float | None
    values: dict[str, float]


class RepeatView(Document):
    """A (row, seed) pair that was trained again: how it compares with the stored one.

    Attributes:
        verdict: `equal` to the last bit, `within tolerance`, or `different`.
        then, now: the primary metric; null where a trial has none.
        first_difference_step: at which the curves part; null where they do not.
        key, reference_key: of the trial, and of the one that it is compared with.
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
    """What a firing says of drift. `state`: `reference` (the window fills), `steady`, `alarm`, `unknown` (holes)."""

    state: Literal["reference", "steady", "alarm", "unknown"]
    sentence: str


class FiringView(Document):
    """One firing of a schedule.

    Attributes:
        instant: the moment that the cron text names, or the moment of a trigger.
        kind: what its study trains; null where it has none.
        state: `done`, or why not: `holes` (cells without result), `cancelled`, `skipped` (the one before still ran),
            `missed` (too late by the policy), `refused` (its study could not be submitted); `queued`, `running`.
        stands_for: instants that it answers for, itself among them: more than 1 where several were missed.
        repeat: number of the repetition; 0 for a reference that other studies may share.
        metric: the primary one, which `rows` are about.
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
    """A change that somebody should look at.

    Attributes:
        instant: of the firing at which it was seen.
        direction: `up` or `down`, of the metric's mean; null where a repeated trial differs otherwise.
        size: of the change, in units of the metric; null where there is no number.
        changed_instant: of the firing that is estimated to be the first changed one.
        good_instant, good_study_id: the last firing before that.
        differences: in provenance between these two firings.
    """

    id: int
    schedule: str
    instant: datetime
    study_id: str | None
    row: str
    direction: Literal["up", "down"] | None
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
    """When a schedule fires next."""

    schedule: str
    next_at: datetime
    next_text: str


class ScheduledFiring(Document):
    """A firing with the name of its schedule."""

    schedule: str
    firing: FiringView


class Today(Document):
    """What happened since a moment, and what comes.

    Attributes:
        needs_person: whether any of `attention` is there; `attention` says in sentences what for.
        finished: studies that ended, newest first, at most 200; `holes` those of them with cells without result.
        missed: firings that did not happen, or could not start.
        alarms: every one that nobody has acknowledged, however old.
        next: of each schedule that fires, soonest first.
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
