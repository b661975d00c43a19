from __future__ import annotations

import json
import math
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ablate.trials.trial import EpochMetrics
from service.documents.runs import StudyRun, TrialRun
from service.tracking.mlflow_file import MirrorError, create_store, embedded_store, find_file
from service.tracking.mlflow_writer import Mirror
from service.tracking.run_content import metric_name
from tests.http_servers import Quiet, answering

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
    code = "import sys, service.tracking.mlflow_writer, service.tracking.ui; sys.exit('mlflow' in sys.modules)"
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


def test_the_experiment_keeps_a_view_of_the_study_by_row(mirror: Mirror, client: Any) -> None:
    """Its form was seen to work in MLflow's page; a browser is too heavy a witness for each run of the suite."""
    mirror.record_study(STUDY)
    tags = client.get_experiment(mirror.experiment_id(STUDY.name)).tags
    view = json.loads(tags[f"mlflow.sharedViewState.{STUDY.study_id}"])
    assert view["searchFilter"] == f"tags.`ablate.study_id` = '{STUDY.study_id}'"
    assert view["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "ablate.row"}]


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


@pytest.mark.parametrize("name", ["a%20b", "what?", "c#d", "e f", "ü", "a%3Fb"])
def test_everything_is_in_the_state_directory_whatever_it_is_called(
    empty_store: Path, tmp_path: Path, name: str
) -> None:
    home = tmp_path / "homes" / name
    home.mkdir(parents=True)
    uri, artifacts = embedded_store(home)
    assert find_file(uri) == home / "mlflow.db"
    shutil.copy(empty_store, home / "mlflow.db")
    run_id = Mirror(uri, artifacts).record_study(DONE)
    assert list((home / "mlartifacts").glob(f"*/{run_id}/artifacts/table.md"))
    assert [path.name for path in home.parent.iterdir()] == [name]
    assert plain_client(home).list_artifacts(run_id)


def test_a_state_directory_that_was_moved_takes_the_files_of_runs_along(empty_store: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old 1", tmp_path / "new?"
    old.mkdir()
    shutil.copy(empty_store, old / "mlflow.db")
    before = Mirror(*embedded_store(old)).record_study(DONE)
    foreign = plain_client(old).create_experiment("mine", "file:///elsewhere/mlartifacts")
    old.rename(new)
    mirror = Mirror(*embedded_store(new))
    after = mirror.record_study(replace(DONE, study_id="another"))
    client = plain_client(new)
    for run_id in (before, after):
        assert client.list_artifacts(run_id)
        assert list((new / "mlartifacts").glob(f"*/{run_id}/artifacts/table.md"))
    assert client.get_experiment(foreign).artifact_location == "file:///elsewhere/mlartifacts"
    assert not old.exists()


class Crash(BaseException):
    """The process died."""


@contextmanager
def dying_at(last: int, *, after: bool) -> Iterator[None]:
    """The n-th call that writes to MLflow is the last one; the process dies before, or just after, it has worked."""
    from mlflow import MlflowClient

    calls = count(1)

    def dying(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            is_last = next(calls) == last
            if is_last and not after:
                raise Crash
            answer = method(*args, **options)
            if is_last:
                raise Crash
            return answer

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("create_experiment", "create_run", "log_batch", "log_artifacts", "set_terminated", "update_run"):
            patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
        with pytest.raises(Crash):
            yield


def record_a_life(home: Path) -> list[dict[str, Any]]:
    """A study with two trials, by a service that has just started: eleven calls that write."""
    mirror = Mirror(*embedded_store(home))
    study = mirror.record_study(DONE)
    waiting = mirror.record_trial(replace(WAITING, key="b" * 64), study)
    trained = mirror.record_trial(TRAINED, study)
    return [shown_of(plain_client(home), run_id) for run_id in (study, waiting, trained)]


@pytest.fixture(scope="module")
def undisturbed(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    home = tmp_path_factory.mktemp("undisturbed")
    shutil.copy(empty_store, home)
    return record_a_life(home)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, 12))
def test_a_replay_after_a_crash_between_any_two_steps_ends_in_the_same_state(
    home: Path, undisturbed: list[dict[str, Any]], call: int, after: bool
) -> None:
    with dying_at(call, after=after):
        record_a_life(home)
    assert record_a_life(home) == undisturbed
    assert len(rows_of(home)["runs"]) == 3
    assert len(rows_of(home)["experiments"]) == 2  # MLflow makes one of its own


def test_a_run_that_was_created_but_not_filled_is_completed(mirror: Mirror, client: Any) -> None:
    study = mirror.record_study(STUDY)
    tags = {"ablate.study_id": STUDY.study_id, "ablate.trial_key": "e" * 64}
    bare = client.create_run(mirror.experiment_id("table07"), START_MS, tags, "bare").info.run_id
    again = Mirror(mirror._client.tracking_uri, None)
    assert again.record_trial(replace(TRAINED, key="e" * 64), study) == bare
    assert client.get_run(bare).data.params["window"] == "3x3"


def test_of_two_runs_of_one_trial_the_older_one_counts(mirror: Mirror, client: Any) -> None:
    experiment = mirror.experiment_id("table07")
    tags = {"ablate.study_id": STUDY.study_id, "ablate.trial_key": "e" * 64}
    runs = [client.create_run(experiment, START_MS + later, tags, "twin").info.run_id for later in (5, 0, 9)]
    assert mirror.record_trial(replace(WAITING, key="e" * 64), "study") == runs[1]


def test_a_run_that_somebody_deleted_comes_back(mirror: Mirror, client: Any) -> None:
    study = mirror.record_study(STUDY)
    run_id = mirror.record_trial(TRAINED, study)
    client.delete_run(run_id)
    assert mirror.record_trial(TRAINED, study, run_id) == run_id
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_an_experiment_that_somebody_deleted_comes_back(mirror: Mirror, client: Any) -> None:
    study = mirror.record_study(STUDY)
    experiment = mirror.experiment_id("table07")
    client.delete_experiment(experiment)
    mirror.record_trial(TRAINED, study)
    assert client.get_experiment(experiment).lifecycle_stage == "active"
    client.delete_experiment(experiment)
    assert mirror.record_study(STUDY, study) == study
    assert client.get_run(study).info.lifecycle_stage == "active"


@pytest.mark.parametrize("name", ["Default", "default"])
def test_a_study_with_the_name_of_mlflows_own_experiment_has_one_of_ours(
    mirror: Mirror, client: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlruns").mkdir()
    study, trial = replace(STUDY, name=name), replace(TRAINED, name=name)
    run_id = mirror.record_study(study)
    trial_id = mirror.record_trial(trial, run_id)
    found = client.get_experiment(mirror.experiment_id(name))
    assert found.experiment_id != "0"
    assert found.name == ("Default (ablate)" if name == "Default" else "default")
    assert found.artifact_location == (home / "mlartifacts" / name).as_uri()
    assert {client.get_run(one).info.experiment_id for one in (run_id, trial_id)} == {found.experiment_id}
    assert list((tmp_path / "mlruns").iterdir()) == []
    assert Mirror(*embedded_store(home)).record_study(study, run_id) == run_id
    client.delete_experiment(found.experiment_id)
    assert Mirror(*embedded_store(home)).record_study(study, run_id) == run_id


def test_a_run_that_an_earlier_version_made_in_mlflows_own_experiment_is_made_again_in_ours(
    mirror: Mirror, client: Any
) -> None:
    study = replace(STUDY, name="Default")
    old = client.create_run("0", tags={"ablate.study_id": STUDY.study_id}).info.run_id
    new = mirror.record_study(study, old)
    assert new != old
    assert client.get_run(new).info.experiment_id == mirror.experiment_id("Default") != "0"
    assert client.list_artifacts(old) == []
    assert mirror.record_study(study, new) == new


def test_runs_are_made_again_where_mlflow_was_restored_from_an_older_backup(
    home: Path, empty_store: Path, mirror: Mirror, client: Any
) -> None:
    study = mirror.record_study(STUDY)
    lost = mirror.record_trial(TRAINED, study)
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        for table in ("latest_metrics", "metrics", "params", "tags", "runs", "experiments"):
            connection.execute(f"DELETE FROM {table}")
    again = mirror.record_study(STUDY, study)
    assert again != study
    assert mirror.record_trial(TRAINED, again, lost) != lost
    assert len(rows_of(home)["runs"]) == 2


def test_a_param_that_has_another_value_stays_and_the_rest_is_written(mirror: Mirror, client: Any) -> None:
    study = mirror.record_study(STUDY)
    run_id = mirror.record_trial(replace(WAITING, recipe={"lr": 0.1}), study)
    mirror.record_trial(replace(TRAINED, recipe={"lr": 0.2, "window": "5x5"}), study, run_id)
    run = client.get_run(run_id)
    assert run.data.params == {"lr": "0.1", "window": "5x5"}
    assert run.info.status == "FINISHED"


def test_numbers_that_are_not_finite_are_never_logged(home: Path, mirror: Mirror) -> None:
    odd = {"nan": math.nan, "inf": math.inf, "minus": -math.inf, "error": 1.0}
    study = mirror.record_study(replace(DONE, row_means={"A": odd}))
    mirror.record_trial(replace(TRAINED, metrics=odd, curve=()), study)
    rows = rows_of(home)
    assert {row[0] for row in rows["latest_metrics"]} == {"A/error", "error"}
    assert {row[0] for row in rows["metrics"]} == {"A/error", "error"}


def test_long_texts_are_cut_and_broken_ones_are_cleaned(home: Path, mirror: Mirror, client: Any) -> None:
    table = "| a row of a long table |\n" * 1000
    study = mirror.record_study(replace(STUDY, files={"table.md": table}))
    broken = replace(
        FAILED, row="r" * 200, reason="lone \ud800 and NUL \0" * 1000, recipe={"note": "x" * 9000, "n" * 400: 1}
    )
    run_id = mirror.record_trial(broken, study)
    before = rows_of(home)
    mirror.record_trial(broken, study)
    assert rows_of(home) == before
    run = client.get_run(run_id)
    assert len(run.data.tags["ablate.reason"]) == 8000
    assert run.data.tags["ablate.reason"].startswith("lone ? and NUL \ufffd")
    assert len(run.data.params["note"]) == 6000
    assert max(map(len, run.data.params)) == 250
    note = client.get_run(study).data.tags["mlflow.note.content"]
    assert len(note) <= 8000
    assert note.endswith("table |\n\n(cut here; the whole table is the artifact table.md)")


def test_a_study_of_many_rows_with_odd_labels_keeps_every_mean(mirror: Mirror, client: Any) -> None:
    labels = [
        f"{odd} {number}"
        for odd in ("w/o SE", "a=1, b=(x)", "50 % wider", "Größe", "..", "a:b")
        for number in range(250)
    ]
    means = {label: {"top1_error_pct": float(number)} for number, label in enumerate(labels)}
    run_id = mirror.record_study(replace(DONE, row_means=means))
    assert sorted(client.get_run(run_id).data.metrics.values()) == [float(number) for number in range(1500)]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("B 3x3", "B 3x3/error"),
        ("- SE", "- SE/error"),
        ("w/o SE", "w/o SE/error"),
        ("window=1x3+3x1, norm=bn", "window:1x3 plus 3x1 norm:bn/error"),
        ("lr=0.1, stages=2+3+4", "lr:0.1 stages:2 plus 3 plus 4/error"),
        ("FReLU (ours)", "FReLU ours-d5899aa544/error"),
    ],
)
def test_names_of_means_stay_readable(label: str, name: str) -> None:
    assert metric_name(label, "error") == name


TEXT = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1, max_size=200)
PIECES = ["a", "=", ":", ", ", " ", "+", " plus ", "/", ".", "..", "-0123456789", "_", "(", "x" * 90]
TRICKY = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.tuples(TEXT | TRICKY, TEXT | TRICKY), st.tuples(TEXT | TRICKY, TEXT | TRICKY))
@example(("a=b", "m"), ("a:b", "m"))
@example(("a/b", "c"), ("a", "b/c"))
@example(("x" * 190, "m"), ("x" * 191, "m"))
@example(("..", "m"), (".", "m"))
def test_every_name_is_one_that_mlflow_takes_and_different_pairs_differ(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

    _validate_metric_name(metric_name(*one))
    assert len(metric_name(*one)) <= MAX_ENTITY_KEY_LENGTH
    assert (metric_name(*one) == metric_name(*other)) == (one == other)


def test_reconciling_ends_what_is_final_or_unknown_and_nothing_else(mirror: Mirror, client: Any) -> None:
    study = mirror.record_study(STUDY)
    keys = {"a": "running", "b": "succeeded", "c": "failed", "d": None, "e": "queued", "f": "diverged"}
    runs = {key: mirror.record_trial(replace(WAITING, key=key, state="running"), study) for key in keys}
    mirror.record_trial(replace(WAITING, key="e"), study, runs["e"])
    gone = mirror.record_study(replace(STUDY, study_id="gone", name="other"))
    foreign = client.create_run("0").info.run_id

    def state_of(study_id: str, key: str) -> str | None:
        return None if study_id == "gone" else "paused" if key == "" else keys[key]

    assert mirror.reconcile(state_of) == 5
    shown = {run_id: client.get_run(run_id).info for run_id in (*runs.values(), study, gone, foreign)}
    assert [shown[runs[key]].status for key in keys] == [
        "RUNNING",
        "FINISHED",
        "FAILED",
        "KILLED",
        "SCHEDULED",
        "FINISHED",
    ]
    assert [shown[run_id].status for run_id in (study, gone, foreign)] == ["RUNNING", "KILLED", "RUNNING"]
    assert all((info.end_time is None) == (info.status in ("RUNNING", "SCHEDULED")) for info in shown.values())
    assert mirror.reconcile(state_of) == 0


def test_reconciling_reads_every_page(mirror: Mirror, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.tracking.mlflow_writer._PAGE", 2)
    studies = [mirror.record_study(replace(STUDY, study_id=f"s{n}", name=f"name{n % 3}")) for n in range(7)]
    assert mirror.reconcile(lambda *_: "cancelled") == 7
    assert {client.get_run(run_id).info.status for run_id in studies} == {"KILLED"}


def test_the_outbox_corrects_what_reconciling_did(mirror: Mirror, client: Any) -> None:
    study = mirror.record_study(STUDY)
    run_id = mirror.record_trial(replace(WAITING, state="running"), study)
    mirror.reconcile(lambda study_id, key: "succeeded" if key else "running")
    mirror.record_trial(TRAINED, study)
    assert client.get_run(run_id).info.end_time == START_MS + 100_000


def test_a_server_that_cannot_be_reached_is_told_without_its_password() -> None:
    mirror = Mirror("http://user:hunter2@127.0.0.1:9", None)
    with pytest.raises(MirrorError, match=r"did not take the run of study 'table07'.*127\.0\.0\.1") as caught:
        mirror.record_study(STUDY)
    assert not caught.value.is_refused
    assert "hunter2" not in str(caught.value)


def test_a_server_that_cannot_answer_now_is_asked_once() -> None:
    asked: list[str] = []

    class Unavailable(Quiet):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(503)

    with answering(Unavailable) as url:
        mirror = Mirror(url, None)
        with pytest.raises(MirrorError) as caught:
            mirror.record_study(STUDY)
    assert not caught.value.is_refused
    assert len(asked) == 1, "who repeats is the outbox"


def test_what_mlflow_refuses_is_told_as_refused(mirror: Mirror) -> None:
    with pytest.raises(MirrorError) as caught:
        mirror.record_study(replace(STUDY, started_at=datetime(1960, 1, 1, tzinfo=UTC), name="x" * 600))
    assert caught.value.is_refused


def test_a_damaged_store_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database" * 100)
    with pytest.raises(MirrorError, match="not a database"):
        Mirror(*embedded_store(tmp_path))
