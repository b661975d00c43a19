"""The page of studies: a page of the list, and the floor that they are trained on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from ablate.remote.choices import StudyState
from ablate.remote.documents.studies import Page, StudyView
from service.context import Context
from service.documents.studies import STUDY_STATES
from service.studies.floor import FAR, Floor, look_at_floor
from service.studies.lifecycle import list_studies

PAGE = 25
START = secrets.token_hex(6)
"""Of this process: another one counts its commits anew."""


@dataclass(frozen=True, slots=True)
class StudiesPage:
    """What the page of studies shows.

    Attributes:
        state, name: what the list is filtered by.
        is_first: whether this is its first page.
    """

    page: Page[StudyView]
    floor: Floor
    state: StudyState | None
    name: str | None
    is_first: bool
    states: tuple[StudyState, ...] = STUDY_STATES

    @property
    def is_empty(self) -> bool:
        """Whether the service has no study at all."""
        return self.is_first and not (self.page.items or self.state or self.name)

    def wait_of(self, study: StudyView) -> str:
        """Why nothing of a study is under way, in words; empty where something is, or where it is over."""
        if study.state == "paused":
            return "waits until it is resumed"
        if study.state not in ("queued", "running") or study.progress.running:
            return ""
        if self.floor.scheduler != "running":
            return f"waits for the scheduler ({self.floor.scheduler})"
        ahead = self.floor.ahead.get(study.id)
        if ahead is None:
            return f"waits behind more than {FAR:,} trials" if study.progress.queued and self.floor.queued > FAR else ""
        if not ahead.trials:
            return "next in the queue"
        names = list(dict.fromkeys(name for _, name in ahead.studies))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        word = "trial" if ahead.trials == 1 else "trials"
        return f"waits behind {ahead.trials:,} {word} of {', '.join(names[:3])}{more}"


def read_board(context: Context, *, state: StudyState | None, name: str | None, cursor: str | None) -> StudiesPage:
    """A page of studies, newest first.

    Raises:
        StudyError: the cursor is none of ours.
    """
    page = list_studies(context, state=state, name=name, limit=PAGE, cursor=cursor)
    return StudiesPage(page, look_at_floor(context), state, name, cursor is None)


def tag_of(context: Context) -> str | None:
    """An entity tag of everything that is stored: the page is the same as long as nothing was committed.

    None where other processes write to the same database, whose commits are not counted here.
    """
    if not context.settings.is_embedded:
        return None
    return f'"{START}-{context.store.version}-{context.parts.get("scheduler", "")}-{context.parts.get("mlflow", "")}"'
