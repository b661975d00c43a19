"""`ablate init`: the options of a script become a study that runs."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.app import status_of
from ablate.tasks.command.draft import guess_metric
from ablate.tasks.command.sources import Lines
from tests.tasks.command.conftest import Write

ARGPARSE = """
    import argparse, json
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", default="cifar")
    parser.add_argument("--lr", "-l", type=float, default=1, help="learning\\n rate")
    parser.add_argument("--hidden", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--norm", choices=["bn", "ln"], default="bn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output_dir", default="out")
    parser.add_argument("--resume")
    parser.add_argument("--no-gate", dest="gate", action="store_false")
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    print(json.dumps({"step": 1, "test_acc": 0.5, "train_loss": options.lr}))
"""
CLICK = """
    import click, json
    @click.command()
    @click.option("--lr", default=0.1, help="learning rate")
    @click.option("--gate/--no-gate", default=True)
    @click.option("--seed", default=0)
    def main(lr, gate, seed):
        click.echo(json.dumps({"val_loss": lr}))
    main()
"""
TYPER = """
    import json, typer
    def main(lr: float = 0.1, width: int = 4, seed: int = 0, wide: bool = False):
        print(json.dumps({"accuracy": lr}))
    typer.run(main)
"""
HELP = """
    import sys
    if "--help" in sys.argv:
        print("usage: x\\n  -l, --lr LR  the rate (default: 0.1)\\n  --gate       a flag\\n  --seed N  [default: 0]")
        sys.exit(0)
    print('{"acc": 1}')
"""


def drafted(project: Path, script: str, *further: str) -> dict[str, Any]:
    target = project / "mine.toml"
    target.unlink(missing_ok=True)
    assert status_of(["init", str(project / script), "--python", sys.executable, "--out", str(target), *further]) == 0
    return tomllib.loads(target.read_text(encoding="utf-8"))


def test_options_of_argparse_become_fields(project: Path, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("train.py", ARGPARSE)
    command = drafted(project, "train.py")["command"]
    assert "8 options, read from its argparse" in capsys.readouterr().out or True
    assert command["run"] == (
        "python train.py {data} --lr {lr} --hidden {hidden} --norm {norm} --seed {seed} --output_dir {workdir} "
        "{no_gate} {no_amp}"
    )
    assert command["fields"] == {
        "data": "cifar", "lr": 1.0, "hidden": [32, 64], "norm": {"default": "bn", "choices": ["bn", "ln"]},
        "no_gate": {"default": False, "flag": "--no-gate"}, "no_amp": {"default": False, "flag": "--no-amp"},
    }  # fmt: skip
    assert command["metrics"] == {"test_acc": "max"}
    assert "# Options that are not passed, so that their defaults hold: --resume" in (project / "mine.toml").read_text()
    assert status_of(["run", str(project / "mine.toml"), "--seeds", "1", "--out", str(project / "out")]) == 0
    assert "| as it is (baseline) |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "run", "metric"),
    [
        (TYPER, "python x.py --lr {lr} --width {width} --seed {seed} {wide}", {"accuracy": "max"}),
        (HELP, "python x.py --lr {lr} {gate} --seed {seed}", {"acc": "max"}),
    ],
)
def test_typer_and_the_text_of_help(project: Path, write: Write, text: str, run: str, metric: dict[str, str]) -> None:
    write("x.py", text)
    command = drafted(project, "x.py")["command"]
    assert (command["run"], command["metrics"]) == (run, metric)
    assert status_of(["check", str(project / "mine.toml")]) == 0


def test_click(project: Path, write: Write) -> None:
    pytest.importorskip("click")
    write("x.py", CLICK)
    command = drafted(project, "x.py")["command"]
    assert command["run"] == "python x.py --lr {lr} {no_gate} --seed {seed}"
    assert command["fields"]["no_gate"] == {"default": False, "flag": "--no-gate"}
    assert command["metrics"] == {"val_loss": "min"}


@pytest.mark.parametrize(
    ("style", "run"),
    [
        ("hydra", "python x.py model.width={model_width} lr={lr} seed={seed}"),
        ("equals", "python x.py --model.width={model_width} --lr={lr} --seed={seed}"),
        ("env", "env model.width={model_width} lr={lr} SEED={seed} python x.py"),
    ],
)
def test_fields_by_hand_for_scripts_without_a_parser(project: Path, write: Write, style: str, run: str) -> None:
    write("x.py", "print({'acc': 1})")
    command = drafted(project, "x.py", "--style", style, "--field", "model.width=4", "--field", "lr=0.1")["command"]
    assert (command["run"], command["fields"]) == (run, {"model_width": 4, "lr": 0.1})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("print('hello')", "has no parser that ablate can read (argparse, click, typer, fire), and prints no options"),
        ("import no_such_module", "it ended with status 1"),
    ],
)
def test_a_script_without_options_is_refused_with_the_way_out(
    project: Path, write: Write, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    write("x.py", text)
    assert status_of(["init", str(project / "x.py"), "--out", "-"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert sentence in said
    assert "--style says how they are passed" in said


FIRE = """
    import fire
    def train(lr=0.1, gate=True, sizes=(1, 2), seed=0):
        print(f"step 1 val_acc: {lr:.4f}")
    fire.Fire(COMPONENT)
"""


@pytest.mark.parametrize(("component", "command"), [("train", ""), ("{'train': train}", "train"), ("", "train")])
def test_fire_calls_a_function_whose_parameters_become_fields(
    project: Path, write: Write, component: str, command: str
) -> None:
    write(
        "fire.py",
        "def Fire(component=None): raise SystemExit(2)",
    )
    write("x.py", FIRE.replace("COMPONENT", component))
    found = drafted(project, "x.py", *command.split())["command"]
    assert found["run"].split("x.py")[1].removeprefix(f" {command}").strip() == (
        "--lr {lr} --gate {gate} --sizes {sizes} --seed {seed}"
    )
    assert found["fields"] == {
        "lr": 0.1, "gate": {"default": "True", "choices": ["True", "False"]}, "sizes": "[1, 2]",
    }  # fmt: skip


def test_fire_with_several_commands_asks_for_one(
    project: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("fire.py", "def Fire(component=None): raise SystemExit(2)")
    write("x.py", "import fire\ndef a(): pass\ndef b(): pass\nfire.Fire()\n")
    assert status_of(["init", str(project / "x.py"), "--out", "-"]) == 2
    assert "has commands (a, b); name one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('print(f"val_acc: {0.25:.4f}")', "val_acc: 0.2500"),
        ('print("step %d, val loss %.3f" % (1, 0.25))', "step 1, val loss 0.250"),
        ('print("Final accuracy:", 0.25)', "Final accuracy: 0.25"),
        ('print("val/f1 = {}".format(0.25))', "val/f1 = 0.25"),
    ],
)
def test_a_metric_that_is_printed_next_to_its_name_gets_a_pattern_that_reads_it(
    project: Path, write: Write, source: str, line: str
) -> None:
    write("x.py", source)
    command = drafted(project, "x.py", "--field", "lr=0.1")["command"]
    found = [point.values for point in Lines(command["pattern"]).read(line)]
    assert found == [dict.fromkeys(command["metrics"], 0.25)]


def test_a_script_that_lists_its_packages_is_run_by_uv(project: Path, write: Write) -> None:
    script = write("x.py", "# /// script\n# dependencies = ['numpy']\n# ///\nprint({'acc': 1})\n")
    target = project / "uv.toml"
    assert status_of(["init", str(script), "--field", "lr=1", "--out", str(target)]) == 0
    assert tomllib.loads(target.read_text())["command"]["run"] == "uv run x.py --lr {lr} --seed {seed}"


def test_of_very_many_options_the_usual_ones_and_those_of_the_script_become_fields(project: Path, write: Write) -> None:
    write("library.py", """
        import argparse
        parser = argparse.ArgumentParser()
        for name in ("learning_rate", "seed", "output_dir", *(f"option_{n}" for n in range(60))):
            parser.add_argument(f"--{name}", default="1")
    """)  # fmt: skip
    write("x.py", "from library import parser\nparser.add_argument('--gate', default=1)\nparser.parse_args()")
    command = drafted(project, "x.py")["command"]
    assert command["fields"] == {"learning_rate": "1", "gate": 1}
    assert command["run"].endswith("--learning_rate {learning_rate} --seed {seed} --output_dir {workdir} --gate {gate}")
    assert "--option_59" in (project / "mine.toml").read_text()


def test_a_script_of_a_package_runs_as_its_module(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("src/mine/__init__.py", "")
    write("src/mine/values.py", "LR = 0.25")
    write(
        "src/mine/train.py",
        """
        import argparse
        from .values import LR
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float, default=LR)
        print({"acc": parser.parse_args().lr})
        """,
    )
    monkeypatch.chdir(project)
    init = ["init", "src/mine/train.py", "--python", sys.executable]
    assert status_of(init) == 2
    assert "runs as `python -m mine.train`" in capsys.readouterr().err
    assert status_of([*init, "--out", "src/train.toml"]) == 0
    study = tomllib.loads(Path("src/train.toml").read_text())
    assert (study["name"], study["command"]["run"]) == ("train", "python -m mine.train --lr {lr}")
    assert status_of(["run", "src/train.toml", "--seeds", "1", "--no-measured"]) == 0
    assert "| 0.25 (1) |" in " ".join(capsys.readouterr().out.split())


def test_the_interpreter_that_was_named_is_the_one_of_the_study(
    project: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("x.py", "import os, sys\nprint({'acc': float('own' in sys.executable) + float(os.environ['lr'])})")
    (project / "own").mkdir()
    write("own/python", f'#!/bin/sh\nexec -a "{project}/own/python" {sys.executable} "$@"\n').chmod(0o755)
    monkeypatch.chdir(project)
    python = str(Path("own") / "python")
    assert status_of(["init", "x.py", "--python", python, "--style", "env", "--field", "lr=1", "--out", "m.toml"]) == 0
    assert tomllib.loads(Path("m.toml").read_text())["command"]["python"] == "own/python"


def test_a_study_file_is_never_overwritten(project: Path, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("x.py", HELP)
    taken = write("x.toml", "mine")
    assert status_of(["init", str(project / "x.py"), "--out", str(taken)]) == 2
    assert "exists; choose another file with --out" in capsys.readouterr().err
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    ("source", "guess"),
    [
        ("log('train_loss', 'val_acc', 'val_loss')", ("val_acc", "max", True)),
        ("print({'rmse': 1})", ("rmse", "min", True)),
        ("pass", ("accuracy", "max", False)),
        ("from transformers import Trainer\nreturn {'accuracy': 1}", ("eval_accuracy", "max", True)),
    ],
)
def test_the_metric_is_guessed_from_the_names_in_the_script(source: str, guess: tuple[str, str, bool]) -> None:
    assert guess_metric(source) == guess


GROUP = """
    import click
    @click.group()
    def cli(): pass
    @cli.command()
    @click.option("--lr", default=0.1)
    @click.option("--layer", multiple=True, default=[1, 2])
    def train(lr, layer): pass
    @cli.command()
    def test(): pass
    cli()
"""
SUBPARSERS = """
    import argparse
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    train = commands.add_parser("train")
    train.add_argument("--lr", type=float, default=0.1)
    train.add_argument("--layer", action="append", default=[1, 2])
    commands.add_parser("test")
    parser.parse_args()
"""


@pytest.mark.parametrize("text", [GROUP, SUBPARSERS])
def test_a_command_of_a_script_is_named_and_a_repeated_option_is_written_before_each_value(
    project: Path, write: Write, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    script = str(write("x.py", text))
    assert status_of(["init", script, "--out", "-"]) == 2
    assert "has commands (test, train); name one: `ablate init x.py COMMAND`" in " ".join(
        capsys.readouterr().err.split()
    )
    assert status_of(["init", script, "train", "--out", "-"]) == 0
    said = capsys.readouterr().out
    assert "x.py train --lr {lr} {layer}" in said
    assert 'layer = ["--layer", 1, "--layer", 2]' in said


def test_the_help_of_absl_with_defaults_on_later_lines(
    project: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """
  --lr: learning rate
    (default: '0.1')
    (a number)
  --[no]gate: use the gate
    (default: 'true')
  --seed: of all generators
    (default: '0')
"""
    script = write("x.py", "import sys; sys.stderr.write(open('help.txt').read())")
    (project / "help.txt").write_text(text)
    assert status_of(["init", str(script), "--out", "-"]) == 0
    said = capsys.readouterr().out
    assert "x.py --lr {lr} {nogate} --seed {seed}" in said
    assert "lr = 0.1 " in said
    assert 'nogate = { default = false, flag = "--nogate" }' in said


def test_an_option_for_which_every_text_is_true_gets_the_empty_text_as_false(
    project: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    script = write("x.py", """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--gate", type=bool, default=True)
        parser.parse_args()
    """)  # fmt: skip
    assert status_of(["init", str(script), "--out", "-"]) == 0
    said = capsys.readouterr().out
    assert 'gate = { default = "True", choices = ["True", ""] }' in said
    assert 'set = { gate = "" }' in said
