"""Options of a study document and of the commands, seen from a script: `--set`, `--rows`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ablate
from ablate.cli.app import status_of
from ablate.local.folder import Folder
from tests.tasks.command.conftest import Write, study

SCRIPT = """
    import os, sys
    print({"acc": float(sys.argv[1]) + float(sys.argv[2])})
"""


@pytest.fixture
def mine(project: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    write("train.py", SCRIPT)
    rows = {"A": {}, "B": {"width": 4.0}, "C": {"lr": 0.5}}
    return write(
        "mine.json", json.dumps(study("python train.py {lr} {width}", rows, fields={"lr": 0.25, "width": 3.0}))
    )


def test_some_rows_with_another_value_are_trained_and_the_rest_later(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["check", str(mine), "--set", "lr=0.75"]) == 0
    assert "with lr = 0.75 instead of 0.25 (--set)" in capsys.readouterr().out
    command = ["run", str(mine), "--set", "lr=0.75", "--rows", "B", "--workers", "2"]
    assert status_of(command) == 0, "rows that were not asked for are no holes"
    part = capsys.readouterr()
    assert "--rows: 2 of 3 trials are of these rows and their baseline; nothing is decided before all" in part.err
    assert "[2/2]" in part.err
    assert "3.75" in part.out
    assert "- Nothing is decided while results are missing" in part.out
    assert "not run (C)" in part.out
    assert "With lr = 0.75 instead of 0.25 (--set). 'C' sets lr itself and keeps its value." in part.out
    folder = Folder(Path("ablate-out/mine-base-lr=0.75"))
    known = folder.read()
    assert sorted(record.outcome.metrics["acc"] for record in known.values()) == [3.75, 4.75]
    whole = ablate.plan(mine, set={"lr": 0.75})
    assert [trial.recipe["lr"] for trial in whole.outstanding(known)] == [0.5], "without --rows it trains the rest"
    assert len(folder.registrations("mine")) == 1, "the study was fixed with all its rows before the first result"
    assert not Path("ablate-out/mine-base").exists()
