"""The client of a service: every call of REST as a method that takes and returns documents.

The commands use it, and a person can use it from Python. `httpx2` is imported when a client is made.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote

from ablate.remote.answers import read_answer
from ablate.remote.choices import StudyState
from ablate.remote.documents.events import ProgressEvent, StudyEvent
from ablate.remote.documents.faults import FaultView
from ablate.remote.documents.firings import Today
from ablate.remote.documents.plans import PlanView
from ablate.remote.documents.studies import ChangedStudy, Page, StudyView
from ablate.remote.errors import UnreachableError
from ablate.remote.follow import follow
from ablate.remote.paper import Paper
from ablate.remote.results import Results, StudyName
from ablate.remote.schedules import Schedules
from ablate.remote.tasks import Tasks, body_of
from ablate.settings import read_library_settings
from ablate.study.overrides import with_overrides
from ablate.study.source import StudySource

DEFAULT_URL = "http://127.0.0.1:8080"


class Client(Results):
    """A client of an `ablate` service; a context manager that also works without `with`.

    Args:
        url: address of the service; None for ABLATE_URL, else http://127.0.0.1:8080.
        api_key: sent as bearer token; None for ABLATE_API_KEY, else no key is sent.

    Attributes:
        url: address of the service.
        schedules: calls about schedules.
        paper: calls about the tables of the paper.
        tasks: calls about tasks.

    Raises:
        RefusedError: the address is not valid.

    Every method raises `UnreachableError` if the service does not answer, `RefusedError` or `StudyError` if it refuses
    the call, and `BrokenError` if it fails.

    Example:
        >>> client = ablate.Client()
        >>> study = client.submit("study.toml", seeds=3)
        >>> client.wait(study).state
        'succeeded'
        >>> client.table(study).rows[0].label
    """

    def __init__(self, url: str | None = None, api_key: str | None = None) -> None:
        from ablate.remote.connection import Connection

        settings = read_library_settings()
        stored = settings.api_key.get_secret_value() if settings.api_key else None
        self._connection = Connection(url or settings.url or DEFAULT_URL, api_key or stored)
        self.url = self._connection.url
        self.schedules = Schedules(self._connection)
        self.paper = Paper(self._connection)
        self.tasks = Tasks(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def ready(self) -> bool:
        """Whether the service accepts and runs studies now."""
        try:
            self._connection.check_ready()
        except UnreachableError:
            return False
        return True

    def submit(
        self,
        study: StudySource,
        *,
        scale: str | None = None,
        seeds: int | None = None,
        priority: int | None = None,
        resources: Mapping[str, float] | None = None,
        set: Mapping[str, Any] | None = None,
        fresh: bool = False,
        key: str | None = None,
    ) -> StudyView:
        """Submit a study; trials that are known or already queued are shared, not trained again.

        Args:
            study: a path to a study file, a mapping, or a `Study`.
            scale: scale of the study; None for `mini` if the study has it, else its base.
            seeds: number of seeds; None for the study's own seeds.
            priority: -100 to 100, higher runs first; None for the study's own priority.
            resources: of one trial (`cpus`, `gpus`); None for the study's own.
            set: recipe fields that replace those of base and scale; rows keep what they set.
            fresh: train known trials again, as new replicates.
            key: idempotency key; the same key and request give the same study. None for a new key.

        Returns:
            The study as the service stored it.

        Raises:
            StudyError: with every problem of the study; nothing is stored.

        Example:
            >>> study = client.submit("study.toml", seeds=5)
        """
        body = body_of(self._document(study, set), scale, seeds, priority, resources) | {"fresh": fresh}
        return read_answer(StudyView, self._connection.post("/studies", body, key=key or secrets.token_hex(16)))

    def plan(
        self,
        study: StudySource,
        *,
        scale: str | None = None,
        seeds: int | None = None,
        resources: Mapping[str, float] | None = None,
        set: Mapping[str, Any] | None = None,
        fresh: bool = False,
    ) -> PlanView:
        """Plan a study; stores nothing.

        Args:
            study: as in `submit`, like the other arguments.

        Returns:
            Rows with their cost, number of trials, number of known trials, estimated time, warnings.

        Raises:
            StudyError: with every problem of the study.

        Example:
            >>> client.plan("study.toml").trials
        """
        body = body_of(self._document(study, set), scale, seeds, None, resources) | {"fresh": fresh}
        return read_answer(PlanView, self._connection.post("/studies/plan", body))

    def studies(
        self,
        *,
        state: StudyState | None = None,
        name: str | None = None,
        schedule: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[StudyView]:
        """A page of studies, newest first.

        Args:
            state: only studies in this state.
            name: only studies of this name.
            schedule: only studies that this schedule fired.
            limit: number of studies, at most 200.
            cursor: `next` of the previous page.

        Example:
            >>> [study.name for study in client.studies(state="running").items]
        """
        found = self._connection.get("/studies", state=state, name=name, schedule=schedule, limit=limit, cursor=cursor)
        return read_answer(Page[StudyView], found)

    def study(self, study: StudyName) -> StudyView:
        """A study with its progress.

        Args:
            study: its id, its name, or the document of an earlier answer.
        """
        return read_answer(StudyView, self._connection.get(self._path(study)))

    def events(self, study: StudyName, notify: Callable[[str], None] = lambda sentence: None) -> Iterator[StudyEvent]:
        """The events of a study until it has ended; a lost connection is restored.

        Args:
            study: its id, its name, or the document of an earlier answer.
            notify: is called with a sentence when the connection is lost, and when it is restored.

        Raises:
            UnreachableError: the connection was lost for more than 60 s.
        """
        return follow(self._connection, self._fixed(study), notify)

    def wait(self, study: StudyName, *, progress: Callable[[ProgressEvent], None] | None = None) -> StudyView:
        """Wait until a study has ended.

        Args:
            study: its id, its name, or the document of an earlier answer.
            progress: is called with the counts each time they change.

        Returns:
            The study in its final state: `succeeded`, `failed` or `cancelled`.

        Raises:
            UnreachableError: the connection was lost for more than 60 s; the study keeps running.

        Example:
            >>> client.wait(study, progress=lambda counts: print(counts.ended, "of", counts.trials))
        """
        study_id = self._fixed(study)
        for event in self.events(study_id):
            if progress is not None and isinstance(event.data, ProgressEvent):
                progress(event.data)
        return self.study(study_id)

    def cancel(self, study: StudyName) -> ChangedStudy:
        """Cancel a study; trials shared with another live study keep running."""
        return self._act(study, "cancel")

    def retry(self, study: StudyName) -> ChangedStudy:
        """Queue the failed and cancelled trials of a study again."""
        return self._act(study, "retry")

    def pause(self, study: StudyName) -> ChangedStudy:
        """Start no more trials of a study; running trials, and those shared with another live study, continue."""
        return self._act(study, "pause")

    def resume(self, study: StudyName) -> ChangedStudy:
        """Resume a paused study."""
        return self._act(study, "resume")

    def extend(
        self,
        study: StudyName,
        seeds: int | Sequence[int] | None = None,
        *,
        rows: Sequence[Mapping[str, Any]] = (),
    ) -> ChangedStudy:
        """Add seeds, rows, or both to a study.

        Args:
            study: its id, its name, or the document of an earlier answer.
            seeds: the new number of seeds, or a list of seeds to add.
            rows: rows to add, as in a study document.

        Raises:
            StudyError: with every problem of the extension.

        Example:
            >>> client.extend("table07", seeds=8)
        """
        body: dict[str, Any] = {"rows": [dict(row) for row in rows]} if rows else {}
        if seeds is not None:
            body["seeds"] = seeds if isinstance(seeds, int) else list(seeds)
        return self._act(study, "extend", body)

    def faults(self, *, stuck: bool | None = None, limit: int = 50, cursor: str | None = None) -> Page[FaultView]:
        """A page of the work that ended with an internal error of the service, newest first.

        Args:
            stuck: only work that waits to be retried (True), or only work that the service tries again (False).
            limit: number of faults, at most 200.
            cursor: `next` of the previous page.

        Example:
            >>> [fault.number for fault in client.faults(stuck=True).items]
        """
        return read_answer(Page[FaultView], self._connection.get("/faults", stuck=stuck, limit=limit, cursor=cursor))

    def retry_fault(self, number: str) -> FaultView:
        """Try stuck work again, for example after an upgrade of the service. Returns the fault as it was.

        Args:
            number: of the fault, such as `E-7f3a`.
        """
        return read_answer(FaultView, self._connection.post(f"/faults/{quote(number, safe='')}/retry"))

    def today(self, since: datetime | None = None) -> Today:
        """Recent results, what needs a person, and the next firings.

        Args:
            since: an instant with its time zone; None for one day ago.
        """
        return read_answer(Today, self._connection.get("/today", since=since.isoformat() if since else None))

    def _document(self, study: StudySource, replaced: Mapping[str, Any] | None) -> Any:
        return with_overrides(self.tasks.document_of(study), replaced)

    def _act(self, study: StudyName, verb: str, body: Mapping[str, Any] | None = None) -> ChangedStudy:
        return read_answer(ChangedStudy, self._connection.post(f"{self._path(study)}/{verb}", body))
