"""The data of a study's events (Server-Sent Events), by kind."""

from __future__ import annotations

from dataclasses import dataclass

from ablate.documents import Document
from ablate.remote.choices import StudyState, TrialState
from ablate.remote.documents.studies import Progress


class ProgressEvent(Progress):
    """`progress`: number of cells by state, the study's state, and the estimated seconds that are left.

    Attributes:
        reason: why it is in that state, if it was not asked for.
    """

    state: StudyState
    eta_s: float | None
    reason: str | None = None


class TrialEvent(Document):
    """`trial`: the trial of a cell changed its state, or reported a step.

    Attributes:
        row, group: see `ablate.remote.documents.trials.CellView`; events of earlier versions have no group.
        reason: why it ended, or why it was queued again.
        steps: planned number of steps; null until the trial reports it.
        metrics: last reported ones while it runs, final ones after it has ended.
    """

    key: str
    row: str
    group: str | None = None
    seed: int
    state: TrialState
    reason: str | None
    step: int | None
    steps: int | None = None
    metrics: dict[str, float]


class TableEvent(Document):
    """`table`: the table has changed; `provisional` while trials are outstanding."""

    provisional: bool


class FaultEvent(Document):
    """`fault`: work on the study ended with an internal error of the service.

    Attributes:
        number: of the error, such as `E-7f3a`; the service's log has the traceback under it.
        work: the work in words.
        stuck: whether it is set aside until `ablate retry NUMBER`; else the service tries it again.
    """

    number: str
    work: str
    stuck: bool


class DoneEvent(Document):
    """`done`: the study has ended in this state, and the stream ends."""

    id: str
    state: StudyState


EventData = ProgressEvent | TrialEvent | TableEvent | FaultEvent | DoneEvent
KINDS: dict[str, type[EventData]] = {
    "progress": ProgressEvent, "trial": TrialEvent, "table": TableEvent, "fault": FaultEvent, "done": DoneEvent,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """One event of a study.

    Attributes:
        id: of the last stored event; the stream resumes after it.
        kind: `progress`, `trial`, `table`, `fault` or `done`.
        data: the document of that kind.
    """

    id: str
    kind: str
    data: EventData
