"""Documents that cross REST: what a client reads of an answer, and what the commands print of it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ablate.remote.answers import read_answer
from ablate.remote.documents.events import KINDS, ProgressEvent, TrialEvent
from ablate.remote.documents.studies import Page, Progress, StudyView
from ablate.remote.errors import BrokenError

COUNTS = dict.fromkeys(Progress.model_fields, 1)
STUDY: dict[str, Any] = {
    "id": "s" * 20, "name": "toys", "title": "", "scale": None, "state": "running", "priority": 0, "schedule": None,
    "created_at": "2026-05-04T10:00:00.123456Z", "started_at": None, "ended_at": None, "progress": COUNTS,
    "eta_s": 1.0, "reason": None, "warnings": [{"pointer": "", "code": "power", "message": "few seeds"}],
    "links": {"self": "/api/v1/studies/s", "table": "t", "trials": "t", "events": "e", "mlflow": None},
}  # fmt: skip


def test_a_document_is_printed_as_the_service_sent_it() -> None:
    study = read_answer(StudyView, STUDY)
    assert study.links.self_ == "/api/v1/studies/s"
    assert list(study.model_dump(mode="json", by_alias=True).items()) == list(STUDY.items())


def test_fields_of_a_newer_service_are_ignored_at_every_depth() -> None:
    newer = {**STUDY, "tags": ["a"], "progress": {**COUNTS, "pruned": 2}}
    assert read_answer(Page[StudyView], {"items": [newer], "next": None}).items == [read_answer(StudyView, STUDY)]


@pytest.mark.parametrize("answer", [None, [], {}, {**STUDY, "state": "dancing"}, {**STUDY, "progress": None}])
def test_an_answer_that_cannot_be_read_is_an_error_of_the_service(answer: object) -> None:
    with pytest.raises(
        BrokenError, match="cannot be read as StudyView; check that the service has the version"
    ) as error:
        read_answer(StudyView, answer)
    assert error.value.exit_status == 70


def test_the_cells_that_ended_are_counted() -> None:
    counts = {"succeeded": 1, "diverged": 2, "failed": 4, "cancelled": 8, "queued": 16, "running": 32}
    assert Progress(trials=63, shared=0, distinct=63, **counts).ended == 15


def test_every_kind_of_event_has_a_document() -> None:
    assert list(KINDS) == ["progress", "trial", "table", "fault", "done"]
    assert KINDS["progress"].model_validate({**COUNTS, "state": "paused", "eta_s": None}) == ProgressEvent(
        **COUNTS, state="paused", eta_s=None
    )
    stored = {"key": "k", "row": "A", "seed": 0, "state": "queued", "reason": None, "step": None, "metrics": {}}
    assert TrialEvent.model_validate(stored).steps is None


def test_the_client_is_imported_without_http_torch_or_the_service() -> None:
    code = (
        "import sys, ablate.remote.client; "
        "print(*{'httpx2', 'torch', 'numpy', 'scipy', 'service', 'rich'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
