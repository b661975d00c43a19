"""A real service without workers for the fuzz lane, and the seed in the report of a failure."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service import costs
from service.app import create_app
from service.context import Context, open_context
from service.running.scheduler import Scheduler
from service.settings import Settings
from service.studies import paper
from tests.fuzz.harness import SEED, Watch
from tests.service.conftest import Desk, ScriptedDispatcher


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say how a failure is repeated."""
    report = yield
    if report.failed:
        report.sections.append(("how to repeat it", f"make fuzz SEED={SEED}"))
    return report


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    logging.getLogger().addHandler(watch)
    yield watch
    logging.getLogger().removeHandler(watch)


@pytest.fixture
def context(tmp_path: Path, toy: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """The context of a service that does not wait for the probe, which would count networks for 20 s."""
    for module in (costs, paper):
        monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    context = open_context(Settings(home=tmp_path / "home", allowed_hosts=["testserver"]))  # of Schemathesis
    context.parts["scheduler"] = "running"
    yield context
    context.close()


@pytest.fixture
def desk(context: Context) -> Desk:
    dispatcher = ScriptedDispatcher(places=64)
    scheduler = Scheduler(context, lambda: dispatcher)
    scheduler.start()
    return Desk(context, dispatcher, scheduler)


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(create_app(desk.context), base_url="http://localhost:8080") as client:
        yield client
