from __future__ import annotations

import math
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ablate.trial import EpochMetrics
from service.tracking import Mirror, MirrorError, StudyRun, TrialRun, create_store, embedded_store, metric_name

START = datetime(2026, 11, 24, 8, 0, tzinfo=timezone(timedelta(hours=1)))
START_MS = 1_795_503_600_000
TABLE = "| row | top1_error_pct |\n|---|---|\n| A | 12.5 |\n"

STUDY = StudyRun(
    study_id="0193f0c2-7d1e-7aaa-8000-00aabbccddee",
    name="table07",
    title="Window size",
    scale="mini",
    state="running",
    started_at=START,
    ended_at=None,
    files={"table.md": TABLE, "study.toml": 'name = "table07"\n', "plots/forest.svg": b"<svg/>"},
)
DONE = replace(
    STUDY,
    state="succeeded",
    ended_at=START + timedelta(minutes=30),
    row_means={"A 1x1": {"top1_error_pct": 12.5}, "window=3x3, norm=bn": {"top1_error_pct": 11.5, "train_s": 3.0}},
)
WAITING = TrialRun(
    study_id=STUDY.study_id,
    name="table07",
    key="a" * 64,
    row="window=3x3, norm=bn",
    seed=3,
    state="queued",
    reason=None,
    started_at=START,
    ended_at=None,
    recipe={"window": "3x3", "lr": 0.1, "stages": [2, 3, 4], "se": False},
    metrics={},
    curve=(),
    attempts=("1 lost its worker",),
    shared=False,
)
TRAINED = replace(
    WAITING,
    state="succeeded",
    ended_at=START + timedelta(seconds=100),
    metrics={"top1_error_pct": 11.5},
    curve=tuple(
        EpochMetrics(step=step, steps=100, epoch=step / 50, metrics={"top1_error_pct": 99.0 - step, "loss": 1 / step})
        for step in (50, 100)
    ),
    attempts=("1 lost its worker", "2 succeeded"),
)
FAILED = replace(WAITING, state="failed", reason="ValueError: no", ended_at=START + timedelta(seconds=9))


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to create its tables: once, by two openers at the same time, after one that was cut off."""
    home = tmp_path_factory.mktemp("empty")
    (home / "mlflow.db.new-17").write_bytes(b"cut off")
    uri, _ = embedded_store(home)
    openers = [threading.Thread(target=create_store, args=(uri,)) for _ in range(2)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    return home / "mlflow.db"


@pytest.fixture
def home(empty_store: Path, tmp_path: Path) -> Path:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def mirror(home: Path) -> Mirror:
    return Mirror(*embedded_store(home))


@pytest.fixture
def client(home: Path) -> Any:
    """Somebody else's client of the same store."""
    return plain_client(home)


def plain_client(home: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(embedded_store(home)[0])


def rows_of(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in an order of their own."""
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: sorted(connection.execute(f'SELECT * FROM "{table}"'), key=repr) for table in tables}


def shown_of(client: Any, run_id: str) -> dict[str, Any]:
    """A run as a user sees it, without the id that chance gave it."""
    run = client.get_run(run_id)
    tags = {name: value for name, value in run.data.tags.items() if name != "mlflow.parentRunId"}
    points = {
        name: sorted((p.step, p.timestamp, p.value) for p in client.get_metric_history(run_id, name))
        for name in run.data.metrics
    }
    files = {file.path: file.file_size for file in client.list_artifacts(run_id)}
    times = run.info.start_time, run.info.end_time
    return {
        "status": run.info.status,
        "times": times,
        "tags": tags,
        "params": run.data.params,
        "points": points,
        "files": files,
    }


def test_the_module_is_imported_without_mlflow() -> None:
    code = "import sys, service.tracking, service.mlflow_ui; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_store_is_created_once_and_whole(empty_store: Path) -> None:
    assert {path.name for path in empty_store.parent.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
    with closing(sqlite3.connect(empty_store)) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_a_study_is_a_run_of_its_experiment_with_tables_and_note(mirror: Mirror, client: Any) -> None:
    run_id = mirror.record_study(STUDY)
    run = client.get_run(run_id)
    assert run.info.run_name == "table07 mini bbccddee"
    assert run.info.experiment_id == mirror.experiment_id("table07")
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("RUNNING", START_MS, None)
    assert run.data.tags["ablate.study_id"] == STUDY.study_id
    assert run.data.tags["ablate.scale"] == "mini"
    assert run.data.tags["mlflow.note.content"] == TABLE
    assert Path(client.download_artifacts(run_id, "table.md")).read_text() == TABLE
    assert Path(client.download_artifacts(run_id, "plots/forest.svg")).read_bytes() == b"<svg/>"


def test_row_means_are_metrics_of_a_final_study(mirror: Mirror, client: Any) -> None:
    run_id = mirror.record_study(replace(STUDY, row_means=DONE.row_means))
    assert client.get_run(run_id).data.metrics == {}
    assert mirror.record_study(DONE) == run_id
    run = client.get_run(run_id)
    assert run.data.metrics == {
        "A 1x1/top1_error_pct": 12.5,
        "window:3x3 norm:bn/top1_error_pct": 11.5,
        "window:3x3 norm:bn/train_s": 3.0,
    }
    assert (run.info.status, run.info.end_time) == ("FINISHED", START_MS + 30 * 60 * 1000)


def test_means_of_an_extended_study_are_the_newer_ones(mirror: Mirror, client: Any) -> None:
    run_id = mirror.record_study(DONE)
    later = replace(DONE, ended_at=START + timedelta(hours=2), row_means={"A 1x1": {"top1_error_pct": 3.0}})
    mirror.record_study(STUDY)
    mirror.record_study(later)
    assert client.get_run(run_id).data.metrics["A 1x1/top1_error_pct"] == 3.0


def test_a_trial_is_a_run_below_its_study(mirror: Mirror, client: Any) -> None:
    study = mirror.record_study(STUDY)
    run_id = mirror.record_trial(TRAINED, study)
    run = client.get_run(run_id)
    assert run.info.run_name == "window=3x3, norm=bn · seed 3"
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", START_MS, START_MS + 100_000)
    assert run.data.params == {"window": "3x3", "lr": "0.1", "stages": "[2,3,4]", "se": "false"}
    assert run.data.tags["mlflow.parentRunId"] == study
    ours = {name.removeprefix("ablate."): value for name, value in run.data.tags.items() if name.startswith("ablate.")}
    assert ours == {
        "study_id": STUDY.study_id,
        "trial_key": "a" * 64,
        "row": "window=3x3, norm=bn",
        "seed": "3",
        "state": "succeeded",
        "reason": "",
        "attempts": "1 lost its worker\n2 succeeded",
        "shared": "false",
    }


def test_the_curve_is_a_series_and_ends_with_the_final_metric(mirror: Mirror, client: Any) -> None:
    run_id = mirror.record_trial(TRAINED, mirror.record_study(STUDY))
    shown = shown_of(client, run_id)
    assert shown["points"]["loss"] == [(50, START_MS + 50_000, 0.02), (100, START_MS + 100_000, 0.01)]
    # at the last step the curve says -1, the final evaluation 11.5: one point, the final one
    assert shown["points"]["top1_error_pct"] == [(50, START_MS + 50_000, 49.0), (100, START_MS + 100_000, 11.5)]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("queued", "SCHEDULED"),
        ("running", "RUNNING"),
        ("succeeded", "FINISHED"),
        ("diverged", "FINISHED"),
        ("failed", "FAILED"),
        ("cancelled", "KILLED"),
    ],
)
def test_states_of_a_trial_have_a_status(mirror: Mirror, client: Any, state: str, status: str) -> None:
    study = mirror.record_study(STUDY)
    new = mirror.record_trial(replace(TRAINED, state=state), study)
    mirror.record_trial(replace(WAITING, key="b" * 64, state="running"), study)
    moved = mirror.record_trial(replace(TRAINED, key="b" * 64, state=state), study)
    for run_id in (new, moved):
        info = client.get_run(run_id).info
        assert info.status == status
        assert (info.end_time is None) == (status in ("SCHEDULED", "RUNNING"))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("queued", "RUNNING"),
        ("running", "RUNNING"),
        ("paused", "RUNNING"),
        ("failed", "FAILED"),
        ("cancelled", "KILLED"),
    ],
)
def test_states_of_a_study_have_a_status(mirror: Mirror, client: Any, state: str, status: str) -> None:
    assert client.get_run(mirror.record_study(replace(DONE, state=state))).info.status == status


def test_recording_everything_again_changes_no_row(home: Path, mirror: Mirror) -> None:
    def record(mirror: Mirror) -> list[str]:
        study = mirror.record_study(DONE)
        others = [replace(FAILED, key="b" * 64), replace(WAITING, key="c" * 64), replace(TRAINED, key="d" * 64, seed=4)]
        return [study, *(mirror.record_trial(run, study) for run in (TRAINED, *others))]

    runs = record(mirror)
    before = rows_of(home)
    assert len(set(runs)) == 5
    assert record(mirror) == runs
    assert record(Mirror(*embedded_store(home))) == runs, "a service that starts again finds its runs by their tags"
    assert [mirror.record_study(DONE, runs[0]), mirror.record_trial(TRAINED, runs[0], runs[1])] == runs[:2]
    assert rows_of(home) == before


def test_a_trial_in_two_studies_has_two_runs(mirror: Mirror, client: Any) -> None:
    other = replace(STUDY, study_id="another")
    first = mirror.record_trial(TRAINED, mirror.record_study(STUDY))
    shared = replace(TRAINED, study_id="another", shared=True)
    second = mirror.record_trial(shared, mirror.record_study(other))
    assert first != second
    assert client.get_run(second).data.tags["ablate.shared"] == "true"


def test_a_retried_trial_ends_as_one_that_succeeded_at_once(mirror: Mirror, client: Any) -> None:
    study = mirror.record_study(STUDY)
    at_once = mirror.record_trial(TRAINED, study)
    partial = replace(FAILED, key="b" * 64, curve=TRAINED.curve[:1], metrics={"top1_error_pct": 50.0})
    retried = mirror.record_trial(partial, study)
    mirror.record_trial(replace(WAITING, key="b" * 64), study)
    assert client.get_run(retried).info.status == "SCHEDULED"
    mirror.record_trial(replace(TRAINED, key="b" * 64), study)
    shown = shown_of(client, retried)
    assert shown.pop("tags")["ablate.reason"] == ""
    assert shown == {name: value for name, value in shown_of(client, at_once).items() if name != "tags"}


class Crash(BaseException):
    """The process died."""


@pytest.fixture
def dies_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, bool], None]]:
    """Let the n-th call that writes to MLflow be the last one, before or after it has worked."""
    from mlflow import MlflowClient

    writes = ("create_experiment", "create_run", "log_batch", "log_artifacts", "set_terminated", "update_run")
    with monkeypatch.context() as patch:

        def arm(last: int, after: bool) -> None:
            calls = iter(range(1, 1000))
            for name in writes:
                patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name), calls, last, after))

        yield arm


def dying(method: Callable[..., Any], calls: Iterator[int], last: int, after: bool) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        is_last = next(calls) == last
        if is_last and not after:
            raise Crash
        answer = method(*args, **options)
        if is_last:
            raise Crash
        return answer

    return call


def record_a_life(mirror: Mirror) -> list[str]:
    """Nine calls that write."""
    study = mirror.record_study(DONE)
    waiting = mirror.record_trial(replace(WAITING, key="b" * 64), study)
    trained = mirror.record_trial(TRAINED, study)
    return [study, waiting, trained]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, 12))
def test_a_replay_after_a_crash_between_any_two_steps_ends_in_the_same_state(
    home: Path,
    tmp_path: Path,
    dies_at: Callable[[int, bool], None],
    monkeypatch: pytest.MonkeyPatch,
    call: int,
    after: bool,
) -> None:
    with monkeypatch.context():
        dies_at(call, after)
        with pytest.raises(Crash):
            record_a_life(Mirror(*embedded_store(home)))
    monkeypatch.undo()
    client = plain_client(home)
    shown = [shown_of(client, run_id) for run_id in record_a_life(Mirror(*embedded_store(home)))]
    assert [run["status"] for run in shown] == ["FINISHED", "SCHEDULED", "FINISHED"]
    assert len(rows_of(home)["runs"]) == 3
