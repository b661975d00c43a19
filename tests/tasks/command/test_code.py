"""Which files are the code of a script, and what its trials share with the folder from which it came."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ablate.tasks.command.snapshot import find_code
from tests.tasks.command.conftest import Write, study
from tests.tasks.command.test_scripts import inside, keys, run

__all__ = ["inside"]
ONE_NUMBER = "import sys; print({'acc': float(sys.argv[1])})"


@pytest.mark.parametrize("command", [".venv/bin/python train.py {lr}", "python -m pkg.train {lr} config.txt"])
def test_the_code_is_the_script_not_the_interpreter_or_an_argument(inside: Path, write: Write, command: str) -> None:
    (inside / ".venv" / "bin").mkdir(parents=True)
    (inside / ".venv" / "bin" / "python").symlink_to(sys.executable)
    write("config.txt", "x")
    write("pkg/train.py", "old = 1")
    mine = study(command, fields={"lr": 0.1})
    before = keys(mine)
    write("pkg/train.py", "new = 1")
    assert keys(mine).isdisjoint(before)


def test_a_pattern_that_ends_with_two_stars_names_all_files_below(project: Path, write: Write) -> None:
    script = write("train.py", "")
    for name in ("configs/a.yaml", "configs/deep/b.yaml", "../shared/c.py"):
        write(name, "x")
    code = find_code(project.resolve(), script.resolve(), ["configs/**", "../shared/**"])
    assert sorted(path.name for path in code.files) == ["a.yaml", "b.yaml", "c.py", "train.py"]


def test_a_module_that_is_not_found_is_explained(inside: Path, write: Write) -> None:
    write("train.py", "import no_such_module")
    note = str(run(study("python train.py")).rows[0].notes)
    assert "name its interpreter as `python` in [command]" in note
    assert "name it in `code`" in note


def test_a_project_that_is_reached_by_a_link_runs_its_copy(project: Path, write: Write) -> None:
    write("train.py", ONE_NUMBER)
    (project.parent / "link").symlink_to(project)
    path = write("mine.json", json.dumps(study("python train.py {lr}", fields={"lr": 0.1})))
    table = run(project.parent / "link" / path.name, out=project.parent / "out")
    folder = project.parent / "out" / "trials" / table.rows[0].trials[0][:16] / "run"
    assert sorted(one.name for one in folder.iterdir() if not one.is_symlink()) == ["train.py"]


def test_what_earlier_runs_wrote_beside_the_script_is_not_shared_by_the_trials(inside: Path, write: Write) -> None:
    write("logs/1/metrics.csv", "acc\n0.9\n")
    write("last.csv", "acc\n0.9\n")
    write("train.py", """
        import os, sys
        folder = f"logs/{len(os.listdir('logs')) + 1 if os.path.exists('logs') else 1}"
        os.makedirs(folder)
        open(folder + "/metrics.csv", "w").write(f"acc\\n{sys.argv[1]}\\n")
        open("last.csv", "a").write(f"loss\\n{sys.argv[1]}\\n")
    """)  # fmt: skip
    rows = {"low": {}, "high": {"lr": 0.5}}
    of_study = {"fields": {"lr": 0.25}, "files": ["logs/*/metrics.csv", "last.csv"]}
    table = run(study("python train.py {lr}", rows, metrics={"acc": "max", "loss": "min"}, **of_study))
    assert [row.cells["acc"].values for row in table.rows] == [{0: 0.25}, {0: 0.5}]
    assert [row.cells["loss"].values for row in table.rows] == [{0: 0.25}, {0: 0.5}]
    assert (inside / "last.csv").read_text() == "acc\n0.9\n"
    assert not [*(inside / "ablate-out").glob("*/trials/*/run/ablate-out")]
    write("data.csv", "acc\n0.9\n")
    shared = study("python train.py {lr}", fields={"lr": 0.25}, files=["d*.csv"], study_name="shared")
    assert "wrote no file 'd*.csv'" in str(run(shared).rows[0].notes)


def test_a_module_that_is_imported_by_an_absolute_search_path_is_the_copy(
    inside: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("src/part.py", "import pathlib; where = pathlib.Path(__file__)")
    write("train.py", "import part; print({'acc': 'project/src' not in str(part.where) and 1.0 or 0.0})")
    monkeypatch.setenv("PYTHONPATH", f"{inside / 'src'}:relative")
    assert run(study("python train.py")).rows[0].cells["acc"].values == {0: 1.0}


def test_in_a_repository_code_counts_though_it_is_new_ignored_or_of_a_submodule_and_studies_do_not(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)

    def git(*arguments: str, at: Path = project) -> None:
        own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always"]
        subprocess.run(["git", *own, "-C", str(at), *arguments], check=True, capture_output=True)

    part = project.parent / "part"
    part.mkdir()
    (part / "layer.py").write_text("a = 1")
    for folder in (part, project):
        git("init", "-q", at=folder)
    for arguments in (["add", "."], ["commit", "-qm", "a"]):
        git(*arguments, at=part)
    git("submodule", "add", "-q", str(part), "part")
    write(".gitignore", "local.py\nenv/\n")
    write("train.py", ONE_NUMBER)
    write("mine.toml", "[command]\n")
    write("ablate-out/mine/trials.jsonl", "")
    write("ablate-out/mine/table.md", "")
    git("add", ".")
    for name in ("local.py", "new.yaml", "env/site.py", "lightning_logs/version_0/hparams.yaml"):
        write(name, "a")
    mine = study("python train.py {lr}", fields={"lr": 0.1})
    before = keys(mine)
    for name in ("mine.toml", "ablate-out/mine/table.md", "env/site.py", "lightning_logs/version_0/hparams.yaml"):
        write(name, "[command]\nb = 1")
        assert keys(mine) == before, name
    for name in ("part/layer.py", "local.py", "new.yaml"):
        write(name, "b = 2")
        assert keys(mine).isdisjoint(before), name
        before = keys(mine)


def test_a_script_far_from_the_folder_of_its_study_shares_nothing_of_the_folders_above_both(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = write("train.py", ONE_NUMBER)
    far = project.parent / "far"
    far.mkdir()
    monkeypatch.chdir(far)
    monkeypatch.setenv("TMPDIR", str(project.parent))
    monkeypatch.setattr("tempfile.tempdir", None)
    (project.parent / "other").mkdir()
    (row,) = run(study(f"python {script} 0.5"), out=project.parent / "out").rows
    assert list(row.cells["acc"].values) == [0], row.notes
    assert not list((project.parent / "out" / "trials").glob("*/run/other"))
