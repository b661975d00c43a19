"""Documents about schedules: what a client adds or changes, and what the service answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from ablate.documents import Document
from ablate.remote.choices import Missed, Mode, Overlap
from ablate.remote.documents.firings import AlarmView, FiringView
from ablate.study.document import Label
from ablate.study.problems import NAME
from ablate.study.seeds import SeedCount
from ablate.study.strict import StrictDocument


class Policies(StrictDocument):
    """Settings of a schedule that have defaults, and that a change may set."""

    tz: str = Field(
        "UTC", max_length=64, description="time zone of the cron expression (IANA name), such as Europe/Berlin"
    )
    mode: Mode = Field(
        "verify", description="verify: train stored (row, seed) pairs again and compare; fresh: train new seeds"
    )
    scale: str | None = Field(None, max_length=64, description="null: `mini` if the study has it, else its base")
    seeds: SeedCount | None = Field(None, description="number of seeds of one firing; null: as many as the study has")
    priority: int | None = Field(None, ge=-100, le=100, description="higher runs first; null: the study's own")
    missed: Missed = Field(
        "coalesce",
        description="what to do about instants that passed while the service was not running. coalesce: one firing for "
        "all of them; skip: none for those older than grace_s; all: one firing each, for the newest 100, in order",
    )
    grace_s: int = Field(3600, ge=0, le=86_400, description="with missed = skip: how late a firing may start")
    overlap: Overlap = Field(
        "skip", description="if the previous firing is still running: skip this one, or queue it after that one"
    )
    jitter_s: int = Field(
        0, ge=0, le=3600, description="start up to this many seconds late; name and instant determine the delay"
    )
    tolerance: float = Field(
        1e-3,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="of verify: how far a metric may differ from its stored value, as a share of it, before it counts "
        "as drift. Used only if processor, threads, device, driver or packages differ from those of the reference; "
        "otherwise the numbers must be equal to the last bit. Chosen, not measured: a small value reports rounding as "
        "drift, a large one hides small changes",
    )
    reference_firings: int = Field(4, ge=4, le=100, description="of fresh: number of firings in the reference window")
    false_alarm_every: int = Field(
        200,
        ge=10,
        le=100_000,
        description="of fresh: mean number of firings between two false alarms, whatever the noise",
    )


class ScheduleSpec(Policies):
    """Body of `POST /schedules`. The planner validates `study` and reports all errors."""

    name: str = Field(pattern=NAME, description="name of the schedule")
    cron: str = Field(max_length=100, description="minute, hour, day of month, month, weekday; or a macro: @daily")
    study: dict[str, Any] = Field(description="the study document; see GET /api/v1/catalog")


class ScheduleChange(Policies):
    """Body of `PATCH /schedules/{name}`: only the given fields change; defaults are not applied."""

    cron: str = Field("", max_length=100, description="minute, hour, day of month, month, weekday; or a macro: @daily")
    study: dict[str, Any] = Field(default_factory=dict, description="another study starts a new reference")
    paused: bool = Field(False, description="true: nothing fires until it is resumed, and no instant counts as missed")


class Acknowledgement(StrictDocument):
    """Body of `POST /schedules/{name}/ack`."""

    reason: Label = Field(description="cause of the change, for the history")
    keep_reference: bool = Field(
        False,
        description="of verify. true: the cause is fixed, so keep comparing with the present reference; false: the "
        "next firing trains a new reference",
    )

    @field_validator("reason")
    @classmethod
    def _trimmed(cls, reason: str) -> str:
        return reason.strip()


class ScheduleLinks(Document):
    """Paths on this service that belong to a schedule."""

    self_: str = Field(alias="self", serialization_alias="self")
    history: str
    studies: str


class ScheduleView(Document):
    """A schedule.

    Attributes:
        cron_text: the cron expression in words.
        study_name: name of its study.
        next_at: next instant; null while it is paused, or cannot fire.
        next_text: next instant on the schedule's own clock, and the time until then, in words.
        last: the newest firing that has a study.
        alarms: open alarms.
        reference_at: instant of the firing that made the reference of verify; null if there is none yet, or if trials
            of other studies serve as reference.
        needs_person: whether there is an open alarm, the last firing has a row without a number or cells without result
            or could not start, or no firing can follow because the service's machine does not know the time zone.
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


class ChangedSchedule(ScheduleView):
    """A schedule after a call that adds or changes it.

    Attributes:
        changed: whether the call changed anything.
        message: what was done; or that nothing was, and why.
    """

    changed: bool
    message: str
