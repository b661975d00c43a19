"""Documents about studies: what a client submits, and what the service answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar, get_args

from pydantic import Field

from ablate.documents import Document
from ablate.errors import Code
from ablate.remote.choices import StudyState
from ablate.study.document import RowSpec
from ablate.study.resources import Resources
from ablate.study.seeds import MAX_SEEDS, Seeds
from ablate.study.strict import StrictDocument


class Submission(StrictDocument):
    """Body of `POST /studies` and `POST /studies/plan`. The planner validates `study` and reports all errors."""

    study: dict[str, Any] = Field(description="the study document; see GET /api/v1/catalog")
    scale: str | None = Field(None, max_length=64, description="null: `mini` if the study has it, else its base")
    seeds: int | None = Field(None, ge=1, le=MAX_SEEDS, description="number of seeds; null: the study's own seeds")
    priority: int | None = Field(None, ge=-100, le=100, description="higher runs first; null: the study's own")
    resources: Resources | None = Field(
        None, description="of one trial; fields that are left out, or null: the study's own"
    )
    fresh: bool = Field(False, description="train known trials again, as new replicates")


class Extension(StrictDocument):
    """Body of `POST /studies/{id}/extend`: more seeds, more rows, or both."""

    seeds: Seeds | None = Field(None, description="the new total (seeds 0 .. n-1), or a list of seeds to add")
    rows: list[RowSpec] = Field(default_factory=list, description="rows to add")


class Links(Document):
    """Paths on this service that belong to a study; `mlflow` is null until MLflow has the study."""

    self_: str = Field(alias="self", serialization_alias="self")
    table: str
    trials: str
    events: str
    mlflow: str | None


class Finding(Document):
    """A warning or an error: JSON pointer, stable code, sentence."""

    pointer: str
    code: str = Field(json_schema_extra={"enum": list(get_args(Code))})  # a newer service may send further codes
    message: str


class Progress(Document):
    """Number of a study's cells by state; the six states sum to `trials`.

    Attributes:
        trials: rows times seeds, plus audit duplicates and the trials that rows need. For example, a row that starts
            from a trained backbone needs one classification trial for each seed.
        shared: cells whose trial another study queued.
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

    @property
    def ended(self) -> int:
        """Number of cells whose trial has ended."""
        return self.succeeded + self.diverged + self.failed + self.cancelled


class StudyView(Document):
    """A study.

    Attributes:
        reason: why it failed or was cancelled.
        eta_s: seconds left, estimated; null until a similar trial has been timed.
        schedule: name of the schedule that fired it; null for a study that was submitted.
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


class ChangedStudy(StudyView):
    """A study after a call that changes it.

    Attributes:
        changed: whether the call changed anything.
        message: what was done; or that nothing was, and why.
    """

    changed: bool
    message: str


Item = TypeVar("Item")


class Page(Document, Generic[Item]):
    """A page of a list; `next` is the cursor of the next page, null on the last page."""

    items: list[Item]
    next: str | None
