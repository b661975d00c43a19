"""States of studies and trials for the store, and the events that it keeps."""

from __future__ import annotations

from typing import Any, Literal

from ablate.documents import Document
from ablate.remote.choices import StudyState, TrialState

STUDY_STATES: tuple[StudyState, ...] = ("queued", "running", "paused", "succeeded", "failed", "cancelled")
TRIAL_STATES: tuple[TrialState, ...] = ("queued", "running", "succeeded", "diverged", "failed", "cancelled")
LIVE: tuple[StudyState, ...] = ("queued", "running", "paused")
"""States of a study that still needs its trials."""


class Event(Document):
    """One event of a study; `id` grows. `ablate.remote.documents.events` describes the data of each kind."""

    id: int
    kind: Literal["progress", "trial", "table", "done"]
    data: dict[str, Any]
