"""What the service's tests share: a database of each kind, a dispatcher whose trials do what the test sets."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from ablate.remote.documents.studies import StudyView, Submission
from ablate.remote.documents.trials import CellView
from ablate.study.resources import Resources
from ablate.trials.trial import EpochMetrics, Outcome
from service.context import Context, open_context
from service.dispatch.interface import DispatcherError, Report, Ticket, TrialLost, TrialMessage
from service.dispatch.machines import Machine
from service.running.scheduler import Scheduler
from service.settings import Settings
from service.studies import lifecycle, trials
from service.studies import submit as submitting
from tests.debian import need
from tests.service.nights import Nights


@dataclass
class ScriptedDispatcher:
    """A dispatcher whose trials do nothing until the test sets how each one continues."""

    places: int = 2
    kind: str = "scripted"
    running: dict[tuple[str, int], Ticket] = field(default_factory=dict)
    started: list[Ticket] = field(default_factory=list)
    stopped: list[Ticket] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    is_broken: bool = False

    def start(self) -> None:
        pass

    def machines(self) -> Sequence[Machine]:
        return [Machine(cpus=self.places, gpus=0)]

    def room(self, resources: Resources) -> int:
        return (self.places - sum(ticket.resources.cpus for ticket in self.running.values())) // resources.cpus

    def submit(self, ticket: Ticket) -> None:
        if self.is_broken:
            raise DispatcherError("the cluster is gone")
        if ticket.resources.cpus > self.places:
            self.reports.append(TrialLost(ticket, "infeasible", "no machine has so many CPUs"))
            return
        self.started.append(ticket)
        self.running[ticket.name] = ticket

    def stop(self, ticket: Ticket) -> None:
        self.stopped.append(ticket)
        if self.running.pop(ticket.name, None):
            self.reports.append(TrialLost(ticket, "stopped", "stopped"))

    def poll(self, timeout_s: float) -> list[Report]:
        if self.is_broken:
            raise DispatcherError("the cluster is gone")
        reports, self.reports = self.reports, []
        return reports

    def close(self) -> None:
        self.running.clear()

    def say(self, ticket: Ticket, step: int = 1, steps: int = 2, **metrics: float) -> None:
        message = EpochMetrics(step=step, steps=steps, epoch=step / steps, metrics=metrics)
        self.reports.append(TrialMessage(ticket, message))

    def end(self, ticket: Ticket, status: str = "succeeded", reason: str | None = None, **metrics: float) -> None:
        self.running.pop(ticket.name, None)
        metrics = (metrics or {"error": 1.0}) if status == "succeeded" else {}
        outcome = Outcome(status=status, metrics=metrics, reason=reason, train_s=1.0)  # type: ignore[arg-type]
        self.reports.append(TrialMessage(ticket, outcome, {"host": "here"}))

    def lose(self, ticket: Ticket, kind: str = "worker") -> None:
        self.running.pop(ticket.name, None)
        self.reports.append(TrialLost(ticket, kind, "its process died"))  # type: ignore[arg-type]


@dataclass
class Desk:
    """A service without web and without workers: a context, and a scheduler that moves by `tick()`."""

    context: Context
    dispatcher: ScriptedDispatcher
    scheduler: Scheduler

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.context.changed.set()  # else a tick without work waits
            self.scheduler.tick()

    def submit(self, document: dict[str, Any], **options: Any) -> StudyView:
        return submitting.submit(self.context, Submission(study=document, **options))[0]

    def study(self, view: StudyView) -> StudyView:
        return lifecycle.get_study(self.context, view.id)

    def cells(self, view: StudyView) -> list[CellView]:
        return trials.list_cells(self.context, view.id, state=None, limit=200, cursor=None).items

    def finish(self, view: StudyView, **metrics: float) -> StudyView:
        """Let everything succeed until the study is done."""
        for _ in range(200):
            self.tick()
            for ticket in list(self.dispatcher.running.values()):
                self.dispatcher.end(ticket, **metrics)
            if self.study(view).state not in ("queued", "running"):
                break
        return self.study(view)

    def restart(self) -> None:
        """As after a kill -9: nothing was closed, nothing runs any more, and a new scheduler starts."""
        self.dispatcher.running.clear()
        self.dispatcher.reports.clear()
        self.scheduler = Scheduler(self.context, lambda: self.dispatcher)
        self.scheduler.start()


def toy_study(name: str = "toys", *, rows: Sequence[float] = (0.0, 1.0), **fields: Any) -> dict[str, Any]:
    """A study of the `toy` task, one row for each offset; the first is the baseline."""
    return {
        "name": name,
        "seeds": 2,
        "base": {"task": "toy"},
        "rows": [{"label": f"offset {offset:g}", "set": {"offset": offset}} for offset in rows],
        **fields,
    }


def chain_study(name: str = "chains", rows: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A study of the `chain` task, of which each row starts from a trial of the task `base`; label -> patch."""
    patches = rows or {"A": {"backbone": {"level": 5.0}}, "B": {"backbone": {"level": 6.0}}}
    return {
        "name": name,
        "seeds": 1,
        "base": {"task": "chain", "backbone": {}},
        "rows": [{"label": label, "set": patch} for label, patch in patches.items()],
        **fields,
    }


@pytest.fixture(name="toy_study")
def toy_study_fixture() -> Any:
    return toy_study


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of its own, without the name of a database."""
    need("postgresql")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    folder = Path(tempfile.mkdtemp(prefix="ablate-pg-"))
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    shutil.chown(folder, user)
    port = _free_port()

    def call(name: str, *arguments: str) -> None:
        options = {"user": user} if os.geteuid() == 0 else {}
        command = [str(binaries[-1] / name), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **options)  # type: ignore[call-overload]

    call("initdb", "--auth=trust", f"--username={user}", "--no-sync", "--encoding=UTF8", "--locale=C")
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", settings, "start")
    try:
        yield f"postgresql+psycopg://{user}@127.0.0.1:{port}"
    finally:
        call("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'home' / 'ablate.db'}"


@pytest.fixture
def postgres_url(postgres: str, tmp_path: Path) -> str:
    name = f"t{abs(hash(tmp_path))}"
    engine = create_engine(f"{postgres}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{postgres}/{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database of each kind; both must give the same guarantees."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def context(tmp_path: Path, database_url: str, toy: str) -> Iterator[Context]:
    (tmp_path / "home").mkdir(exist_ok=True)
    context = open_context(Settings(home=tmp_path / "home", database_url=SecretStr(database_url)))
    yield context
    context.close()


@pytest.fixture
def desk(context: Context) -> Desk:
    dispatcher = ScriptedDispatcher()
    scheduler = Scheduler(context, lambda: dispatcher)
    scheduler.start()
    return Desk(context, dispatcher, scheduler)


@pytest.fixture
def nights(desk: Desk) -> Nights:
    return Nights(desk, toy_study())


@pytest.fixture
def machine_parts() -> tuple[type[Desk], type[ScriptedDispatcher]]:
    """The classes, for a test that builds many of them."""
    return Desk, ScriptedDispatcher
