"""Options of a study document and of the commands, seen from a script."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate.cli.app import status_of
from ablate.cli.check import show_changes
from ablate.cli.study import read_plan
from ablate.errors import StudyError, TrialError
from ablate.local.export import read_contents
from ablate.local.folder import Folder, RunOfStudy
from ablate.local.progress import trial_names
from ablate.local.results import document_of_run, read_table
from ablate.local.run import run_study
from ablate.study.plan import Plan, plan_document, task_name
from ablate.study.source import document_of
from ablate.tasks.command.task import split_block
from tests.tasks.command.conftest import Write, study

SCRIPT = """
    import os, sys
    print({"acc": float(sys.argv[1]) + float(sys.argv[2])})
"""
FIELDS = {"lr": 0.25, "width": 3.0}
AB: dict[str, dict[str, Any]] = {"A": {}, "B": {"width": 4.0}}
C: dict[str, dict[str, Any]] = {"C": {"lr": 0.5}}


def train(plan: Plan, path: Path) -> Folder:
    """Train a plan, without tables and plots."""
    folder = Folder(path)
    with folder.locked():
        assert list(run_study(plan, folder, 2))
    return folder


@pytest.fixture
def mine(project: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    write("train.py", SCRIPT)
    return write("mine.json", json.dumps(study("python train.py {lr} {width}", AB | C, fields=FIELDS)))


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


def test_a_fold_pairs_rows_as_a_seed_does(project: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    write("train.py", """
        import os, sys
        lr, seed, fold = float(sys.argv[1]), *map(int, sys.argv[2:])
        assert [os.environ["ABLATE_SEED"], os.environ["ABLATE_FOLD"]] == sys.argv[2:]
        print({"acc": 100 * seed + 10 * fold + lr})
    """)  # fmt: skip
    rows = {"A": {}, "B": {"lr": 2.0}}
    document = study("python train.py {lr} {seed} {fold}", rows, fields={"lr": 1.0}, study_folds=3, study_seeds=[4])
    plan = ablate.plan(document)
    table = read_table(plan, train(plan, project / "out"))
    assert trial_names(plan)[plan.memberships["B", 14]] == "B, seed 4, fold 2"
    values = [row.cells["acc"].values for row in table.rows]
    assert values == [{12: 401.0, 13: 411.0, 14: 421.0}, {12: 402.0, 13: 412.0, 14: 422.0}]
    assert table.folds == 3
    line = (
        "3 folds of 1 seed: folds share training data, so intervals are 1.6 times as wide as those of independent runs"
    )
    assert table.summary[-1].startswith(line)
    assert plan_document(document_of_run(plan)).seeds == plan.seeds
    more = plan_document(document_of_run(ablate.plan(document, seeds=2)))
    assert more.seeds == (0, 1, 2, 3, 4, 5)
    del document["seeds"]
    assert ablate.plan(document).seeds == (0, 1, 2), "with folds one seed is the default"


def test_other_folds_are_other_trials_and_a_replicate_has_the_same_fold(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    write("train.py", SCRIPT)

    def keys(**more: Any) -> set[str]:
        return set(ablate.plan(study("python train.py 1 {seed}", **more)).trials)

    assert keys(study_folds=2).isdisjoint(keys(study_folds=3) | keys(study_seeds=3))
    assert split_block(7, 5) == (1, 2)
    assert split_block((3 << 64) | 7, 5) == ((3 << 64) | 1, 2)
    assert split_block((3 << 64) | 7, None) == ((3 << 64) | 7, 0)


@pytest.mark.parametrize(
    ("change", "pointer", "sentence"),
    [
        ({"study_folds": 1}, "/folds", "greater than or equal to 2"),
        ({"study_folds": "5"}, "/folds", "whole number"),
        ({"folds": 5}, "/command/folds", "'folds' belongs at the top of the study"),
        ({"run": "python train.py 1 {fold}"}, "/command/run", "write folds = 5 at the top of the study"),
        (
            {"study_folds": 5, "fields": {"fold": 1}, "run": "python train.py 1 {fold}"},
            "/command",
            "'fold' is the number",
        ),
        ({"study_folds": 5, "study_seeds": [2**62]}, "/seeds", "choose smaller seeds"),
        ({"study_folds": 1000, "study_seeds": 100}, "", "above the limit"),
    ],
)
def test_wrong_folds_are_refused(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], pointer: str, sentence: str
) -> None:
    monkeypatch.chdir(project)
    write("train.py", SCRIPT)
    with pytest.raises(StudyError) as refused:
        ablate.plan(study(**{"run": "python train.py 1 2", **change}))
    (problem,) = refused.value.problems
    assert problem.pointer == pointer
    assert sentence in problem.message


def test_folds_are_for_scripts_and_a_field_called_fold_stays_one(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    write("train.py", SCRIPT)
    with pytest.raises(StudyError, match=r"/folds: 'folds' is for a study with \[command\]"):
        ablate.plan({"name": "a", "folds": 5, "base": {"dataset": "digits"}, "rows": [{"label": "a"}]})
    rows = {"0": {"fold": 0}, "1": {"fold": 1}}
    assert len(ablate.plan(study("python train.py 1 {fold}", rows, fields={"fold": 0})).trials) == 2
    warned = ablate.plan(study("python train.py 1 2", study_folds=2)).warnings
    assert [one.message[:28] for one in warned if one.pointer == "/command/run"] == ["the command has no {fold}, s"]


def test_results_of_earlier_code_fill_their_cells_where_the_study_says_so(
    mine: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(mine.read_text())
    first = ablate.plan(study("python train.py {lr} {width}", AB, fields=FIELDS))
    train(first, Path("ablate-out/mine-base"))
    write("train.py", SCRIPT + "    # explained\n")
    folder, now = read_plan(mine, None, None)
    assert not now.trials.keys() & Folder(folder).read().keys()
    show_changes(now, Folder(folder).read().values())
    shown = capsys.readouterr().out
    said = re.search(r'1 file, .*; keep_results_of = "([0-9a-f]{12})" in .command. keeps them', shown)
    assert said is not None
    document["command"]["keep_results_of"] = said[1]
    mine.write_text(json.dumps(document))
    _, kept = read_plan(mine, None, None)
    assert [kept.memberships[name, 0] for name in "AB"] == [first.memberships[name, 0] for name in "AB"]
    (left,) = kept.outstanding(Folder(folder).read())
    assert left.key == kept.memberships["C", 0] == now.memberships["C", 0], "the option is not part of a key"
    assert task_name(kept) == task_name(now)
    show_changes(kept, Folder(folder).read().values())
    assert "will be trained again" not in capsys.readouterr().out
    table = read_table(ablate.plan(mine), Folder(folder))
    line = "(keep_results_of): 'A' on seed 0, 'B' on seed 0; the others have the code as it is."
    assert table.summary[-1] == f"2 of 3 cells keep results of the code {said[1]} {line}"
    assert [row.n_ok for row in table.rows] == [1, 1, 0]
    assert read_plan(mine, None, None, fresh=True)[1].memberships == now.memberships
    Folder(folder).keep_study(RunOfStudy(study=document_of(kept.study), scale=None))
    with pytest.raises(TrialError, match="a bundle has the code of one version only"):
        read_contents(folder)
    document["command"]["keep_results_of"] = "0" * 8
    mine.write_text(json.dumps(document))
    with pytest.raises(StudyError, match=r"no code in the state directory begins with '00000000'; `ablate check`"):
        read_plan(mine, None, None)
    document["command"] |= {"keep_results_of": said[1], "metrics": {"acc": "min"}}
    mine.write_text(json.dumps(document))
    assert not read_plan(mine, None, None)[1].trials.keys() & Folder(folder).read().keys(), "only the code may differ"
