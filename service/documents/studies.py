"""The documents of REST, as the contract has them: what goes in, what comes out. They cross a process.

Field names are part of the contract with users' scripts. Answers have no defaults: whoever builds one says it all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field

from ablate.documents import Document
from ablate.errors import Code
from ablate.study.document import Label, Resources, RowSpec, StrictDocument
from ablate.study.seeds import MAX_SEEDS, Seeds

StudyState = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
TrialState = Literal["queued", "running", "succeeded", "diverged", "failed", "cancelled"]
STUDY_STATES: tuple[StudyState, ...] = ("queued", "running", "paused", "succeeded", "failed", "cancelled")
TRIAL_STATES: tuple[TrialState, ...] = ("queued", "running", "succeeded", "diverged", "failed", "cancelled")
LIVE: tuple[StudyState, ...] = ("queued", "running", "paused")
"""States of a study that still wants its trials."""
FINAL: tuple[TrialState, ...] = ("succeeded", "diverged", "failed", "cancelled")


class Submission(StrictDocument):
    """Body of `POST /studies` and `POST /studies/plan`. `study` is checked by the planner, with every error at once."""

    study: dict[str, Any] = Field(description="the study document; see GET /api/v1/catalog")
    scale: str | None = Field(None, max_length=64, description="null: `mini` where the study has it, else its base")
    seeds: int | None = Field(None, ge=1, le=MAX_SEEDS, description="a count that overrides the study's")
    priority: int | None = Field(None, ge=-100, le=100, description="higher first; null: the study's own")
    resources: Resources | None = Field(None, description="of one trial, the fields that are given; null: the study's")
    fresh: bool = Field(False, description="train known trials again, as new replicates")


class Extension(StrictDocument):
    """Body of `POST /studies/{id}/extend`: more seeds, more rows, or both."""

    seeds: Seeds | None = Field(None, description="a new total, seeds 0 .. n-1; or a list of seeds to add")
    rows: list[RowSpec] = Field(default_factory=list, description="rows to add")


class PaperSubmission(StrictDocument):
    """Body of `POST /paper` and `POST /paper/plan`."""

    tables: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=64, description="such as T5; none: every table that has the scale"
    )
    scale: str | None = Field(None, max_length=64, description="null: `mini`")
    seeds: int | None = Field(None, ge=1, le=MAX_SEEDS, description="a count; null: each study's own")
    priority: int | None = Field(None, ge=-100, le=100, description="higher first; null: each study's own")
    resources: Resources | None = Field(None, description="of one trial; null: each study's own")
    confirm: bool = Field(False, description="train it however long it takes; see `limit_gpu_hours` of the plan")


class Links(Document):
    """Where to go on, as paths on this service; `mlflow` is null until the study is there."""

    self_: str = Field(alias="self", serialization_alias="self")
    table: str
    trials: str
    events: str
    mlflow: str | None


class Finding(Document):
    """A warning or an error: JSON pointer, stable code, sentence."""

    pointer: str
    code: Code
    message: str


class Progress(Document):
    """Cells of a study by state; the six states sum to `trials`.

    Attributes:
        trials: rows times seeds, with those of audit copies and of what rows need, such as the classification trial
            from whose weights a backbone starts: a cell for each row and seed that needs one.
        shared: cells whose trial this study did not queue itself.
        distinct: different trials among the cells.
    """

    trials: int
    queued: int
    running: int
    succeeded: int
    diverged: int
    failed: int
    cancelled: int
    shared: int
    distinct: int


class StudyView(Document):
    """A study. `reason` says why it failed or was cancelled; `eta_s` is null until something like it was timed.

    `schedule` names the schedule whose firing it is.
    """

    id: str
    name: str
    title: str
    scale: str | None
    state: StudyState
    priority: int
    schedule: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: Progress
    eta_s: float | None
    reason: str | None
    warnings: list[Finding]
    links: Links


class PaperCounts(Document):
    """Of several tables: a trial that two of them need is one of `distinct`, and `known` of these have a result."""

    rows: int
    trials: int
    distinct: int
    known: int


class PaperView(PaperCounts):
    """The studies of the tables that were submitted, in their order."""

    items: list[StudyView]


class PaperTablePlan(PaperCounts):
    """What one table would be. `gpu_hours`: of what is not known of it; null where it cannot be estimated."""

    id: str
    study: str
    title: str
    question: str
    scale: str | None
    datasets: list[str]
    gpu_hours: float | None
    warnings: list[Finding]


class PaperPlan(PaperCounts):
    """What a submission of tables would be; `basis` says how the hours come about.

    Attributes:
        gpu_hours: of all tables together, trials that they share once.
        needs_confirmation: whether it takes more than `limit_gpu_hours`, or may: `POST /paper` then wants `confirm`.
        left_out: where no table was named, those that have no such scale.
    """

    items: list[PaperTablePlan]
    left_out: list[str]
    gpu_hours: float | None
    limit_gpu_hours: float
    needs_confirmation: bool
    basis: str


class CellOfStudy(Document):
    """A cell that a trial fills."""

    study_id: str
    row: str
    seed: int


class AttemptView(Document):
    """One attempt at a trial. `number` grows; `state` is `running` or how it ended."""

    number: int
    state: str
    reason: str | None
    started_at: datetime
    ended_at: datetime | None


class CellView(Document):
    """A cell of a study with its trial, as in the list of a study's trials."""

    key: str
    row: str
    seed: int
    state: TrialState
    reason: str | None
    shared: bool
    step: int | None
    steps: int | None
    metrics: dict[str, float]
    attempts: list[AttemptView]
    started_at: datetime | None
    ended_at: datetime | None
    mlflow_run_id: str | None


class TrialView(Document):
    """One trial with everything that is known of it.

    Attributes:
        needs: name -> key of the trial from whose weights this one starts; it waits for that one.
    """

    key: str
    task: str
    seed: int
    replicate: int
    repeat: int
    rows: list[CellOfStudy]
    state: TrialState
    reason: str | None
    step: int | None
    steps: int | None
    metrics: dict[str, float]
    attempts: list[AttemptView]
    needs: dict[str, str]
    recipe: dict[str, Any]
    outcome: dict[str, Any] | None
    curve: list[dict[str, Any]]
    provenance: dict[str, Any]
    started_at: datetime | None
    ended_at: datetime | None
    mlflow_run_id: str | None


Item = TypeVar("Item")


class Page(Document, Generic[Item]):
    """A page of a list; `next` is the cursor of the following one, null on the last."""

    items: list[Item]
    next: str | None


class Event(Document):
    """One event of a study; `id` grows. `kind` is `progress`, `trial`, `table` or `done`."""

    id: int
    kind: Literal["progress", "trial", "table", "done"]
    data: dict[str, Any]


RowLabel = Label
