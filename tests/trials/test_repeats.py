"""Repetitions of a trial: to the bit on the same machine, within a chosen tolerance elsewhere, and what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablate.study.plan import plan_document
from ablate.trials.provenance import describe_process
from ablate.trials.repeats import compare_repeat, differences, is_same_machine
from ablate.trials.run import run_trial
from ablate.trials.trial import EpochMetrics, Outcome, Trial, TrialRecord
from tests.trials.test_record_comparison import curve, record

HERE = {"processor": "a", "threads": 2, "device": "cpu", "lock": "0123", "driver": None}


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({}, True),
        ({"commit": "new"}, True),
        ({"processor": "b"}, False),
        ({"threads": 4}, False),
        ({"lock": "4567"}, False),
        ({"device": "H100"}, False),
        ({"driver": "550.1"}, False),
        ({"threads": None}, False),
    ],
)
def test_a_machine_is_the_same_where_all_that_decides_bits_is(change: dict[str, Any], is_same: bool) -> None:
    assert is_same_machine(HERE, HERE | change) is is_same
    assert is_same_machine(HERE | change, HERE) is is_same


def test_what_is_not_recorded_is_not_the_same() -> None:
    assert not is_same_machine({}, {})
    assert is_same_machine(describe_process() | {"threads": 1}, describe_process() | {"threads": 1})


def test_on_the_same_machine_nothing_but_equal_bits_will_do() -> None:
    stored, close = record(error=5.0, points=curve(0.3)), record(error=5.0 + 2**-50, points=curve(0.3))
    assert compare_repeat(stored, stored, is_same_machine=True, tolerance=1e-3).verdict == "equal"
    found = compare_repeat(stored, close, is_same_machine=True, tolerance=1e-3)
    assert (found.verdict, found.worst_metric) == ("different", "error")
    assert "processor, threads, device, lock are unchanged" in found.notes[0]
    assert compare_repeat(stored, close, is_same_machine=False, tolerance=1e-3).verdict == "within tolerance"


def test_on_the_same_machine_a_curve_that_parts_is_a_difference_though_the_metrics_agree() -> None:
    stored, now = record(error=5.0, points=curve(0.3, 0.2)), record(error=5.0, points=curve(0.3, 0.21))
    found = compare_repeat(stored, now, is_same_machine=True, tolerance=1e-3)
    assert (found.verdict, found.worst_metric, found.first_difference_step) == ("different", None, 20)
    assert found.sentence == "different: the metrics are the same; the curves differ from step 20 on"


def test_elsewhere_the_tolerance_decides() -> None:
    stored, now = record(error=5.0), record(error=5.1)
    verdicts = [compare_repeat(stored, now, is_same_machine=False, tolerance=t).verdict for t in (0.01, 0.03)]
    assert verdicts == ["different", "within tolerance"]


def test_differences_name_what_has_changed_and_nothing_else() -> None:
    before = HERE | {"commit": "a", "versions": {"torch": "2.9", "numpy": "2.0"}, "data": "mine@12"}
    after = HERE | {"commit": "a", "versions": {"torch": "2.10", "numpy": "2.0"}, "data": "mine@34", "driver": "550"}
    assert differences(before, after) == [
        ("driver", None, "550"),
        ("versions.torch", "2.9", "2.10"),
        ("data", "mine@12", "mine@34"),
    ]
    assert differences(before, before) == []
    assert [one.what for one in differences({}, {"commit": "b"})] == ["commit"]


def trained(trial: Trial, folder: Path) -> TrialRecord:
    messages = list(run_trial(trial, folder))
    assert isinstance(messages[-1], Outcome)
    points = [message for message in messages if isinstance(message, EpochMetrics)]
    return TrialRecord(
        trial=trial,
        outcome=messages[-1],
        curve=points,
        provenance=describe_process(),
        finished_at="2026-01-01T00:00:00+00:00",
    )


@pytest.mark.slow
def test_a_thousandth_more_momentum_is_found_at_the_first_repetition_and_nothing_else_is(
    document: dict[str, Any], tmp_path: Path
) -> None:
    document["seeds"], document["rows"] = 1, document["rows"][:1]
    (trial,) = plan_document(document).trials.values()
    changed = trial.model_copy(update={"recipe": trial.recipe | {"momentum": trial.recipe["momentum"] + 1e-3}})
    stored, again, other = (trained(one, tmp_path / name) for one, name in ((trial, "a"), (trial, "b"), (changed, "c")))
    assert stored.outcome.status == "succeeded"
    assert compare_repeat(stored, again, is_same_machine=True, tolerance=1e-3).verdict == "equal"
    found = compare_repeat(stored, other, is_same_machine=True, tolerance=1e-3)
    assert found.verdict == "different"
    assert found.worst_metric is not None
    assert found.first_difference_step == stored.curve[0].step
