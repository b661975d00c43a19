"""The outbox and its thread: what MLflow shows follows the database, however late."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.context import Context
from service.store.queue import outbox
from service.studies import lifecycle
from service.tracking.mirror_process import Where
from service.tracking.mirror_thread import Mirroring
from service.tracking.mlflow_file import embedded_store
from tests.service.processes import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@contextmanager
def mirroring(context: Context, where: Where) -> Iterator[None]:
    """The mirror's thread."""
    stop = threading.Event()
    thread = threading.Thread(target=Mirroring(context, where).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def waiting(context: Context) -> int:
    with context.store.read() as connection:
        return outbox.count_entries(connection)


def runs_in(where: Where) -> dict[str, str]:
    """Status of every run, by `row seed`, or "study" for a study's own."""
    from mlflow import MlflowClient

    client = MlflowClient(where.tracking_uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    found = {}
    for run in client.search_runs(ids):
        tags = run.data.tags
        name = f"{tags['ablate.row']} {tags['ablate.seed']}" if "ablate.row" in tags else "study"
        assert name not in found, f"two runs of {name}"
        found[name] = run.info.status
    return found


def test_entries_wait_while_mlflow_is_away_and_are_shown_once_it_is_there(
    desk: Any, toy_study: Any, tmp_path: Path
) -> None:
    study = desk.submit(toy_study(rows=(0.0, 1.0), seeds=1))
    desk.tick()
    first, _ = desk.dispatcher.started
    desk.dispatcher.end(first)
    desk.tick()
    assert waiting(desk.context) == 3
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = Where(f"http://127.0.0.1:{closed.getsockname()[1]}", None)
        with mirroring(desk.context, away):
            until(lambda: desk.context.parts.get("mlflow") == "unreachable", "MLflow is found to be away")
    assert waiting(desk.context) == 3
    where = Where(*embedded_store(tmp_path / "mlflow"))
    with mirroring(desk.context, where):
        until(lambda: waiting(desk.context) == 0, "everything is shown")
        assert runs_in(where) == {"study": "RUNNING", "offset 0 0": "FINISHED", "offset 1 0": "RUNNING"}
        desk.restart()
        lifecycle.cancel(desk.context, study.id)
        desk.tick()
        until(lambda: waiting(desk.context) == 0, "the end is shown")
    assert runs_in(where) == {"study": "KILLED", "offset 0 0": "FINISHED", "offset 1 0": "KILLED"}


def test_an_entry_that_changes_while_it_is_shown_stays_for_the_next_time(desk: Any, toy_study: Any) -> None:
    desk.submit(toy_study(rows=(0.0,), seeds=1))
    desk.tick()
    with desk.context.store.read() as connection:
        entry = next(one for one in outbox.list_entries(connection, 10) if one.trial_key)
    desk.dispatcher.end(desk.dispatcher.started[0])
    desk.tick()
    with desk.context.store.write() as connection:
        outbox.clear(connection, [entry])
    with desk.context.store.read() as connection:
        assert entry.trial_key in {one.trial_key for one in outbox.list_entries(connection, 10)}
