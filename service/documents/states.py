"""States, causes and modes as tuples, in the order of `ablate.remote.choices`: the database checks columns by them."""

from __future__ import annotations

from typing import get_args

from ablate.remote.choices import Cause, FiringState, Kind, Missed, Mode, Overlap, StudyState, TrialState

STUDY_STATES: tuple[StudyState, ...] = get_args(StudyState)
TRIAL_STATES: tuple[TrialState, ...] = get_args(TrialState)
LIVE: tuple[StudyState, ...] = ("queued", "running", "paused")
"""States of a study that still needs its trials."""

CAUSES: tuple[Cause, ...] = get_args(Cause)
KINDS: tuple[Kind, ...] = get_args(Kind)
FIRING_STATES: tuple[FiringState, ...] = get_args(FiringState)

MODES: tuple[Mode, ...] = get_args(Mode)
WHEN_MISSED: tuple[Missed, ...] = get_args(Missed)
WHEN_BUSY: tuple[Overlap, ...] = get_args(Overlap)
