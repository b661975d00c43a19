"""What a person does with the folder of `ablate run` after a script's study has ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablate.cli.app import status_of
from service.cli import main

assert main  # the service's commands are commands of the app
TRAIN = """
import argparse, json, pathlib, random
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--seed", type=int)
parser.add_argument("--out", type=pathlib.Path)
options = parser.parse_args()
if options.lr > 1:
    raise SystemExit("lr is too large")
noise = random.Random(options.seed).gauss(0, 0.01)
for step in (1, 2):
    print(json.dumps({"step": step, "acc": 0.2 * step + options.lr + noise}))
(options.out / "checkpoints").mkdir(exist_ok=True)
(options.out / "checkpoints" / "last.bin").write_bytes(bytes(range(256)))
(options.out / "passwd").symlink_to("/etc/passwd")
pathlib.Path("metrics.csv").write_text("step,acc\\n1,0.5\\n")
"""
STUDY = """
name = "mine"
seeds = 3
[command]
run = "python train.py --lr {lr} --seed {seed} --out {workdir}"
metrics = { acc = "max" }
fields = { lr = 0.1 }
[[rows]]
label = "base"
[[rows]]
label = "fast"
set = { lr = 0.5 }
[[rows]]
label = "too fast"
set = { lr = 2.0 }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project whose study was run: `project/`, `home/` and `results/`."""
    place = tmp_path_factory.mktemp("afterwards")
    (place / "project").mkdir()
    (place / "project" / "train.py").write_text(TRAIN)
    (place / "project" / "train.py").chmod(0o755)
    (place / "project" / "mine.toml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLATE_HOME", str(place / "home"))
        patch.chdir(place / "project")
        assert status_of(["run", "mine.toml", "--workers", "2", "--out", "../results"]) == 1, "one row is a hole"
    return place


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_HOME", str(place / "home"))
    monkeypatch.chdir(place)


def test_the_table_is_printed_from_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["table", "results", "--rows", "base,fast", "--digits", "2"]) == 0
    said = capsys.readouterr()
    assert "| fast            | 0.92 ± " in said.out
    assert "too fast |" not in said.out
    assert said.err == "more: ablate table results --notes\n"
    assert status_of(["table", "results", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(Path("results/table.json").read_text())
    assert status_of(["table", "results", "--out", "other"]) == 2
    assert "results has the tables and plots already; use --format" in capsys.readouterr().err


def test_two_rows_are_compared_from_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["compare", "results", "fast", "base"]) == 0
    shown = capsys.readouterr().out
    assert "acc: fast is 0.4 better than base on average over 3 common seeds" in shown
    assert "image" not in shown, "a script may be about anything"
    assert status_of(["compare", "results", "fast"]) == 2
    assert "name two rows: ablate compare results A B" in capsys.readouterr().err
    assert status_of(["compare", "results", "fast", "bass"]) == 2
    assert "no row 'bass'; did you mean 'base'?" in capsys.readouterr().err


def test_a_folder_without_results_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["table", str(place / "project")]) == 2
    assert "has no table.json; give the folder of `ablate run`" in capsys.readouterr().err


def test_a_trial_is_trained_again_after_its_script_was_edited(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = place / "project" / "train.py"
    text = script.read_text()
    script.write_text("raise SystemExit(3)\n")
    try:
        assert status_of(["rerun", "results:fast:1"]) == 0
        assert capsys.readouterr().out.startswith("equal: every metric and every point of the curve is the same")
        assert status_of(["rerun", "results:too fast:1"]) == 0
        assert capsys.readouterr().out.startswith("equal: it failed then and now")
    finally:
        script.write_text(text)


def test_its_learning_curves_are_drawn(tmp_path: Path) -> None:
    assert status_of(["plot", "results", "curves", "--out", str(tmp_path / "c.svg")]) == 0
    assert (tmp_path / "c.svg").read_bytes().startswith(b"<?xml")


def test_a_folder_of_results_is_no_bundle_and_the_error_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["verify", "results"]) == 2
    said = "results is a folder of `ablate run`; `ablate export results BUNDLE.zip` makes a bundle of it"
    assert said in capsys.readouterr().err


def test_without_the_state_directory_the_table_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "empty"))
    assert status_of(["table", "results"]) == 0
    assert status_of(["rerun", "results:fast:1"]) == 2
    assert "run the study again from its file, which stores it" in capsys.readouterr().err
