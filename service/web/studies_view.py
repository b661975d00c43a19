"""The page of studies: one page of the list, the machines and the queue."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ablate.remote.choices import StudyState
from ablate.remote.documents.studies import Page, StudyView
from service.context import Context
from service.documents.states import STUDY_STATES
from service.studies.lifecycle import list_studies
from service.studies.workload import MAX_AHEAD, Workload, read_workload

PAGE = 25
PROCESS_ID = secrets.token_hex(6)
"""Random value of this process: each process counts its own commits."""


@dataclass(frozen=True, slots=True)
class StudiesPage:
    """Content of the page of studies.

    Attributes:
        state, name: the filters of the list.
        is_first: whether this is its first page.
    """

    page: Page[StudyView]
    workload: Workload
    state: StudyState | None
    name: str | None
    is_first: bool
    states: tuple[StudyState, ...] = STUDY_STATES

    @property
    def is_empty(self) -> bool:
        """Whether the service has no study at all."""
        return self.is_first and not (self.page.items or self.state or self.name)

    def wait_of(self, study: StudyView) -> str:
        """Why no trial of a study is running, in words; empty if one is running or the study has ended."""
        if study.state == "paused":
            return "waits until it is resumed"
        if study.state not in ("queued", "running") or study.progress.running:
            return ""
        if self.workload.scheduler != "running":
            return f"waits for the scheduler ({self.workload.scheduler})"
        ahead = self.workload.ahead.get(study.id)
        if ahead is None:
            is_far = study.progress.queued and self.workload.queued > MAX_AHEAD
            return f"waits for more than {MAX_AHEAD:,} trials" if is_far else ""
        if not ahead.trials:
            return "next in the queue"
        names = list(dict.fromkeys(name for _, name in ahead.studies))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        word = "trial" if ahead.trials == 1 else "trials"
        return f"waits for {ahead.trials:,} {word} of {', '.join(names[:3])}{more}"


def read_board(context: Context, *, state: StudyState | None, name: str | None, cursor: str | None) -> StudiesPage:
    """A page of studies, newest first.

    Raises:
        StudyError: the cursor is unknown.
    """
    page = list_studies(context, state=state, name=name, limit=PAGE, cursor=cursor)
    return StudiesPage(page, read_workload(context), state, name, cursor is None)


def tag_of(context: Context) -> str | None:
    """Entity tag of the stored state: the page stays the same until the next commit.

    None where other processes write to the same database, because their commits are not counted here.
    """
    if not context.settings.is_embedded:
        return None
    return (
        f'"{PROCESS_ID}-{context.store.version}-{context.parts.get("scheduler", "")}-{context.parts.get("mlflow", "")}"'
    )
