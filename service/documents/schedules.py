"""The documents of REST about schedules: what goes in, what comes out. `service.documents.firings` has those
about firings, `service.documents.studies` those about studies.

Field names are part of the contract with users' scripts. Answers have no defaults: whoever builds one says it all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from ablate.documents import Document
from ablate.study.document import NAME, Label, StrictDocument
from ablate.study.seeds import SeedCount
from service.documents.firings import AlarmView, FiringView

Mode = Literal["verify", "fresh"]
Missed = Literal["coalesce", "skip", "all"]
Overlap = Literal["skip", "queue"]
MODES: tuple[Mode, ...] = ("verify", "fresh")
WHEN_MISSED: tuple[Missed, ...] = ("coalesce", "skip", "all")
WHEN_BUSY: tuple[Overlap, ...] = ("skip", "queue")


class Policies(StrictDocument):
    """What a schedule has defaults for, and a change of one may name."""

    tz: str = Field("UTC", max_length=64, description="IANA zone whose clock counts, such as Europe/Berlin")
    mode: Mode = Field(
        "verify", description="verify: train stored (row, seed) pairs again and compare; fresh: train new seeds"
    )
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
        description="of verify: by what share of its stored value a metric may be off before it is drift, where "
        "processor, threads, device, driver or packages are not those of the reference; chosen, not measured: too "
        "small a share calls other rounding drift, too large a one hides small changes. Where all are the same it "
        "plays no part: there the numbers are to be equal to the last bit",
    )
    reference_firings: int = Field(4, ge=4, le=100, description="of fresh: how many firings the reference window has")
    false_alarm_every: int = Field(
        200, ge=10, le=100_000, description="of fresh: mean number of firings between two false alarms"
    )


class ScheduleSpec(Policies):
    """Body of `POST /schedules`. `study` is checked by the planner, with every error at once."""

    name: str = Field(pattern=NAME, description="of the schedule")
    cron: str = Field(max_length=100, description="five fields: minute, hour, day of month, month, weekday")
    study: dict[str, Any] = Field(description="the study document; see GET /api/v1/catalog")


class ScheduleChange(Policies):
    """Body of `PATCH /schedules/{name}`: only the fields that are given change, whatever their defaults are."""

    cron: str = Field("", max_length=100, description="five fields: minute, hour, day of month, month, weekday")
    study: dict[str, Any] = Field(default_factory=dict, description="another study begins a new reference")
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


class ScheduleLinks(Document):
    """Where to go on, as paths on this service."""

    self_: str = Field(alias="self", serialization_alias="self")
    history: str
    studies: str


class ScheduleView(Document):
    """A schedule.

    Attributes:
        cron_text: what the cron text says, in words; `next_text` when it fires next on its own clock, and in how long.
        next_at: null while it is paused, or cannot fire.
        study_name, metric: of its study.
        last: the newest firing that has a study.
        alarms: those that nobody has acknowledged.
        reference_at: instant of the firing that made the reference of verify; null where it is to be made, or where
            what other studies trained serves.
        needs_person: whether there is an alarm, or the last firing has holes or could not start, or none can follow,
            since the service's machine does not know the zone.
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
