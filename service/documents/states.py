"""States, causes and modes as tuples, in the order of `ablate.remote.choices`: the database checks columns by them."""

from __future__ import annotations

from ablate.remote.choices import Cause, FiringState, Kind, Missed, Mode, Overlap, StudyState, TrialState

STUDY_STATES: tuple[StudyState, ...] = ("queued", "running", "paused", "succeeded", "failed", "cancelled")
TRIAL_STATES: tuple[TrialState, ...] = ("queued", "running", "succeeded", "diverged", "failed", "cancelled")
LIVE: tuple[StudyState, ...] = ("queued", "running", "paused")
"""States of a study that still needs its trials."""

CAUSES: tuple[Cause, ...] = ("cron", "manual")
KINDS: tuple[Kind, ...] = ("reference", "verify", "fresh")
FIRING_STATES: tuple[FiringState, ...] = (
    "queued", "running", "done", "holes", "cancelled", "skipped", "missed", "refused",
)  # fmt: skip

MODES: tuple[Mode, ...] = ("verify", "fresh")
WHEN_MISSED: tuple[Missed, ...] = ("coalesce", "skip", "all")
WHEN_BUSY: tuple[Overlap, ...] = ("skip", "queue")
