"""The plan of a study: the answer of `POST /studies/plan` and of `ablate check --json`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ablate.documents import Document
from ablate.remote.documents.studies import Finding


class PrintedCost(Document):
    """A printed cost: the text as printed (`25.5M`), and its value."""

    text: str
    value: float


class PlanRow(Document):
    """One row of a plan.

    Attributes:
        row: `GROUP / LABEL`, what the row is called where several groups have its label; absent where it is unique.
        set: fields that the row sets over the base.
        key_fields: fields of the recipe that enter the key of the row's trials.
        baseline: whether other rows are compared with it.
        line: row of the pivoted table in which this row is one cell; null for a study without a pivot.
        params: trainable parameters; null, as the next two, where the task does not count costs.
        params_without_norm: trainable parameters without those of normalisation layers.
        multiply_adds: of convolutions and linear layers for one image at the recipe's resolution.
        published_params: the printed number of parameters; null if none is printed for this row.
        published_multiply_adds: the printed number of multiply-adds; null if none is printed for this row.
    """

    label: str
    row: str | None = Field(None, exclude_if=lambda name: name is None)
    group: str | None
    set: dict[str, Any]
    key_fields: dict[str, Any]
    baseline: bool
    line: str | None
    params: int | None
    params_without_norm: int | None
    multiply_adds: int | None
    published_params: PrintedCost | None
    published_multiply_adds: PrintedCost | None


class PlanView(Document):
    """What a study would train.

    Attributes:
        scale: null for the study's base without a scale.
        trials: number of cells: rows times seeds, plus audit duplicates and the trials that rows need.
        distinct: number of different trials among the cells.
        needed: number of distinct trials that exist only because other trials start from their weights.
        known: number of distinct trials that already have a result.
        estimate_s: estimated wall time of the trials that are left, in seconds; null until a similar trial was timed.
        excluded: labels of the cells that `[[exclude]]` removed.
        pivot: what the pivoted table will show, and which test follows; null for a study without a pivot.
        overrides: what replaces fields of base and scale, each as `lr = 0.1 instead of 0.001`.
        code: task of your own -> names of the files whose digest is part of its trials' keys.
    """

    study: str
    scale: str | None
    rows: list[PlanRow]
    trials: int
    distinct: int
    needed: int
    known: int
    estimate_s: float | None
    excluded: list[str]
    pivot: str | None
    overrides: list[str] = Field(default_factory=list)
    code: dict[str, list[str]] = Field(default_factory=dict)
    warnings: list[Finding]
