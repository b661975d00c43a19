"""A script that was ended in the middle: what it reported before counts where it goes on, not where it begins anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ablate
from ablate.local.folder import Folder
from ablate.tasks.command.attempts import Attempts
from ablate.tasks.command.points import Point
from ablate.tasks.function.study import function_in
from ablate.tasks.function.task import keep_function
from tests.tasks.command.conftest import Write, study

SCRIPT = """
    import json, os, pathlib, sys
    import ablate
    how = sys.argv[1]
    mark = pathlib.Path(os.environ["ABLATE_WORKDIR"]) / "step"
    print(json.dumps({"params": 12}), flush=True)
    start = int(mark.read_text()) if mark.exists() and how != "anew" else 0
    for step in range(start, 6):
        if step == 4 and os.environ["ABLATE_ATTEMPT"] == "1":
            sys.exit(3)
        values = {"step": step, "val_loss": [5, 1, 4, 3, 2, 6][step], "test_acc": step / 10, "speed": 10.0 * step}
        ablate.report(**values) if how == "reports" else print(json.dumps(values), flush=True)
        mark.write_text(str(step + 1))
"""
METRICS = {
    "test_acc": {"goal": "max", "split": "test", "take": "best", "by": "val_loss"},
    "val_loss": {"goal": "min", "split": "val"},
    "speed": {"goal": "max", "take": "mean_of_last_5"},
}


@pytest.mark.parametrize("how", ["prints", "reports", "anew"])
def test_the_best_and_the_mean_of_the_last_values_are_those_of_the_whole_training(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    write("train.py", SCRIPT)
    monkeypatch.chdir(project)
    mine = study(f"python train.py {how}", metrics=METRICS, study_resources={"max_retries": 1})
    (row,) = ablate.run(mine, progress=False, workers=1).rows
    assert {name: cell.mean for name, cell in row.cells.items()} == {"test_acc": 0.1, "val_loss": 6.0, "speed": 30.0}
    (record,) = Folder(project / "ablate-out" / "mine-base").read().values()
    assert [point.step for point in record.curve] == [0, 1, 2, 3, 4, 5]


def test_points_of_earlier_attempts_count_up_to_the_first_new_step(tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    first = Attempts(path, ["acc"])
    for step in (0.0, 1.0, 2.0):
        assert first.with_earlier(Point({"acc": step}, step), 10 * step) == [Point({"acc": step}, step)]
    first.close()
    with path.open("a") as file:
        file.write('[30, {"acc": 3.0}, 3.')  # cut off by the end of the worker
    second = Attempts(path, ["acc"], [Point({"acc": 9.0}, 1.5), Point({"acc": 8.0})])
    assert second.with_earlier(Point({"lr": 1.0}, 7.0), 0.0) == [Point({"lr": 1.0}, 7.0)]
    assert second.with_earlier(Point({"acc": float("nan")}), 0.0)[0].step is None
    found = second.with_earlier(Point({"acc": 5.0}, 2.0), 1.0)
    assert [point.values["acc"] for point in found] == [0.0, 1.0, 9.0, 5.0]
    assert second.earlier_s == 10.0
    second.close()
    assert [json.loads(line)[2] for line in path.read_text().splitlines()] == [0.0, 1.0, 1.5, 2.0]


def test_steps_that_begin_again_in_each_epoch_are_compared_with_their_epoch(tmp_path: Path) -> None:
    path = tmp_path / "points.jsonl"
    first = Attempts(path, ["acc"])
    for epoch in (0.0, 1.0):
        for step in (0.0, 1.0):
            first.with_earlier(Point({"acc": 1.0}, step, epoch), 1.0)
    first.close()
    second = Attempts(path, ["acc"])
    found = second.with_earlier(Point({"acc": 2.0}, 0.0, 1.0), 0.0)
    second.close()
    assert [(point.epoch, point.step) for point in found] == [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)]


FUNCTION = """
import os
import ablate

@ablate.task(metrics={"speed": {"goal": "max", "take": "mean_of_last_5"}})
def train(lr: float = 1.0, *, seed: int, workdir):
    mark = workdir / "step"
    for step in range(int(mark.read_text()) if mark.exists() else 0, 6):
        if step == 4 and os.environ["ABLATE_ATTEMPT"] == "1":
            raise RuntimeError("the first time")
        yield {"step": step, "speed": 10.0 * step * lr}
        mark.write_text(str(step + 1))
"""


def test_a_function_that_goes_on_counts_what_it_yielded_before(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("mlp.py", FUNCTION)
    monkeypatch.chdir(project)
    task, _ = keep_function(function_in(project / "mlp.py", "train"), None)
    mine = {
        "name": "mlp",
        "seeds": 1,
        "base": {"task": task},
        "resources": {"max_retries": 1},
        "rows": [{"label": "a"}],
    }
    (row,) = ablate.run(mine, progress=False, workers=1).rows
    assert row.cells["speed"].mean == 30.0
