"""Documents about the tables of the paper: what a client submits, the plan, the studies."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ablate.documents import Document
from ablate.remote.documents.studies import Finding, StudyView
from ablate.study.resources import Resources
from ablate.study.seeds import MAX_SEEDS
from ablate.study.strict import StrictDocument


class PaperSubmission(StrictDocument):
    """Body of `POST /paper` and `POST /paper/plan`."""

    tables: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=64, description="such as T5; empty: every table that has the scale"
    )
    scale: str | None = Field(None, max_length=64, description="null: `mini`")
    seeds: int | None = Field(None, ge=1, le=MAX_SEEDS, description="number of seeds; null: each study's own seeds")
    priority: int | None = Field(None, ge=-100, le=100, description="higher runs first; null: each study's own")
    resources: Resources | None = Field(None, description="of one trial; null: each study's own")
    confirm: bool = Field(False, description="train even above `limit_gpu_hours` of the plan")


class PaperCounts(Document):
    """Counts over one or more tables: a trial that two tables need counts once in `distinct` and in `known`."""

    rows: int
    trials: int
    distinct: int
    known: int


class PaperView(PaperCounts):
    """The studies of the submitted tables, in the order of the tables."""

    items: list[StudyView]


class PaperTablePlan(PaperCounts):
    """The plan of one table. `gpu_hours`: estimate for the trials that are not known; null if there is none."""

    id: str
    study: str
    title: str
    question: str
    scale: str | None
    datasets: list[str]
    gpu_hours: float | None
    warnings: list[Finding]


class PaperPlan(PaperCounts):
    """The plan of a submission of tables.

    Attributes:
        left_out: tables that do not have the scale, where no table was named.
        gpu_hours: of all tables together; a trial that tables share counts once.
        needs_confirmation: whether it takes more than `limit_gpu_hours`, or cannot be estimated. `POST /paper` then
            requires `confirm`.
        basis: how the GPU-hours are estimated.
    """

    items: list[PaperTablePlan]
    left_out: list[str]
    gpu_hours: float | None
    limit_gpu_hours: float
    needs_confirmation: bool
    basis: str
