"""Trials, workers and the folder, with a toy task that is installed like an operator's own code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import StudyError, TrialError
from ablate.local.folder import Folder
from ablate.local.run import Moved, Note, run_study
from ablate.study.plan import Plan, plan_document
from ablate.trials.run import effective_seed, run_trial
from ablate.trials.trial import EpochMetrics, Outcome


def toy_plan(*endings: str, **changes: Any) -> Plan:
    rows = [{"label": ending, "set": {"ending": ending}} for ending in endings]
    return plan_document({"name": "toys", "seeds": 2, "base": {"task": "toy"}, "rows": rows, **changes})


def outcomes(plan: Plan, folder: Folder) -> dict[str, list[str]]:
    records = folder.read()
    return {
        row.label: [records[plan.memberships[row.label, seed]].outcome.status for seed in plan.seeds]
        for row in plan.rows
    }


def test_an_installed_task_brings_its_own_recipe_and_metrics(toy: str) -> None:
    plan = toy_plan("succeeded")
    assert (plan.metric, plan.lower_is_better) == ("error", {"error": True, "score": False})
    assert next(iter(plan.trials.values())).recipe == {"offset": 0.0, "ending": "succeeded", "tags": ["a", "b"]}
    with pytest.raises(StudyError, match="did you mean 'offset'"):
        plan_document({"name": "a", "base": {"task": "toy", "ofset": 1}, "rows": [{"label": "x"}]})


def test_the_code_of_an_installed_task_is_part_of_its_keys(toy: str, tmp_path: Path) -> None:
    from ablate.trials import registry

    before = set(toy_plan("succeeded").trials)
    file = tmp_path / "site" / "toy_task.py"
    file.write_text(file.read_text() + "\n# changed\n")
    registry.get_installed.cache_clear()
    assert before.isdisjoint(toy_plan("succeeded").trials)


def test_an_unknown_task_is_refused_with_the_known_ones(toy: str) -> None:
    with pytest.raises(StudyError, match="no task 'toi'; did you mean 'toy'"):
        plan_document({"name": "a", "base": {"task": "toi"}, "rows": [{"label": "x"}]})


@pytest.mark.parametrize(
    ("ending", "status", "reason"),
    [
        ("succeeded", "succeeded", None),
        ("diverged", "diverged", "as told"),
        ("raises", "failed", "RuntimeError: the toy broke"),
        ("junk", "failed", "TypeError: the task yielded a str; allowed: Heartbeat, EpochMetrics, Outcome"),
        ("exits", "failed", "SystemExit: 5"),
        ("interrupts", "failed", "KeyboardInterrupt: no message"),
        ("cancels", "failed", "CancelledError: by itself"),
        ("surrogate", "failed", "RuntimeError: b\\udc80d"),
        ("nan", "diverged", "metric 'error' is not finite"),
        ("silent", "failed", "ended without an outcome"),
    ],
)
def test_a_trial_ends_in_exactly_one_outcome(
    toy: str, tmp_path: Path, ending: str, status: str, reason: str | None
) -> None:
    trial = next(iter(toy_plan(ending).trials.values()))
    messages = list(run_trial(trial, tmp_path / "work"))
    assert [isinstance(message, Outcome) for message in messages] == [False] * (len(messages) - 1) + [True]
    assert messages[-1].status == status
    assert reason is None or reason in str(messages[-1].reason)
    has_traceback = ending not in ("succeeded", "diverged", "silent")
    assert (tmp_path / "work" / "traceback.txt").exists() == has_traceback


def test_a_trial_that_is_stopped_at_a_message_has_no_outcome(toy: str, tmp_path: Path) -> None:
    messages = run_trial(next(iter(toy_plan("succeeded").trials.values())), tmp_path / "work")
    next(messages)
    messages.close()  # type: ignore[attr-defined]
    assert not (tmp_path / "work" / "traceback.txt").exists()


def test_a_task_that_interrupts_itself_costs_no_worker_and_is_tried_once(toy: str, tmp_path: Path) -> None:
    plan, folder = toy_plan("interrupts", "succeeded", seeds=1), Folder(tmp_path / "out")
    with folder.locked():
        events = list(run_study(plan, folder, workers=1))
    assert not [event for event in events if isinstance(event, Note) and "started again" in event.text]
    assert outcomes(plan, folder) == {"interrupts": ["failed"], "succeeded": ["succeeded"]}
    reason = folder.read()[plan.memberships["interrupts", 0]].outcome.reason
    assert reason == "KeyboardInterrupt: no message (traceback in the trial's traceback.txt and log)"


def test_a_replicate_is_trained_with_other_random_numbers_than_any_seed(toy: str) -> None:
    trial = next(iter(toy_plan("succeeded").trials.values()))
    seeds = {
        effective_seed(trial.model_copy(update={"seed": seed, "replicate": r})) for seed in (0, 1) for r in (0, 1, 2)
    }
    assert len(seeds) == 6
    assert effective_seed(trial) == trial.seed


def test_a_study_runs_through_workers_and_a_second_time_nothing_runs(toy: str, tmp_path: Path) -> None:
    plan, folder = toy_plan("succeeded", "diverged", "raises"), Folder(tmp_path / "out")
    with folder.locked():
        events = list(run_study(plan, folder, workers=2))
        assert sum(isinstance(event, Moved) and isinstance(event.message, Outcome) for event in events) == 6
        assert outcomes(plan, folder) == {
            "succeeded": ["succeeded"] * 2, "diverged": ["diverged"] * 2, "raises": ["failed"] * 2,
        }  # fmt: skip
        again = [event for event in run_study(plan, folder, workers=1) if isinstance(event, Moved)]
    assert {event.trial.recipe["ending"] for event in again} == {"raises"}, "only what failed is tried again"
    record = folder.read()[plan.memberships["succeeded", 1]]
    assert record.outcome.metrics["error"] == pytest.approx(1.1)
    assert [point.step for point in record.curve] == [1]
    assert record.provenance["processor"]


def test_a_worker_that_dies_costs_its_own_trial_only_and_is_tried_twice(toy: str, tmp_path: Path) -> None:
    plan, folder = toy_plan("dies", "succeeded", seeds=1), Folder(tmp_path / "out")
    with folder.locked():
        events = list(run_study(plan, folder, workers=1))
    assert sum(isinstance(event, Note) and "started again" in event.text for event in events) == 1
    assert outcomes(plan, folder) == {"dies": ["failed"], "succeeded": ["succeeded"]}
    assert "status 7, 2 times" in str(folder.read()[plan.memberships["dies", 0]].outcome.reason)


def test_a_line_torn_by_a_crash_is_set_aside_and_the_others_are_kept(toy: str, tmp_path: Path) -> None:
    plan, folder = toy_plan("succeeded"), Folder(tmp_path / "out")
    with folder.locked():
        list(run_study(plan, folder, workers=1))
    whole = folder.trials_file.read_bytes()
    folder.trials_file.write_bytes(whole + b'{"trial": {"key"')
    assert len(folder.read()) == 2
    assert folder.trials_file.read_bytes() != whole, "reading changes nothing: another process may be writing"
    with folder.locked():
        assert len(folder.read()) == 2
    assert folder.trials_file.read_bytes() == whole
    assert (folder.path / "trials.torn").read_bytes() == b'{"trial": {"key"\n'


def test_a_damaged_line_in_the_middle_is_named_and_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.trials_file.write_text("{}\n")
    with pytest.raises(TrialError, match=r"line 1 of .* is not a trial record"):
        folder.read()


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "out")
    with folder.locked(), pytest.raises(TrialError, match=f"pid {os.getpid()}"), Folder(tmp_path / "out").locked():
        pass


def test_what_is_set_aside_is_kept_under_a_number(toy: str, tmp_path: Path) -> None:
    plan, folder = toy_plan("succeeded", seeds=1), Folder(tmp_path / "out")
    for number in (1, 2):
        with folder.locked():
            list(run_study(plan, folder, workers=1))
            assert folder.set_aside() == tmp_path / "out" / f"before-{number}"
            assert folder.read() == {}
        assert (tmp_path / "out" / f"before-{number}" / "trials.jsonl").exists()


def test_the_records_are_plain_json_lines_with_the_whole_trial(toy: str, tmp_path: Path) -> None:
    plan, folder = toy_plan("succeeded", seeds=1), Folder(tmp_path / "out")
    with folder.locked():
        list(run_study(plan, folder, workers=1))
    line = json.loads(folder.trials_file.read_text())
    assert line["trial"]["key"] in plan.trials
    assert [EpochMetrics.model_validate(point).epoch for point in line["curve"]] == [1.0]
