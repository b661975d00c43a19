"""Metrics from every source, and which of their values counts."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate.errors import TrialError
from ablate.study.command import MetricSpec
from ablate.tasks.command.files import Files
from ablate.tasks.command.points import Point, Series
from ablate.tasks.command.sources import Lines, read_file, read_mlflow


def series(**metrics: Any) -> Series:
    return Series({name: MetricSpec.model_validate(spec) for name, spec in metrics.items()})


def read(text: str, pattern: str | None = None) -> list[Point]:
    reader = Lines(pattern)
    return [point for line in text.splitlines() for point in reader.read(line)]


def test_lines_of_json_and_dicts_as_python_prints_them() -> None:
    found = read('epoch 1\n{"step": 3, "acc": 0.5, "name": "x"}\n  {\'loss\': nan, "epoch": 1.5}\n{not json}\n[1]\n{}')
    assert found[0] == Point({"step": 3.0, "acc": 0.5}, step=3.0)
    assert math.isnan(found[1].values["loss"]), "a dict as Python prints it"
    assert found[1].epoch == 1.5
    assert math.isnan(read('{"acc": NaN}')[0].values["acc"])
    assert read("{'loss': 0.4, 'epoch': 1.5}") == [Point({"loss": 0.4, "epoch": 1.5}, step=1.5, epoch=1.5)]


def test_a_pattern_is_searched_in_every_line() -> None:
    pattern = r"Epoch (?P<epoch>\d+).*?acc=(?P<acc>[\d.]+|nan)"
    found = read("Epoch 1/2: acc=0.25\nnothing\nEpoch 2/2: acc=nan", pattern)
    assert [point.step for point in found] == [1, 2]
    assert found[0].values == {"epoch": 1, "acc": 0.25}
    assert math.isnan(found[1].values["acc"])


def test_files_that_lightning_and_hugging_face_write(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("epoch,step,train_loss,val_acc\n0,9,0.5,\n0,9,,0.75\n")
    assert [point.values for point in read_file(tmp_path / "a.csv")] == [
        {"epoch": 0, "step": 9, "train_loss": 0.5}, {"epoch": 0, "step": 9, "val_acc": 0.75},
    ]  # fmt: skip
    state = {"best": None, "log_history": [{"step": 10, "eval_f1": 0.5}, {"step": 20, "eval_f1": 0.625}], "epoch": 2.0}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state))
    found = series(eval_f1="max")
    for point in read_file(tmp_path / "trainer_state.json"):
        found.add(point)
    assert found.results() == {"eval_f1": 0.625}
    (tmp_path / "half.jsonl").write_text('{"acc": 1}\n{"ac')
    with pytest.raises(TrialError, match=r"'half.jsonl', which cannot be read: Unterminated string"):
        list(read_file(tmp_path / "half.jsonl"))
    with pytest.raises(TrialError, match=r"wrote no file 'x/\*\.csv', which 'files' in \[command\] names"):
        list(Files(["x/*.csv"], tmp_path, tmp_path).read())


def test_rows_are_shown_once_as_they_come_also_if_the_file_is_written_anew(tmp_path: Path) -> None:
    files = Files(["*.csv", "*.jsonl"], tmp_path, tmp_path)
    table, lines = tmp_path / "m.csv", tmp_path / "m.jsonl"

    def look() -> list[dict[str, float]]:
        files._next_s = 0
        return [dict(point.values) for point in files.look()]

    assert look() == []
    table.write_text("step,acc\n1,0.5\n2,0.")
    lines.write_text('{"step": 7, "loss": 1}\n{"ste')
    assert look() == [{"step": 1, "acc": 0.5}, {"step": 7, "loss": 1}]
    with table.open("a") as file:
        file.write("75\n")
    assert look() == [{"step": 2, "acc": 0.75}]
    table.write_text("step,acc,lr\n1,0.5,\n2,0.75,\n3,1,0.1\n")  # as Lightning does for a new metric
    lines.write_text('{"step": 7, "loss": 1}\n{"step": 8, "loss": 0}\n')
    assert look() == [{"step": 3, "acc": 1, "lr": 0.1}, {"step": 8, "loss": 0}]
    assert look() == []
    with table.open("a") as file:
        file.write("4,2,0.1\n")
    assert [(point.step, is_new) for point, is_new in files.read()] == [
        (1, False), (2, False), (3, False), (4, True), (7, False), (8, False),
    ]  # fmt: skip
    later = Files(["*.csv"], tmp_path, tmp_path)
    assert later.look() == [], "an earlier attempt has left it"


def test_nan_counts_also_where_a_pattern_asks_for_digits_and_a_full_stop_is_no_part_of_a_number() -> None:
    lines = "acc=0.5.\nacc=nan\nacc=12.5%,\nacc=-inf\nno value"
    found = [point.values["acc"] for point in read(lines, r"acc=(?P<acc>[-0-9.%,]+)")]
    assert (found[0], found[2]) == (0.5, 12.5)
    assert math.isnan(found[1])
    assert math.isnan(found[3])


def test_steps_that_begin_again_in_each_epoch_and_values_that_are_logged_without_steps(tmp_path: Path) -> None:
    mean = {"goal": "max", "take": "mean_of_last_2"}
    best = {"goal": "max", "split": "test", "take": "best", "by": "val"}
    found = series(acc=mean)
    judged = series(acc=best, val={"goal": "max", "split": "val"})
    for epoch, step, acc in ((0, 0, 0.25), (0, 1, 0.5), (1, 0, 0.25)):
        found.add(Point({"acc": acc}, step=step, epoch=epoch))
        judged.add(Point({"acc": acc, "val": acc}, step=step, epoch=epoch))
    found.add(Point({"acc": 0.25}, step=0))  # the same from another source
    assert found.results() == {"acc": 0.375}
    with pytest.raises(
        TrialError, match="with steps that begin again in each epoch, so the step at which 'val' is best"
    ):
        judged.results()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("CREATE TABLE metrics (key TEXT, value REAL, timestamp INT, is_nan INT, step INT)")
        connection.executemany("INSERT INTO metrics VALUES ('acc', ?, ?, 0, 0)", [(0.1, 1), (0.2, 2)])
    connection.close()
    logged = series(acc="max")
    for point in read_mlflow(tmp_path / "mlflow.db"):
        logged.add(point)
    assert logged.results() == {"acc": 0.2}


def test_what_a_script_logs_to_mlflow_is_read_without_mlflow(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE metrics (key TEXT, value REAL, timestamp INT, is_nan INT, step INT)")
        rows = [("acc", 0.5, 1, 0, 1), ("acc", 0.75, 2, 0, 2), ("acc", 0, 3, 1, 3)]
        connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", rows)
    connection.close()
    found = list(read_mlflow(database))
    assert [point.values["acc"] for point in found[:2]] == [0.5, 0.75]
    assert math.isnan(found[2].values["acc"])
    assert list(read_mlflow(tmp_path / "none.db")) == []


def test_the_last_value_the_mean_of_the_last_and_the_one_at_the_best_step_of_another_split() -> None:
    best = {"goal": "max", "split": "test", "take": "best", "by": "val"}
    found = series(
        last="max", mean={"goal": "min", "take": "mean_of_last_2"}, test=best, val={"goal": "max", "split": "val"}
    )
    for step, value in enumerate([0.1, 0.9, 0.4, 0.2], start=1):
        found.add(Point({"last": value, "mean": value, "test": value / 2, "val": value}, step=step))
    assert found.results() == {"last": 0.2, "mean": pytest.approx(0.3), "test": 0.45, "val": 0.2}


def test_one_metric_twice_for_a_step_must_be_equal() -> None:
    found = series(acc="max")
    assert found.add(Point({"acc": 0.5}, step=1)) == {"acc": 0.5}
    assert found.add(Point({"acc": 0.5}, step=1)) == {}, "as from its output and from its file"
    with pytest.raises(TrialError, match=r"reported 'acc' twice at step 1: 0\.5, then 0\.6"):
        found.add(Point({"acc": 0.6}, step=1))


def test_a_missing_metric_names_what_was_reported() -> None:
    found = series(val_acc="max")
    with pytest.raises(TrialError, match=r"no metric .val_acc.; print a line of JSON such as"):
        found.results()
    found.add(Point({"val_accuracy": 0.5, "loss": 1.0}))
    with pytest.raises(TrialError, match="reported no metric 'val_acc'; it reported val_accuracy, loss"):
        found.results()


def test_report_writes_a_line_inside_of_a_trial_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABLATE_REPORT", raising=False)
    ablate.report(acc=0.5)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("ABLATE_REPORT", str(tmp_path / "r.jsonl"))
    ablate.report(acc=0.5)
    ablate.report(acc=0.75, loss=float("nan"), epoch=1)
    ablate.report(step=9, acc=1)
    found = read((tmp_path / "r.jsonl").read_text())
    assert [(point.step, point.values["acc"]) for point in found] == [(1, 0.5), (2, 0.75), (9, 1)]
    with pytest.raises(TypeError, match="acc is a list; give a number"):
        ablate.report(acc=[1])


def test_a_reader_that_has_closed_the_output_ends_nothing() -> None:
    code = (
        "import sys; from ablate.tasks.command.output import Output\n"
        "output = Output(); lines = [*output.add(b'one\\ntwo'), *output.end()]; output.note('the end')\n"
        "print(lines, file=sys.stderr)"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, check=True)
    os.close(writer)
    assert done.stderr.strip() == "['one', 'two']"
