"""`[limits]` of a study: for how long its trials start, and how many run at once."""

from __future__ import annotations

from pydantic import Field

from ablate.study.strict import StrictDocument


class LimitsSpec(StrictDocument):
    """How much a study may use at most. The limits are not part of a trial's identity.

    Attributes:
        hours: hours of wall time after which no new trial starts, from the start of the study's first trial.
        parallel: number of its trials that run at the same time.
    """

    hours: float | None = Field(
        None, gt=0, le=100_000, allow_inf_nan=False,
        description="hours of wall time after which no new trial starts: the study pauses; default: no limit",
    )  # fmt: skip
    parallel: int | None = Field(
        None, ge=1, le=100_000, description="trials of the study that run at the same time; default: as many as fit"
    )


def within(limits: LimitsSpec | None, parallel: int) -> int:
    """The number of trials that run at the same time, of those for which there is room."""
    return parallel if limits is None or limits.parallel is None else min(parallel, limits.parallel)
