"""What a person does with the folder of `ablate run` after a script's study has ended."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import pytest

import ablate
from ablate.bundle.reviewer import verify as reviewer
from ablate.cli.app import status_of
from ablate.local.folder import Folder
from ablate.tasks.command.stored import read_place, store_of_snapshots
from ablate.tasks.files import list_files
from service.cli import main
from service.cli.rerun import CellAddress, find_in_folder
from tests.bundle.conftest import read_all, write_all

assert main  # the service's commands are commands of the app
TRAIN = """
import argparse, json, pathlib, random, subprocess
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
subprocess.Popen(["sleep", "100"])
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

FUNCTION = """
import ablate

@ablate.task(metrics={"acc": "max"})
def train(width: int = 64, *, seed: int):
    return {"acc": width + seed / 10}
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


@pytest.fixture(scope="module")
def bundle(place: Path) -> Path:
    """The bundle of the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLATE_HOME", str(place / "home"))
        assert status_of(["export", str(place / "results"), str(place / "mine.zip")]) == 0
    return place / "mine.zip"


def test_a_bundle_is_verified_without_the_state_directory_and_the_code_is_never_run(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "empty"))
    assert status_of(["verify", str(bundle)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("equal: ")
    assert "9 trial keys belong to their recipes (study mine, scale base)" in said
    assert "not checked" not in said, "the study is planned with the command in the bundle"
    assert reviewer.main([str(bundle)]) == 0
    files = read_all(bundle)
    (code,) = [name for name in files if name.endswith("/files/train.py")]
    assert files[code] == TRAIN.encode()
    assert json.loads(files[code.replace("files/train.py", "executable.json")]) == ["train.py"]
    assert not any("place.json" in name for name in files), "it names folders of the machine"


def changed(files: dict[str, bytes], end: str, old: str, new: str) -> dict[str, bytes]:
    """The files of a bundle with a text replaced in the one whose name ends so."""
    (name,) = [name for name in files if name.endswith(end)]
    assert old.encode() in files[name]
    return {**files, name: files[name].replace(old.encode(), new.encode())}


@pytest.mark.parametrize(
    ("end", "old", "new", "sentence"),
    [
        ("/files/train.py", "0.01", "0.02", "files/ is not the code whose digest is in the keys: a file was changed"),
        ("/executable.json", '"train.py"', "", "is not the code whose digest is in the keys: a file was changed"),
        ("/command.json", '"goal": "max"', '"goal": "min"', "has another command, metric or digest of the code than"),
        ("/command.json", '"default": 0.1', '"default": 0.2', "study.json has another [command] than code/command@"),
        ("study.json", '"lr": 0.5', '"lr": 0.6', "study.json has another row 'fast' than resolved.json"),
        ("resolved.json", '"acc": false', '"acc": true', "another direction of a metric than the task"),
        ("seeds.csv", "base,,0,acc,0", "base,,0,acc,1", "base, acc, values/0: stored 0.5"),
    ],
)  # fmt: skip
def test_a_changed_byte_of_code_study_or_values_is_found(
    end: str, old: str, new: str, sentence: str, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = changed(read_all(bundle), end, old, new)
    forged = write_all(tmp_path / "forged.zip", files, signed=True)
    assert status_of(["verify", str(forged)]) == 1
    assert sentence in capsys.readouterr().out
    if "whose digest" in sentence:
        assert reviewer.main([str(forged)]) == 1
        assert "is not that whose digest command.json has" in capsys.readouterr().out
    plain = write_all(tmp_path / "plain.zip", files, signed=False)
    assert status_of(["verify", str(plain)]) == 1
    assert f"{end}' was changed: its SHA-256 is not that in MANIFEST.sha256" in capsys.readouterr().out


def test_code_whose_modes_were_removed_is_no_code_that_was_left_out(bundle: Path, tmp_path: Path) -> None:
    files = {name: content for name, content in read_all(bundle).items() if not name.endswith("/executable.json")}
    forged = write_all(tmp_path / "forged.zip", files, signed=True)
    assert status_of(["verify", str(forged)]) == 2
    assert reviewer.main([str(forged)]) == 2


def test_the_code_can_be_left_out_and_the_answer_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small.zip"
    assert status_of(["export", "results", str(out), "--no-code"]) == 0
    assert not any("/files/" in name for name in read_all(out))
    capsys.readouterr()
    assert status_of(["verify", str(out)]) == 0
    said = capsys.readouterr().out
    assert "not checked: the code, which was left out; it can only be compared by its digest, " in said


def test_the_study_of_a_bundle_is_trained_again_with_the_same_keys(bundle: Path, tmp_path: Path) -> None:
    files = read_all(bundle)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (line,) = [line for line in files["README.md"].decode().splitlines() if line.startswith("    cp study.json ")]
    folder = tmp_path / line.split("'")[1]
    (folder / "study.json").write_bytes(files["study.json"])
    (folder / "train.py").chmod(0o755)
    assert set(ablate.plan(folder / "study.json").trials) == set(ablate.plan("project/mine.toml").trials)


def test_a_study_of_a_function_is_exported_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hill.py").write_text(FUNCTION)
    monkeypatch.syspath_prepend(tmp_path)
    train = importlib.import_module("hill").train
    ablate.run(train, rows={"full": {}, "narrow": {"width": 8}}, seeds=2, out=tmp_path / "out", progress=False)
    assert status_of(["export", str(tmp_path / "out"), str(tmp_path / "hill.zip")]) == 0
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "empty"))
    capsys.readouterr()
    assert status_of(["verify", str(tmp_path / "hill.zip")]) == 0
    said = capsys.readouterr().out
    assert "4 trial keys belong to their recipes" in said
    assert "not checked" not in said
    files = changed(read_all(tmp_path / "hill.zip"), "/files/hill.py", "width", "wider")
    assert status_of(["verify", str(write_all(tmp_path / "forged.zip", files, signed=True))]) == 1
    assert "is not the code whose digest is in the keys: a file was changed" in capsys.readouterr().out


def test_the_memory_of_a_script_is_recorded_and_the_table_can_show_it(capsys: pytest.CaptureFixture[str]) -> None:
    trials = [find_in_folder(Path("results"), CellAddress("fast", seed)) for seed in range(3)]
    peaks = [one.outcome.peak_memory_bytes or 0 for one in trials]
    assert all(1 << 20 < peak < 1 << 30 for peak in peaks)
    table = json.loads(Path("results/table.json").read_text())
    assert [row["peak_memory_bytes"] for row in table["rows"] if row["label"] == "fast"] == [max(peaks)]
    assert status_of(["table", "results", "--columns", "acc,peak_memory"]) == 0
    assert f"{max(peaks) / 2**20:.0f} |" in capsys.readouterr().out


def test_the_log_says_what_a_script_left_behind() -> None:
    trial = find_in_folder(Path("results"), CellAddress("fast", 0)).trial
    log = (Folder(Path("results")).workdir(trial.key) / "log.txt").read_text()
    assert "\nablate ended 1 process that the script left behind\n" in log


def test_the_files_that_a_script_wrote_are_listed_and_one_is_printed_or_saved(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert status_of(["files", "results:fast:1", "--json"]) == 0
    found = json.loads(capsysbinary.readouterr().out)
    listed = {one["path"]: one["size"] for one in found["files"]}
    assert listed == {"files/checkpoints/last.bin": 256, "run/metrics.csv": 15}, "no code, no link, nothing of ablate"
    assert (len(found["key"]), found["more"]) == (64, 0)
    assert status_of(["files", f"results:{found['key'][:12]}"]) == 0
    assert b"files/checkpoints/last.bin  256" in capsysbinary.readouterr().out
    assert status_of(["files", "results:fast:1", "files/checkpoints/last.bin"]) == 0
    assert capsysbinary.readouterr().out == bytes(range(256))
    out = tmp_path / "m.csv"
    assert status_of(["files", "results:fast:1", "run/metrics.csv", "--out", str(out)]) == 0
    assert out.read_text() == "step,acc\n1,0.5\n"


@pytest.mark.parametrize("path", ["files/passwd", "../../table.md", "/etc/passwd", "log.txt", "run/train.py", "files"])
def test_no_other_file_is_printed(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["files", "results:fast:1", path, "--out", str(tmp_path / "x")]) == 2
    assert f"the trial wrote no file '{path}'" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_without_the_code_only_the_files_in_workdir_are_listed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = find_in_folder(place / "results", CellAddress("fast", 1)).trial
    monkeypatch.setenv("ABLATE_HOME", str(place / "empty"))
    found = list_files(Folder(place / "results").workdir(trial.key), trial.task)
    assert [one.path for one in found] == ["files/checkpoints/last.bin"]


def test_copies_of_files_beside_the_script_are_not_listed_while_they_are_there(place: Path) -> None:
    """A trial that runs, or whose worker was killed, has them; they may be secrets such as `.env`."""
    trial = find_in_folder(place / "results", CellAddress("fast", 1)).trial
    workdir = Folder(place / "results").workdir(trial.key)
    original = Path(read_place(store_of_snapshots() / trial.task.partition("@")[2]).root)
    before = list(list_files(workdir, trial.task))
    (original / ".env").write_text("SECRET")
    copy = Path(shutil.copy2(original / ".env", workdir / "run" / ".env"))
    assert list(list_files(workdir, trial.task)) == before
    copy.write_text("written by the script")
    assert {one.path for one in list_files(workdir, trial.task)} - {one.path for one in before} == {"run/.env"}
    copy.unlink()
    (original / ".env").unlink()


def test_without_its_registration_only_the_files_in_workdir_are_listed(place: Path) -> None:
    trial = find_in_folder(place / "results", CellAddress("fast", 1)).trial
    found = list_files(Folder(place / "results").workdir(trial.key), "gone@" + "0" * 16)
    assert [one.path for one in found] == ["files/checkpoints/last.bin"]
