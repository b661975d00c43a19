"""What a worker does with a trial, in this process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ablate.study.document import Resources
from ablate.trials.trial import Outcome, Trial
from service.dispatch.trial_worker import hidden_variables, run_ticket, without_folders, worker_variables


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
    for message, _ in run_ticket(Trial(key="k", task="play", recipe={}, seed=0), 1, tmp_path, {}):
        print(type(message).__name__)
    assert capsys.readouterr().out.split() == ["EpochMetrics", "Outcome"]
    assert "the play begins\na remark\n" in (tmp_path / "log.txt").read_text()


def test_an_earlier_traceback_is_not_taken_for_this_attempts(play: Path, tmp_path: Path) -> None:
    (tmp_path / "traceback.txt").write_text("old")
    *_, (outcome, _) = run_ticket(Trial(key="k", task="play", recipe={}, seed=0), 2, tmp_path, {})
    assert isinstance(outcome, Outcome)
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
    monkeypatch.setenv("HARMLESS", "x")
    assert {"ABLATE_DATABASE_URL", "ABLATE_API_KEY", "HF_TOKEN", "aws_secret_access_key", "PGPASSWORD"} <= set(
        hidden_variables()
    )
    assert "HARMLESS" not in hidden_variables()
    assert worker_variables(Resources(cpus=3), None) == {"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": ""}
    assert worker_variables(Resources(gpus=1), "5") == {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "5"}
