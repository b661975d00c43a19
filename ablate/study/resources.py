"""`[resources]` and `[limits]` of a study: what one trial gets, and how much the study may use."""

from __future__ import annotations

from pydantic import Field, field_validator

from ablate.study.strict import StrictDocument


class Resources(StrictDocument):
    """CPUs and GPUs that one trial occupies. They are not part of a trial's identity."""

    cpus: int = Field(1, ge=1, le=1024, description="CPU threads per trial")
    gpus: float = Field(
        0, ge=0, le=64, description="GPUs per trial; a fraction shares one GPU, values above 1 are whole numbers"
    )

    @field_validator("gpus")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"{gpus:g} GPUs is not a whole number; only values below 1 may be fractions")
        return gpus


class ResourcesSpec(Resources):
    """What one trial occupies, and how long and how often it is tried.

    Attributes:
        timeout_s: seconds after which an attempt at a trial is ended, as a failure; no limit without it.
        max_retries: how often a trial is tried again after an attempt that failed.
    """

    timeout_s: float | None = Field(
        None, gt=0, le=1e9, allow_inf_nan=False, exclude_if=lambda chosen: chosen is None,
        description="seconds after which an attempt at a trial is ended, as a failure; default: no limit",
    )  # fmt: skip
    max_retries: int = Field(
        0, ge=0, le=100, exclude_if=lambda chosen: chosen == 0,
        description="how often a trial is tried again after an attempt that failed",
    )  # fmt: skip


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
