"""The documents of REST about schedules: what goes in, what comes out. `service.shapes` has those about studies.

Field names are part of the contract with users' scripts. Answers have no defaults: whoever builds one says it all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from ablate.seeds import SeedCount
from ablate.study import NAME, Label, StrictDocument
from ablate.trial import Document
from service.shapes import Finding, StudyView

Mode = Literal["verify", "fresh"]
Missed = Literal["coalesce", "skip", "all"]
Overlap = Literal["skip", "queue"]
Cause = Literal["cron", "manual"]
Kind = Literal["reference", "verify", "fresh"]
FiringState = Literal["queued", "running", "done", "holes", "cancelled", "skipped", "missed", "refused"]
MODES: tuple[Mode, ...] = ("verify", "fresh")
WHEN_MISSED: tuple[Missed, ...] = ("coalesce", "skip", "all")
WHEN_BUSY: tuple[Overlap, ...] = ("skip", "queue")
CAUSES: tuple[Cause, ...] = ("cron", "manual")
KINDS: tuple[Kind, ...] = ("reference", "verify", "fresh")
FIRING_STATES: tuple[FiringState, ...] = (
    "queued", "running", "done", "holes", "cancelled", "skipped", "missed", "refused",
)  # fmt: skip


class ScheduleSpec(StrictDocument):
    """Body of `POST /schedules`. `study` is checked by the planner, with every error at once."""

    name: str = Field(pattern=NAME, description="of the schedule")
    cron: str = Field(max_length=100, description="five fields: minute, hour, day of month, month, weekday")
    tz: str = Field("UTC", max_length=64, description="IANA zone whose clock counts, such as Europe/Berlin")
    mode: Mode = Field(
        "verify", description="verify: train stored (row, seed) pairs again and compare; fresh: train new seeds"
    )
    study: dict[str, Any] = Field(description="the study document; see GET /api/v1/catalog")
    scale: str | None = Field(None, max_length=64, description="null: `mini` where the study has it, else its base")
    seeds: SeedCount | None = Field(None, description="of one firing; null: as many as the study has")
    priority: int | None = Field(None, ge=-100, le=100, description="higher first; null: the study's own")
    missed: Missed = Field(
        "coalesce",
        description="instants that passed while nothing looked. coalesce: one firing for all of them; skip: none for "
        "those older than grace_s; all: one each, the newest 100, one after the other",
    )
    grace_s: int = Field(3600, ge=0, le=86_400, description="for missed = skip: how late a firing may start")
    overlap: Overlap = Field(
        "skip", description="where the firing before still runs: skip this one, or queue it behind that"
    )
    jitter_s: int = Field(
        0, ge=0, le=3600, description="start up to so many seconds late, by a number that name and instant decide"
    )
    tolerance: float = Field(
        1e-3,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="of verify on another processor or with other libraries, as a share of the stored metric; on the "
        "same ones the numbers are to be equal to the last bit",
    )
    reference_firings: int = Field(4, ge=4, le=100, description="of fresh: how many firings the reference window has")
    false_alarm_every: int = Field(
        200, ge=10, le=100_000, description="of fresh: mean number of firings between two false alarms"
    )


class ScheduleChange(StrictDocument):
    """Body of `PATCH /schedules/{name}`: the fields that change; `paused` pauses and resumes."""

    cron: str = Field("", max_length=100)
    tz: str = Field("", max_length=64)
    mode: Mode = "verify"
    study: dict[str, Any] = Field(default_factory=dict, description="another study starts a new reference")
    scale: str | None = Field(None, max_length=64)
    seeds: SeedCount | None = None
    priority: int | None = Field(None, ge=-100, le=100)
    missed: Missed = "coalesce"
    grace_s: int = Field(3600, ge=0, le=86_400)
    overlap: Overlap = "skip"
    jitter_s: int = Field(0, ge=0, le=3600)
    tolerance: float = Field(1e-3, ge=0, le=1, allow_inf_nan=False)
    reference_firings: int = Field(4, ge=4, le=100)
    false_alarm_every: int = Field(200, ge=10, le=100_000)
    paused: bool = Field(False, description="true: nothing fires until it is resumed, and nothing counts as missed")


class Acknowledgement(StrictDocument):
    """Body of `POST /schedules/{name}/ack`."""

    reason: Label = Field(description="what the change was, for whoever reads the history")
    keep_reference: bool = Field(
        False,
        description="of verify: go on comparing with the reference there is, since the cause is mended; false: the "
        "next firing trains a new reference",
    )

    @field_validator("reason")
    @classmethod
    def _trimmed(cls, reason: str) -> str:
        return reason.strip()


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


class ScheduleLinks(Document):
    """Where to go on, as paths on this service."""

    self_: str = Field(alias="self", serialization_alias="self")
    history: str
    studies: str


class ScheduleView(Document):
    """A schedule.

    Attributes:
        cron_text: what the cron text says, in words; `next_text` when it fires next on its own clock, and in how long.
        next_at: null while it is paused.
        study_name, metric: of its study.
        last: the newest firing that has a study.
        alarms: those that nobody has acknowledged.
        reference_at: instant of the firing that made the reference of verify; null where it is to be made, or where
            what other studies trained serves.
        needs_person: whether there is an alarm, or the last firing has holes or could not start.
    """

    name: str
    cron: str
    cron_text: str
    tz: str
    mode: Mode
    study: dict[str, Any]
    study_name: str
    scale: str | None
    seeds: int | None
    priority: int | None
    missed: Missed
    grace_s: int
    overlap: Overlap
    jitter_s: int
    tolerance: float
    reference_firings: int
    false_alarm_every: int
    state: Literal["active", "paused"]
    next_at: datetime | None
    next_text: str
    created_at: datetime
    changed_at: datetime
    last: FiringView | None
    alarms: list[AlarmView]
    reference_at: datetime | None
    needs_person: bool
    links: ScheduleLinks


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
        next: of each schedule that is not paused, soonest first.
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
