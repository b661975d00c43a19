"""A study and a trial as the mirror writes them to MLflow, read from the database. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ablate.trials.trial import EpochMetrics


@dataclass(frozen=True, slots=True)
class StudyRun:
    """A study as MLflow shows it.

    Attributes:
        state: of the study; every state except `queued`, `running` and `paused` is final.
        started_at, ended_at: aware; `ended_at` is None while the study is live.
        row_means: row name -> metric -> mean. Written when the study is final: a metric of MLflow is never taken
            back, and its latest value is found by time.
        files: artifact name -> content (tables, plots, the study document); `table.md` also becomes the run's note.
    """

    study_id: str
    name: str
    title: str
    scale: str | None
    state: str
    started_at: datetime
    ended_at: datetime | None
    row_means: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrialRun:
    """One trial as one study's run shows it.

    Attributes:
        row, group: name and group of the first row of the study that the trial fills.
        state: of the trial in this study; `queued` means that it waits for its next attempt.
        recipe: resolved, flat.
        metrics: final.
        curve: points of the learning curve; their times are spread between `started_at` and `ended_at` by step.
            Written only with a result (succeeded, diverged), which is final: a trial that failed may run again, and
            its points would then appear twice, at different times.
        attempts: one line for each: number, final state, reason.
        shared: whether another study queued it.
        task: name of its task.
        files: path -> content of what its code wrote; `note`: a sentence on files that are left out.
    """

    study_id: str
    name: str
    key: str
    row: str
    seed: int
    state: str
    reason: str | None
    started_at: datetime
    ended_at: datetime | None
    recipe: Mapping[str, Any]
    metrics: Mapping[str, float]
    curve: tuple[EpochMetrics, ...]
    attempts: tuple[str, ...]
    shared: bool
    group: str | None = None
    task: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    note: str = ""
