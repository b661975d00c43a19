"""Documents about trials: a cell of a study with its trial, and one trial with all of its data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ablate.documents import Document
from ablate.remote.choices import TrialState


class CellOfStudy(Document):
    """A cell that a trial fills; see `CellView` for `row` and `group`."""

    study_id: str
    row: str
    group: str | None
    seed: int


class AttemptView(Document):
    """One attempt at a trial. `number` grows; `state` is `running` or the state in which the attempt ended."""

    number: int
    state: str
    reason: str | None
    started_at: datetime
    ended_at: datetime | None


class CellView(Document):
    """A cell of a study with its trial, as in the list of a study's trials.

    Attributes:
        row: label of the row, or `GROUP / LABEL` where several groups have the label.
        group: group of the row; null without one, and in older studies if a field of the recipe decides it.
    """

    key: str
    row: str
    group: str | None
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
    """One trial with all of its data.

    Attributes:
        rows: cells that the trial fills, of any study.
        needs: name -> key of the trial whose weights this one starts from; this trial waits for that one.
        outcome: the outcome without its correctness by test image, which `ItemsView` has.
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


class ItemsView(Document):
    """Which test images a trial classified correctly.

    Attributes:
        test_set: identity of the test set; only trials with the same one can be compared image by image.
        n: number of test images.
        correct: number of correct ones.
        bits: one bit for each test image in the order of the test set, 1 if it is correct: base64 of bytes whose
            highest bit is the first image (`numpy.unpackbits` reads them); or, if asked for, a list of 0 and 1.
    """

    key: str
    test_set: str
    n: int
    correct: int
    bits: str | list[int]


class FileOfTrial(Document):
    """A file that the code of a trial wrote.

    Attributes:
        path: relative to the trial's folder, with `/` between the parts.
        size: in bytes.
    """

    path: str
    size: int


class FilesView(Document):
    """The files that the code of a trial wrote into its folder.

    Attributes:
        files: sorted by path; at most 1,000.
        more: number of further files.
    """

    key: str
    files: list[FileOfTrial]
    more: int
