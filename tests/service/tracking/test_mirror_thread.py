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
from service.errors import UnavailableError
from service.faults import boundary
from service.running import faults
from service.store import tables
from service.store.queue import outbox
from service.studies import lifecycle
from service.tracking.mirror_process import Where
from service.tracking.mirror_thread import LAST_DRAIN_S, Mirroring
from service.tracking.mlflow_file import embedded_store
from service.tracking.trial_files import MAX_FILE_BYTES
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


def assert_files_shown(where: Where, key: str) -> None:
    """The run of a trial has its small file, and says that the large one is left out."""
    from mlflow import MlflowClient

    client = MlflowClient(where.tracking_uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(ids, f"tags.`ablate.trial_key` = '{key}'")
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["out"]
    assert Path(client.download_artifacts(run.info.run_id, "out/best.txt")).read_text() == "0.5"
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith("1 file of the trial is not here: large.bin. MLflow gets files of at most 10 MiB")


def test_entries_wait_while_mlflow_is_away_and_are_shown_once_it_is_there(
    desk: Any, toy_study: Any, tmp_path: Path
) -> None:
    study = desk.submit(toy_study(rows=(0.0, 1.0), seeds=1))
    desk.tick()
    first, _ = desk.dispatcher.started
    (first.workdir / "out").mkdir(parents=True)
    (first.workdir / "out" / "best.txt").write_text("0.5")
    with (first.workdir / "large.bin").open("wb") as large:
        large.truncate(MAX_FILE_BYTES + 1)
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
        assert_files_shown(where, first.trial.key)
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


def test_an_entry_that_raises_an_internal_error_is_set_aside_and_the_others_are_shown(
    desk: Any, toy_study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boundary, "WAITS_S", (0.0, 0.0))
    bad, well = desk.submit(toy_study("bad", rows=(5.0,), seeds=1)), desk.submit(toy_study("well", seeds=1))
    desk.finish(bad)
    desk.finish(well)
    with desk.context.store.write() as connection:  # as a defect, or a person with an editor, leaves it
        connection.execute(tables.studies.update().where(tables.studies.c.id == bad.id).values(document=5))
    where = Where(*embedded_store(tmp_path / "mlflow"))
    with mirroring(desk.context, where):
        until(lambda: waiting(desk.context) == 0, "everything else is shown")
    assert list(runs_in(where).values()).count("FINISHED") == 3
    found = faults.list_faults(desk.context, stuck=True, limit=10, cursor=None).items
    assert {(fault.study_id, fault.tries) for fault in found} == {(bad.id, 3)}
    (stuck,) = (fault for fault in found if fault.work == "showing the study in MLflow")
    assert faults.retry_fault(desk.context, stuck.number).number == stuck.number
    assert waiting(desk.context) == 1


def test_an_mlflow_that_does_not_answer_keeps_no_service_from_ending(desk: Any, toy_study: Any) -> None:
    desk.submit(toy_study(seeds=1))
    desk.tick()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = Where(f"http://127.0.0.1:{silent.getsockname()[1]}", None)
        stop = threading.Event()
        thread = threading.Thread(target=Mirroring(desk.context, where).run, args=(stop,))
        thread.start()
        silent.settimeout(60)
        asked, _ = silent.accept()
        stop.set()
        thread.join(LAST_DRAIN_S + 10)
        assert not thread.is_alive()
        asked.close()
    assert waiting(desk.context) == 3


def test_a_database_that_is_away_for_a_while_does_not_end_the_mirror(
    desk: Any, toy_study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.finish(desk.submit(toy_study(rows=(0.0,), seeds=1)))
    away = [UnavailableError("the database cannot be read")] * 3
    real = outbox.list_entries

    def list_entries(*args: Any, **kwargs: Any) -> Any:
        if away:
            raise away.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(outbox, "list_entries", list_entries)
    with mirroring(desk.context, Where(*embedded_store(tmp_path / "mlflow"))):
        until(lambda: waiting(desk.context) == 0, "everything is shown")
    assert not away
