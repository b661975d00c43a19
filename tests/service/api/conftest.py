"""The real application over a real SQLite store in its own folder; every answer is checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from ablate.study.resources import Resources
from ablate.trials.run import run_trial
from service.api.problems import KINDS
from service.app import create_app
from service.context import Context, open_context
from service.dispatch.interface import Report, Ticket, TrialMessage
from service.dispatch.machines import Machine
from service.documents.states import LIVE
from service.http.server import Server
from service.running.scheduler import Scheduler
from service.settings import Settings
from service.studies.lifecycle import get_study
from tests.service.servers import Served, running

HOST = "http://localhost:8080"
MEMBERS = ("type", "title", "status", "detail", "instance")
TYPES = {kind.urn: kind for kind in KINDS}
CANARIES = ("Traceback", str(Path(__file__).parents[3]), "site-packages", "telltale")


def check_answer(response: httpx2.Response) -> None:
    """Checks that apply to every answer of the whole suite; an event hook of every client."""
    for name in ("x-request-id", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy"):
        assert name in response.headers
    assert not [name for name in response.headers if name.startswith("access-control-")]
    if response.status_code < 300:
        return
    response.read()
    document = json.loads(response.text)
    kind = TYPES[document["type"]]
    assert response.headers["content-type"] == "application/problem+json"
    assert all(document[name] for name in MEMBERS)
    assert (document["status"], document["title"]) == (response.status_code, kind.title)
    assert document["status"] == kind.status
    assert document["instance"] == f"urn:ablate:request:{response.headers['x-request-id']}"
    assert not [canary for canary in CANARIES if canary in response.text]


def settings_at(home: Path) -> Settings:
    return Settings(home=home, tracking_uri="off", allowed_hosts=["ablate.example", "testserver"])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path / "home")


@pytest.fixture
def context(settings: Settings) -> Iterator[Context]:
    context = open_context(settings)
    yield context
    context.close()


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    with calling(context) as client:
        yield client


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a service without studies, shared by the tests that leave none."""
    context = open_context(settings_at(tmp_path_factory.mktemp("empty")))
    with calling(context) as client:
        yield client
        assert client.get("/api/v1/studies").json()["items"] == []
    context.close()


@contextmanager
def calling(context: Context) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url=HOST) as client:
        client.event_hooks = {"response": [check_answer]}
        yield client


@pytest.fixture
def served(context: Context) -> Iterator[Served]:
    with serving(context) as served:
        yield served


@contextmanager
def serving(context: Context) -> Iterator[Served]:
    server = Server(create_app(context, is_stopping=lambda: server.should_exit))
    with running(server, check_answer) as served:
        yield served


@pytest.fixture
def study(toy: str) -> dict[str, Any]:
    """A study of four trials that take no time."""
    rows = [{"label": "plain"}, {"label": "shifted", "set": {"offset": 1.0}}]
    return {"name": "toys", "seeds": 2, "base": {"task": toy}, "rows": rows}


@dataclass
class Here:
    """A dispatcher without workers: a trial runs when it is submitted, in this process."""

    kind: str = "inline"
    reports: list[Report] = field(default_factory=list)

    def start(self) -> None: ...

    def machines(self) -> Sequence[Machine]:
        return [Machine(64, 0.0)]

    def room(self, resources: Resources) -> int:
        return 64

    def submit(self, ticket: Ticket) -> None:
        ticket.workdir.mkdir(parents=True, exist_ok=True)
        (ticket.workdir / "log.txt").write_text("the toy ran\n")
        self.reports += [TrialMessage(ticket, message) for message in run_trial(ticket.trial, ticket.workdir)]

    def stop(self, ticket: Ticket) -> None: ...

    def poll(self, timeout_s: float) -> list[Report]:
        reports, self.reports = self.reports, []
        return reports

    def close(self) -> None: ...


@pytest.fixture
def finish(context: Context) -> Callable[[str], None]:
    """Runs the scheduler manually until a study has ended."""

    def run(study_id: str) -> None:
        scheduler = Scheduler(context, Here)
        scheduler.start()
        for _ in range(100):
            scheduler.tick()
            if get_study(context, study_id).state not in LIVE:
                break
        scheduler.close()

    return run


@pytest.fixture
def post(client: TestClient, study: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Submits the study, with further members of the body, and gives the answer."""

    def submit(**members: Any) -> dict[str, Any]:
        answer = client.post("/api/v1/studies", json={"study": study, **members})
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    return submit


@pytest.fixture
def done(post: Callable[..., dict[str, Any]], finish: Callable[[str], None]) -> dict[str, Any]:
    """The study, finished."""
    study = post()
    finish(study["id"])
    return study
