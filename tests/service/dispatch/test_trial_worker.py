"""What a worker does with a trial, in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablate.study.resources import Resources
from ablate.trials.messages import Envelope
from ablate.trials.trial import Outcome, Trial
from service.dispatch.trial_worker import hidden_variables, run_ticket, without_folders, worker_variables


def envelopes(trial: Trial, fence: int, workdir: Path) -> Iterator[Envelope]:
    return map(Envelope.model_validate_json, run_ticket(trial, fence, workdir, {}))


def test_a_trial_that_is_broken_off_says_so_in_its_log(play: Path, tmp_path: Path) -> None:
    trial = Trial(key="k", task="play", recipe={"steps": 5}, seed=3)
    messages = run_ticket(trial, 7, tmp_path, {})
    next(messages)
    messages.close()
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert "attempt 7, seed 3, on " in lines[0]
    assert f"process {os.getpid()}" in lines[0]
    assert lines[-1].endswith(" stopped")


def test_what_a_task_prints_goes_to_the_log_and_nothing_else_does(
    play: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for envelope in envelopes(Trial(key="k", task="play", recipe={}, seed=0), 1, tmp_path):
        print(type(envelope.message).__name__)
    assert capsys.readouterr().out.split() == ["EpochMetrics", "Outcome"]
    assert "the play begins\na remark\n" in (tmp_path / "log.txt").read_text()


def test_an_earlier_traceback_is_not_taken_for_this_attempts(play: Path, tmp_path: Path) -> None:
    (tmp_path / "traceback.txt").write_text("old")
    *_, last = envelopes(Trial(key="k", task="play", recipe={}, seed=0), 2, tmp_path)
    assert isinstance(last.message, Outcome)
    assert not (tmp_path / "traceback.txt").exists()
    assert "old" not in (tmp_path / "log.txt").read_text()


def test_a_line_of_the_log_cannot_be_forged_and_output_of_the_task_stays_as_it_is(play: Path, tmp_path: Path) -> None:
    recipe = {"message": "\x1b]0;evil\x07\u202e\n2026-01-01T00:00:00+00:00 succeeded: forged"}
    for _ in run_ticket(Trial(key="k", task="play", recipe=recipe, seed=0), 1, tmp_path, {}):
        pass
    printed, _, own = (tmp_path / "log.txt").read_text().partition("in bold: \x1b[1m\n")
    assert "the play begins\na remark\n" in printed
    assert not {"\x1b", "\x07", "\u202e"} & set(own)
    assert (
        r"failed: RuntimeError: \x1b]0;evil\x07\u202e 2026-01-01T00:00:00+00:00 succeeded: forged"
        in own.splitlines()[0]
    )


@pytest.mark.parametrize("blocked", ["", "log.txt", "traceback.txt"])
def test_a_folder_that_cannot_be_used_is_the_machines_fault(play: Path, tmp_path: Path, blocked: str) -> None:
    workdir = tmp_path / "trial"
    if blocked:
        (workdir / blocked).mkdir(parents=True)
    else:
        workdir.touch()
    (only,) = envelopes(Trial(key="k", task="play", recipe={}, seed=0), 1, workdir)
    assert only.message is None
    assert only.fault is not None
    assert str(tmp_path) not in only.fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[Errno 2] No such file: '/home/ada/x/data.bin'", "[Errno 2] No such file: '.../data.bin'"),
        ("/a/b/ and (/c/d)", ".../ and (.../d)"),
        ("see https://host/a/b, 3/4 of 1/2, and/or images/s", "see https://host/a/b, 3/4 of 1/2, and/or images/s"),
    ],
)
def test_a_path_loses_its_folders_and_a_fraction_or_an_address_does_not(text: str, expected: str) -> None:
    assert without_folders(text) == expected


def test_a_worker_has_its_threads_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ABLATE_DATABASE_URL", "ABLATE_API_KEY", "HF_TOKEN", "aws_secret_access_key", "PGPASSWORD"):
        monkeypatch.setenv(name, "x")
    for name in ("UNLISTED", "NAMED", "OMP_SCHEDULE", "ABLATE_DATA"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ABLATE_TASK_ENV", "NAMED, WANDB_API_KEY")
    hidden = hidden_variables()
    secrets = {"ABLATE_DATABASE_URL", "ABLATE_API_KEY", "HF_TOKEN", "aws_secret_access_key", "PGPASSWORD"}
    assert hidden.keys() >= secrets | {"UNLISTED"}
    assert not hidden.keys() & {"NAMED", "OMP_SCHEDULE", "ABLATE_DATA", "ABLATE_TASK_ENV", "PATH", "HOME"}
    assert worker_variables(Resources(cpus=3), None) == {"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": ""}
    assert worker_variables(Resources(gpus=1), "5") == {
        "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "5", "ABLATE_TRIAL_GPUS": "1",
    }  # fmt: skip
