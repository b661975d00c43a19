"""A trial that is trained again: the verdict on two records, and the command over folders of `ablate run`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from ablate.cli.app import status_of
from ablate.local.folder import Folder
from ablate.study.plan import plan_document
from ablate.trials import registry
from ablate.trials.record_comparison import TrialComparison, compare_records, first_difference
from ablate.trials.trial import EpochMetrics, Outcome, Trial, TrialRecord
from service.cli import main
from tests.service.processes import install_task, until

ROOT = Path(__file__).parents[2]
TRIAL = Trial(key="ab" * 32, task="classify", recipe={}, seed=0)


@pytest.fixture(autouse=True)
def _console_script() -> None:
    assert main.main, "the module adds the command"


def curve(*losses: float, every: int = 10) -> list[EpochMetrics]:
    steps = every * len(losses)
    return [
        EpochMetrics(step=every * number, steps=steps, epoch=number, metrics={"train_loss": loss})
        for number, loss in enumerate(losses, 1)
    ]


def record(
    status: Any = "succeeded", points: list[EpochMetrics] | None = None, where: Any = None, **metrics: float
) -> TrialRecord:
    reason = None if status == "succeeded" else f"it {status}"
    outcome = Outcome(status=status, metrics=metrics, reason=reason, train_s=2.0)
    return TrialRecord(
        trial=TRIAL,
        outcome=outcome,
        curve=points or [],
        provenance=where or {},
        finished_at="2026-01-01T00:00:00+00:00",
    )


def judged(then: TrialRecord, now: TrialRecord, tolerance: float = 1e-3) -> TrialComparison:
    return compare_records(then, now, tolerance=tolerance)


def test_the_same_numbers_to_the_last_bit_are_equal() -> None:
    found = judged(record(error=5.1, points=curve(0.3, 0.2)), record(error=5.1, points=curve(0.3, 0.2)))
    assert (found.verdict, found.first_difference_step) == ("equal", None)
    assert found.sentence.endswith("the same to the last bit (1 metric, 2 points)")


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        (5.0, 5.0 * (1 + 1e-6), "within tolerance"),
        (5.0, 5.0 + 2**-50, "within tolerance"),
        (-5.0, -5.0049, "within tolerance"),
        (5.0, 5.5, "different"),
        (0.0, 1e-9, "different"),
    ],
)
def test_a_metric_is_held_to_the_tolerance_as_a_share_of_the_stored_one(then: float, now: float, verdict: str) -> None:
    assert judged(record(error=then), record(error=now)).verdict == verdict
    assert judged(record(error=then), record(error=now), tolerance=0).verdict == "different"


def test_the_sentence_names_the_worst_metric_by_how_much_and_the_step_at_which_the_curves_part() -> None:
    then = record(error=5.0, loss=2.0, points=curve(0.3, 0.2, 0.1))
    now = record(error=5.5, loss=2.0, points=curve(0.3, 0.25, 0.1))
    found = judged(then, now)
    assert found.first_difference_step == 20
    assert found.sentence == (
        "different: error by +10 % (5 then, 5.5 now); 1 of 2 metrics beyond the tolerance of 0.001; "
        "the curves differ from step 20 on"
    )


def test_equal_metrics_after_another_curve_are_within_tolerance_and_say_so() -> None:
    found = judged(record(error=5.0, points=curve(0.3, 0.2)), record(error=5.0, points=curve(0.3, 0.21)))
    assert found.verdict == "within tolerance"
    assert found.sentence == "within tolerance: the metrics are the same; the curves differ from step 20 on"


def test_a_curve_that_ends_before_the_other_parts_from_it_at_the_first_point_it_lacks() -> None:
    assert first_difference(curve(0.3, 0.2)[:1], curve(0.3, 0.2)) == 20
    assert first_difference([], curve(0.3)) == 10
    assert first_difference(curve(0.3, every=5), curve(0.3, every=10)) == 5
    assert first_difference([], []) is None


def test_a_metric_that_only_one_of_the_two_has_is_a_difference() -> None:
    found = judged(record(error=5.0), record(error=5.0, score=1.0))
    assert found.verdict == "different"
    assert "score is missing then" in found.sentence


@pytest.mark.parametrize(
    ("then", "now", "verdict"),
    [
        ("diverged", "diverged", "equal"),
        ("failed", "failed", "equal"),
        ("succeeded", "diverged", "different"),
        ("failed", "succeeded", "different"),
    ],
)
def test_how_it_ended_is_compared_first(then: str, now: str, verdict: str) -> None:
    found = judged(record(then), record(now))
    assert found.verdict == verdict
    assert (found.status.then, found.status.now) == (then, now)
    assert now in found.sentence


def test_commit_lock_and_device_are_kept_always_and_of_the_rest_what_differs() -> None:
    then = {"commit": "a", "threads": 1, "versions": {"torch": "2.9", "numpy": "2"}}
    now = {"commit": "a", "threads": 2, "versions": {"torch": "2.10", "numpy": "2"}, "device": "cpu"}
    found = judged(record(where=then), record(where=now)).to_json()["provenance"]
    assert found == {
        "commit": {"then": "a", "now": "a", "differs": False},
        "lock": {"then": None, "now": None, "differs": False},
        "device": {"then": None, "now": "cpu", "differs": True},
        "threads": {"then": 1, "now": 2, "differs": True},
        "versions.torch": {"then": "2.9", "now": "2.10", "differs": True},
    }


def change(folder: Path, edit: Callable[[dict[str, Any]], None], seed: int = 0) -> None:
    """Edit the stored records of a seed, as if another machine had written them."""
    file = folder / "trials.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line["trial"]["seed"] == seed:
            edit(line)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_real_training_is_equal_uses_no_checkpoint_and_touches_nothing(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out, temporary = tmp_path / "study.json", tmp_path / "out", tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    rows = [{"label": "a: b", "set": {"window": "1x1"}}]
    file.write_text(json.dumps({**document, "seeds": 1, "rows": rows}))
    assert status_of(["run", str(file), "--out", str(out), "--workers", "1"]) == 0
    (checkpoint,) = out.glob("trials/*/checkpoint.safetensors")
    checkpoint.write_bytes(b"not to be read")
    change(out, lambda line: line["provenance"].update(platform="another"))
    before = content(out)
    capsys.readouterr()

    assert status_of(["rerun", f"{out}:a: b:0", "--json"]) == 0
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert (answer["verdict"], answer["first_difference_step"]) == ("equal", None)
    assert answer["metrics"]["test_loss"]["then"] == answer["metrics"]["test_loss"]["now"]
    assert list(answer["provenance"]) == ["commit", "lock", "device", "platform"]
    device = answer["provenance"]["device"]
    assert (device["then"], device["differs"]) == (device["now"], False)
    assert answer["provenance"]["platform"]["differs"]
    assert answer["status"] == {"then": "succeeded", "now": "succeeded"}
    assert answer["train_s"]["now"] > 0
    assert "seed 0 again" in shown.err
    assert content(out) == before
    assert list(temporary.iterdir()) == []


@pytest.fixture
def toys(toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder of `ablate run` with trials of the toy task, which cost nothing to train again."""
    rows = [{"label": name, "set": {"ending": name}} for name in ("succeeded", "diverged", "raises")]
    rows += [{"label": "off: 1", "set": {"offset": 1.0}}]
    document = {"name": "toys", "seeds": [0, 7], "base": {"task": "toy"}, "rows": rows}
    (tmp_path / "toys.json").write_text(json.dumps(document))
    assert status_of(["run", str(tmp_path / "toys.json"), "--out", str(tmp_path / "out"), "--workers", "1"]) == 1
    capsys.readouterr()
    return tmp_path / "out"


def key_of(folder: Path, seed: int = 0) -> str:
    return next(key for key, one in Folder(folder).read().items() if one.trial.seed == seed)


@pytest.mark.parametrize(
    ("factor", "status", "verdict"), [(1.0, 0, "equal"), (1 + 1e-6, 0, "within tolerance"), (1.1, 1, "different")]
)
def test_a_changed_record_gets_its_verdict_and_exit_status(
    toys: Path, capsys: pytest.CaptureFixture[str], factor: float, status: int, verdict: str
) -> None:
    def edit(line: dict[str, Any]) -> None:
        line["outcome"]["metrics"] = {name: factor * value for name, value in line["outcome"]["metrics"].items()}

    change(toys, edit)
    assert status_of(["rerun", f"{toys}:off: 1:0"]) == status
    shown = capsys.readouterr().out
    assert shown.startswith(verdict)
    assert "first step at which the curves differ: none" in shown


def test_curve_and_provenance_that_differ_are_shown(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def edit(line: dict[str, Any]) -> None:
        for point in line["curve"]:
            point["metrics"]["error"] = 8.0
        line["provenance"] |= {"commit": "0123abcd", "versions": {"torch": "1.0"}, "threads": 3}

    change(toys, edit)
    assert status_of(["rerun", f"{toys}:{key_of(toys)[:8]}"]) == 0
    shown = capsys.readouterr().out
    assert "the curves differ from step 1 on" in shown.splitlines()[0]
    assert "first step at which the curves differ: 1" in shown
    torch = next(line for line in shown.splitlines() if line.startswith("versions.torch"))
    assert "1.0" in torch
    assert "0123abcd" in shown
    assert "processor" not in shown
    assert "threads" not in shown, "it had three of them again"


def test_an_equal_trial_still_shows_commit_lock_and_device_then_and_now(
    toys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(toys, lambda line: line["provenance"].update(commit="0123abcd", device=None))
    assert status_of(["rerun", f"{toys}:{key_of(toys)[:8]}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {words[0]: words[1:] for line in lines[-4:] if (words := line.split())}
    assert shown["where"] == ["it", "ran", "then", "now"]
    assert (shown["commit"][0], shown["commit"][-1]) == ("0123abcd", "differs")
    assert (shown["lock"][0], shown["lock"][-1]) == (shown["lock"][1], "same")
    assert (shown["device"][0], shown["device"][-2:]) == ("-", ["not", "recorded"])


def test_a_trial_that_diverged_or_failed_is_trained_again_too(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["rerun", f"{toys}:diverged:7"]) == 0
    assert capsys.readouterr().out.startswith("equal: it diverged then and now")
    assert status_of(["rerun", f"{toys}:raises:0"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("equal: it failed then and now")
    assert 'raise RuntimeError("the toy broke")' in shown.err, "its folder is gone, so the traceback is shown"


def test_code_that_has_changed_since_is_said(toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site" / "toy_task.py"
    file.write_text(file.read_text().replace("1.0 + recipe.offset", "2.0 + recipe.offset"))
    registry.get_installed.cache_clear()
    assert status_of(["rerun", f"{toys}:succeeded:0"]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("different: error by +100 % (1 then, 2 now)")
    key = key_of(toys)[:12]
    assert "the code of task 'toy' has changed since it was trained: the same cell now has the key " in shown.err
    assert f"not {key}" in shown.out


def test_a_recipe_that_the_task_does_not_take_any_more_is_refused(
    toys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(toys, lambda line: line["trial"]["recipe"].update(offset="wide"))
    assert status_of(["rerun", f"{toys}:succeeded:0"]) == 2
    assert "no longer accepts the stored recipe of trial" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("{out}:suceeded:0", "no row 'suceeded' in {out}; did you mean 'succeeded'?"),
        ("{out}:succeeded:1", "no seed 1 of row 'succeeded' in {out}; it has 0, 7"),
        ("{out}:succeeded:one", "seed 'one' is not a whole number"),
        ("{out}:00000000", "no trial in {out} has a key that begins with 00000000"),
        ("{out}:abc", "'abc' is not the key of a trial"),
        ("{out}", "is a folder; name one of its trials"),
        ("{out}/none:a:0", "is not a folder with a trials.jsonl, nor the id or name of a study"),
        ("abc", "'abc' does not name a trial; a target is KEY (8 hexadecimal digits or more)"),
        ("study:row", "does not name a seed, or there is no such folder"),
        ("study:row:x", "seed 'x' is not a whole number"),
        (":row:0", "'' is not a folder"),
        ("", "'' does not name a trial"),
        ("é" * 200 + ":x:0", "is not a folder"),
    ],
)
def test_a_wrong_target_ends_with_2_and_says_what_is_allowed(
    toys: Path, capsys: pytest.CaptureFixture[str], target: str, text: str
) -> None:
    assert status_of(["rerun", target.format(out=toys)]) == 2
    assert text.format(out=toys) in capsys.readouterr().err


def test_a_cell_without_a_record_and_a_folder_without_a_table_are_told(
    toys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = toys / "trials.jsonl"
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if '"seed":7' not in line))
    assert status_of(["rerun", f"{toys}:succeeded:7"]) == 2
    assert "row 'succeeded', seed 7 has not ended" in capsys.readouterr().err
    (toys / "table.json").unlink()
    assert status_of(["rerun", f"{toys}:succeeded:0"]) == 2
    assert "has no table.json" in capsys.readouterr().err


@pytest.mark.parametrize("tolerance", ["-1", "nan", "2", "much"])
def test_a_wrong_tolerance_is_refused(tolerance: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["rerun", "0" * 8, "--tolerance", tolerance]) == 2
    assert "tolerance" in capsys.readouterr().err


def stored(folder: Path, base: dict[str, Any], **metrics: float) -> str:
    """A folder with one trial that was never trained; its key."""
    plan = plan_document({"name": "stored", "seeds": 1, "base": base, "rows": [{"label": "a"}]})
    (trial,) = plan.trials.values()
    folder.mkdir()
    outcome = Outcome(status="succeeded", metrics=metrics)
    Folder(folder).append(TrialRecord(trial=trial, outcome=outcome, finished_at="2026-01-01T00:00:00+00:00"))
    return trial.key


def test_a_data_set_that_is_missing_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_DATA", str(tmp_path / "data"))
    key = stored(tmp_path / "out", {"dataset": "fashion-mnist", "steps": 1}, top1_error_pct=1.0)
    assert status_of(["rerun", f"{tmp_path / 'out'}:{key}"]) == 2
    assert "run `ablate data fetch fashion-mnist`" in capsys.readouterr().err


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The task `gated`, for this process and those that it starts; the folder in which it leaves traces."""
    site = install_task(tmp_path / "site")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def test_what_a_task_prints_is_no_part_of_the_result_and_unknown_threads_are_said(gated: Path, tmp_path: Path) -> None:
    key = stored(tmp_path / "out", {"task": "gated"}, error=1.0)
    command = [sys.executable, "-m", "service.cli.main", "rerun", f"{tmp_path / 'out'}:{key}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    answer = json.loads(done.stdout)
    assert (answer["verdict"], answer["first_difference_step"]) == ("within tolerance", 2)
    assert answer["notes"] == ["its number of threads was not recorded; it now has 1"]
    assert "the task says hello" in done.stderr


def test_ctrl_c_ends_it_with_130_and_leaves_neither_process_nor_folder(gated: Path, tmp_path: Path) -> None:
    key = stored(tmp_path / "out", {"task": "gated", "gate": "never"}, error=1.0)
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "service.cli.main", "rerun", f"{tmp_path / 'out'}:{key}"]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment
    ) as process:
        until(lambda: (gated / "runs.txt").exists() and "\n" in (gated / "runs.txt").read_text(), "it trains")
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=30)
    assert (process.returncode, shown) == (130, b"")
    worker = int((gated / "runs.txt").read_text().split()[2])
    assert not psutil.pid_exists(worker)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_trial_of_a_folder_is_trained_from_the_weights_there_or_those_are_trained_again(
    chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "out", tmp_path / "study.json"
    base = {"task": "chain", "backbone": {"level": 5.0}}
    file.write_text(json.dumps({"name": "a", "seeds": 1, "base": base, "rows": [{"label": "A"}]}))
    assert status_of(["run", str(file), "--out", str(out)]) == 0
    assert status_of(["rerun", f"{out}:A:0"]) == 0
    shown = capsys.readouterr()
    assert "equal: " in shown.out
    assert "trained again before it" not in shown.err
    needed = next(record.trial.key for record in Folder(out).read().values() if record.trial.task == "base")
    (Folder(out).workdir(needed) / "weights.txt").unlink()
    assert status_of(["rerun", f"{out}:A:0"]) == 0
    shown = capsys.readouterr()
    assert "equal: " in shown.out
    assert f"its backbone, trial {needed[:12]}, is trained again first" in shown.err
    assert (chain / "runs.txt").read_text().splitlines() == [
        "base 5 0", "chain 0 0", "chain 0 0", "base 5 0", "chain 0 0",
    ]  # fmt: skip
