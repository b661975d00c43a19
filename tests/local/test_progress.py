"""Progress in a file: a line for each trial that ends, and one a minute for those that run."""

from __future__ import annotations

from typing import Any

import pytest

from ablate.cli.terminal import Terminal
from ablate.local.progress import Lines
from ablate.remote.documents.events import ProgressEvent, TrialEvent
from ablate.remote.documents.studies import StudyView
from ablate.study.plan import Plan, plan_document
from ablate.trials.trial import Heartbeat, Outcome
from service.cli.watch import EventLines


@pytest.fixture
def plan(document: dict[str, Any]) -> Plan:
    return plan_document(document)


def test_a_line_a_minute_names_the_running_trials_their_steps_and_the_time_left(plan: Plan) -> None:
    said, now_s = list[str](), [0.0]
    first, second, *_ = plan.trials.values()
    with Lines(said.append, plan, known=(), clock=lambda: now_s[0]) as lines:
        for now_s[0], trial, step in ((0, first, 0), (30, first, 50), (59, second, 0)):
            lines.show(trial, Heartbeat(step=step, steps=100))
        assert said == []
        now_s[0] = 60.0
        lines.show(first, Heartbeat(step=100, steps=100))
        now_s[0] = 119.0
        lines.show(second, Heartbeat(step=99, steps=100))
    assert said == ["[0/6] ReLU, seed 0: step 100 of 100; FReLU, seed 0: step 0 of 100; about 5 min left"]
    lines.show(first, Outcome(status="succeeded", metrics={"top1_error_pct": 9.0}, train_s=60.0))
    assert said[1:] == ["[1/6] ReLU, seed 0: top1_error_pct 9.00 in 60 s"]


def test_a_resumed_trial_does_not_make_the_time_left_short(plan: Plan) -> None:
    now_s = [0.0]
    trial, *_ = plan.trials.values()
    lines = Lines(lambda _: None, plan, known=(), clock=lambda: now_s[0])
    lines.show(trial, Heartbeat(step=900, steps=1000))
    assert lines.time_left() == ""
    now_s[0] = 60.0
    lines.show(trial, Heartbeat(step=1000, steps=1000))
    assert lines.time_left() == "about 50 min left", "a tenth of a trial took a minute, and five trials are left"


def test_many_running_trials_are_counted(plan: Plan) -> None:
    said, now_s = list[str](), [0.0]
    lines = Lines(said.append, plan, known=(), clock=lambda: now_s[0])
    for trial in plan.trials.values():
        lines.show(trial, Heartbeat(step=0, steps=0))
    now_s[0] = 61.0
    lines.show(trial, Heartbeat(step=0, steps=0))
    assert said[0].count(" starts") == 4
    assert said[0].endswith("; 2 more")


def test_a_study_that_is_watched_has_a_line_a_minute_too(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = [0.0]
    counts = dict.fromkeys(("queued", "shared", "diverged", "failed", "cancelled"), 0)
    progress = {"trials": 4, "distinct": 4, "running": 1, "succeeded": 3, **counts}
    study = StudyView.model_construct(progress=ProgressEvent(**progress, state="running", eta_s=None))
    lines = EventLines(Terminal(stderr=True), study, "error", clock=lambda: now_s[0])
    trial = {"key": "k", "row": "a", "state": "running", "reason": None, "step": 5, "steps": 20, "metrics": {}}
    for now_s[0] in (30.0, 61.0):
        lines.show(ProgressEvent(**progress, state="running", eta_s=90.0))
        lines.show(TrialEvent(**trial, seed=0))
    assert capsys.readouterr().err == "[3/4] a, seed 0: step 5 of 20; about 2 min left\n"


def test_a_file_gets_no_bars_even_if_colours_are_forced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal = Terminal(stderr=True)
    assert not terminal.has_bars
    with terminal.working("building"):
        pass
    assert capsys.readouterr().err == ""
