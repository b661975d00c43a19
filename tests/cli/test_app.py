"""The commands, as a user types them: output, exit status, and resuming after an interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ablate.cli.app import status_of
from ablate.cli.help import COMMANDS

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "service.cli.main"]


@pytest.fixture
def study(document: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(document))
    return path


def toys(tmp_path: Path, *endings: str, seeds: int = 2) -> Path:
    path = tmp_path / "toys.json"
    rows = [{"label": ending, "set": {"ending": ending}} for ending in endings]
    path.write_text(json.dumps({"name": "toys", "seeds": seeds, "base": {"task": "toy"}, "rows": rows}))
    return path


def test_help_answers_without_heavy_imports() -> None:
    code = "import sys; from ablate.cli.app import status_of; status_of(['--help']); print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "run " in shown
    heavy = ("'torch'", "'matplotlib'", "'scipy'", "'pydantic'", "'numpy'", "'timm'")
    assert not [name for name in heavy if name in shown]


@pytest.mark.parametrize("command", ["run", "check", "sites", "data"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of([command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_the_help_lists_every_command_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    import service.cli.main  # noqa: F401 - adds the service's commands

    assert status_of(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [line[:-1] for line in shown.splitlines() if re.fullmatch(r"[A-Z].*:", line)] == ["Options", *COMMANDS]
    assert all(f"\n  {name} " in shown for names in COMMANDS.values() for name in names)


def test_the_options_of_latex_have_a_heading_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["run", "--help"]) == 0
    first, of_table, of_latex = re.split(r"\nOptions of .*:\n", capsys.readouterr().out)
    assert "--workers" in first
    assert "--columns" in of_table
    assert "--siunitx" in of_latex


def test_warnings_of_libraries_do_not_reach_the_terminal(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        image = Image.new("P", (8, 8), color=len(name) * ord(name[-1]) % 251)
        image.putpalette([*range(256)] * 3)
        image.save(tmp_path / "images" / name / "1.png", transparency=bytes(range(200)))  # Pillow warns of these
    command = [*COMMAND, "data", "add", "odd", str(tmp_path / "images")]
    environment = {**os.environ, "ABLATE_DATA": str(tmp_path / "data")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    assert "registered" in done.stdout
    assert "Warning" not in done.stderr


@pytest.mark.slow
def test_a_study_is_trained_and_its_table_lands_in_five_formats_and_plots(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert status_of(["run", str(study), "--out", str(out), "--workers", "2"]) == 0
    shown = capsys.readouterr()
    assert "ReLU (baseline)" in shown.out
    assert "[6/6]" in shown.err
    names = {path.name for path in out.iterdir()}
    assert {f"table.{kind}" for kind in ("md", "tex", "csv", "html", "json")} <= names
    assert {"forest.svg", "forest.png", "seeds.svg", "curves.svg"} <= names
    table = json.loads((out / "table.json").read_text())
    assert [row["n_ok"] for row in table["rows"]] == [2, 2, 2]
    assert all(row["multiply_adds"] and row["inference_ms_1"] for row in table["rows"])
    assert table["rows"][1]["funnel_share"]["mean"] > 0

    before = (out / "trials.jsonl").read_bytes()
    assert status_of(["run", str(study), "--out", str(out), "--json", "--no-measured"]) == 0
    shown = capsys.readouterr()
    assert "6 of 6 known" in shown.err
    assert (out / "trials.jsonl").read_bytes() == before
    assert json.loads(shown.out)["rows"][0]["cells"]["top1_error_pct"]["values"].keys() == {"0", "1"}

    (tmp_path / "names.csv").write_text("FReLU,ours\n")
    choice = [
        "--rows",
        "FReLU,!ReLU",
        "--rename",
        str(tmp_path / "names.csv"),
        "--caption",
        "Mine.",
        "--label",
        "tab:me",
    ]
    assert status_of(["run", str(study), "--out", str(out), *choice]) == 0
    assert "| ours " in capsys.readouterr().out
    text = (out / "table.tex").read_text()
    assert "\\caption{Mine. Mean $\\pm$ standard deviation over 2 seeds" in text
    assert "\\label{tab:me}" in text
    assert "\nReLU & " not in text
    whole = json.loads((out / "table.json").read_text())
    assert [row["label"] for row in whole["rows"]] == [row["label"] for row in table["rows"]], "`rerun` reads all rows"


@pytest.mark.slow
def test_check_counts_and_trains_nothing(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["check", str(study), "--json", "--out", str(tmp_path / "out")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["trials"], answer["distinct"], answer["known"], answer["estimate_s"]) == (6, 6, 0, None)
    assert answer["rows"][0]["params_without_norm"] < answer["rows"][1]["params_without_norm"]
    assert answer["rows"][2]["key_fields"]["window"] == "5x5"
    assert status_of(["check", str(study), "--probe", "--json", "--out", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["estimate_s"] > 0


@pytest.mark.slow
def test_sites_of_a_network_and_of_a_row(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["sites", "torchvision/resnet50", "--json"]) == 0
    kinds = [site["kind"] for site in json.loads(capsys.readouterr().out)["sites"]]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"stem": 1, "1x1": 16, "3x3": 16, "add": 16}
    assert status_of(["sites", "resnet50", str(study), "FReLU", "--json"]) == 0
    sites = json.loads(capsys.readouterr().out)["sites"]
    assert [site["stage"] for site in sites if site["replaced"]] == [2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert status_of(["sites", "resnet50", str(study), "FRELUX"]) == 2
    assert "did you mean 'FReLU'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "none.toml"], "No such file"),
        (["sites", "resnet5"], "did you mean 'resnet50'"),
        pytest.param(["sites", "torchvision/vit_b_16"], "no activation call site", marks=pytest.mark.slow),
        (["frobnicate"], "No such command"),
        (["check"], "give a study file"),
        (["run", str(ROOT / "studies/smoke.toml"), "--columns", "label,top1"], "no column 'top1'"),
        (["run", str(ROOT / "studies/smoke.toml"), "--columns", "factors"], "has no factors"),
        (["run", str(ROOT / "studies/smoke.toml"), "--rows", "FReLV"], "no row 'FReLV'; did you mean 'FReLU'"),
        (["run", str(ROOT / "studies/smoke.toml"), "--rename", "none.toml"], "none.toml' cannot be read"),
        (["run", str(ROOT / "studies/smoke.toml"), "--label", "a b"], "is not one that LaTeX can refer to"),
        (
            ["run", str(ROOT / "studies/smoke.toml"), "--full", "--columns", "n"],
            "--full shows every column",
        ),
        (["data", "fetch", "fashion"], "did you mean 'fashion-mnist'"),
        (["run", str(ROOT / "studies/table05.toml"), "--style", "papr"], "'paper', 'full'. Did you mean 'paper'?"),
        (
            ["run", str(ROOT / "studies/table05.toml"), "--scale", "huge"],
            "no scale 'huge'; allowed: mini, lab, paper, ",
        ),
        (["run", str(ROOT / "studies/table05.toml"), "--scale", "paper"], "imagenet/train cannot be listed"),
    ],
)
def test_wrong_input_ends_with_2_and_a_sentence(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of(arguments) == 2
    shown = capsys.readouterr()
    assert text in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("command", [["check"], ["check", "--fields"], ["run"]], ids=" ".join)
def test_a_study_is_read_from_a_regular_file_only(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pipe, long = tmp_path / "pipe.toml", tmp_path / "long.toml"
    os.mkfifo(pipe)
    with long.open("w") as file:
        file.truncate(1 << 40)  # a file with a hole
    for path, text in (
        (pipe, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (long, "at most 1,048,576"),
    ):
        assert status_of([*command, str(path)]) == 2
        assert text in capsys.readouterr().err


@pytest.mark.slow
def test_a_row_that_cannot_be_built_is_refused_before_anything_is_trained(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document["rows"][1]["set"] = {"stages": [9]}
    path = tmp_path / "study.json"
    path.write_text(json.dumps(document))
    assert status_of(["run", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "row 'FReLU': no site matches stages" in capsys.readouterr().err
    assert not (tmp_path / "out" / "trials.jsonl").exists()


@pytest.mark.slow
def test_holes_are_listed_with_their_reason_and_end_with_1(
    toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = toys(tmp_path, "succeeded", "raises", "diverged", seeds=1)
    assert status_of(["run", str(path), "--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "hole: raises, seed 0: RuntimeError: the toy broke" in shown.err
    assert "hole: diverged" not in shown.err


def test_fresh_trains_anew_and_keeps_what_was_known(toy: str, tmp_path: Path) -> None:
    path, out = toys(tmp_path, "succeeded"), tmp_path / "out"
    assert status_of(["run", str(path), "--out", str(out)]) == 0
    assert status_of(["run", str(path), "--out", str(out), "--seeds", "3", "--fresh"]) == 0
    assert json.loads((out / "table.json").read_text())["exploratory"], "what is set aside was seen all the same"
    assert (out / "before-1" / "trials.jsonl").exists()
    assert len((out / "trials.jsonl").read_text().splitlines()) == 3


def test_json_errors_carry_pointer_code_and_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wrong.json"
    path.write_text('{"name": "a", "rows": [{"label": "x", "set": {"windw": "3x3"}}]}')
    assert status_of(["check", str(path), "--json"]) == 2
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert (error["pointer"], error["code"]) == ("/rows/0/set/windw", "unknown_field")


def test_ctrl_c_prints_what_is_kept_and_the_same_command_resumes(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [*COMMAND, "run", str(study), "--out", str(out), "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("[1/6]"))
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, line + rest
    assert "known; run the same command again to resume" in rest
    done = len((out / "trials.jsonl").read_text().splitlines())
    assert 1 <= done < 6
    again = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=True, env={**os.environ, "NO_COLOR": "1"}
    )
    assert f"{done} of 6 known" in again.stderr
    assert len((out / "trials.jsonl").read_text().splitlines()) == 6


def test_more_images_than_the_data_set_has_are_refused_by_check(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document["base"]["train_images"] = 100_000
    path = tmp_path / "study.json"
    path.write_text(json.dumps(document))
    assert status_of(["check", str(path)]) == 2
    assert "train_images is 100,000, and data set 'digits' has 1,442" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [*COMMAND, "check", "--fields"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_study_that_is_run_again_on_other_seeds_in_another_folder_is_a_second_try(toy: str, tmp_path: Path) -> None:
    for number, seeds in enumerate(([0, 1, 2], [3, 4, 5]), start=1):
        rows = [{"label": f"{number}: {offset}", "set": {"offset": offset}} for offset in (0.0, 1.0)]
        document = {"name": f"toys-{number}", "seeds": seeds, "base": {"task": "toy"}, "rows": rows}
        path, out = tmp_path / f"{number}.json", tmp_path / f"out-{number}"
        path.write_text(json.dumps(document))
        assert status_of(["run", str(path), "--out", str(out), "--no-measured"]) == 0
        table = json.loads((out / "table.json").read_text())
        assert table["exploratory"] is (number == 2)
    tries = table["rows"][1]["cells"]["error"]["tries"]
    assert (tries["number"], tries["n"], tries["mean"]) == (2, 6, pytest.approx(1.0))
    assert any("(try 2) was compared with its baseline before" in line for line in table["summary"])
