"""What a study fixed, and when: what was changed after results were known is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ablate.folder import Folder
from ablate.plan import plan_document
from ablate.registration import changes, describe, is_exploratory, register
from ablate.trial import Outcome, Trial, TrialRecord

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def record(minutes: float) -> TrialRecord:
    at = (NOON + timedelta(minutes=minutes)).isoformat(timespec="seconds")
    trial = Trial(key="k", task="toy", recipe={}, seed=0)
    return TrialRecord(trial=trial, outcome=Outcome(status="succeeded"), finished_at=at)


def test_a_design_that_was_fixed_before_its_results_is_not_exploratory(document: dict[str, Any]) -> None:
    history = [register(plan_document(document), NOON)]
    records = [record(1), record(2)]
    assert not is_exploratory(history, records)
    assert describe(history, records) == [
        "rows, seeds, margin and test were fixed on 2026-05-01 12:00 UTC, before any result was known"
    ]


def test_a_design_that_was_written_over_known_results_says_how_many(document: dict[str, Any]) -> None:
    (sentence,) = describe([register(plan_document(document), NOON)], [record(-5), record(-0.1), record(1)])
    assert sentence.endswith("when 2 of the results were known")


def test_seeds_added_after_a_look_make_the_tests_exploratory(document: dict[str, Any]) -> None:
    before = register(plan_document(document), NOON)
    after = register(plan_document(document | {"seeds": 4, "table": {"margin": 0.5}}), NOON + timedelta(minutes=10))
    assert changes(before, after) == ["its seeds", "its margin"]
    assert is_exploratory([before, after], [record(5)])
    assert not is_exploratory([before, after], [record(15)])
    assert (
        "its seeds and its margin changed on 2026-05-01 12:10 UTC, when 1 of the results were known: "
        in (describe([before, after], [record(5), record(15)])[1])
    )


def test_scale_and_words_of_a_study_may_change_but_rows_baseline_and_metric_are_its_design(
    document: dict[str, Any],
) -> None:
    first = register(plan_document(document), NOON)
    assert changes(first, register(plan_document(document | {"title": "other", "priority": 3}), NOON)) == []
    assert changes(first, register(plan_document(document | {"table": {"baseline": "FReLU"}}), NOON)) == [
        "its rows or baselines"
    ]
    assert changes(first, register(plan_document(document | {"metric": "train_loss"}), NOON)) == ["its metric"]
    base = document["base"] | {"lr": 0.3}
    assert changes(first, register(plan_document(document | {"base": base}), NOON)) == ["its rows or baselines"]


def test_a_folder_keeps_each_change_once_also_when_its_results_are_set_aside(
    document: dict[str, Any], tmp_path: Path
) -> None:
    folder, plan = Folder(tmp_path), plan_document(document)
    folder.register(register(plan, NOON))
    folder.register(register(plan, NOON + timedelta(hours=1)))
    folder.register(register(plan_document(document | {"seeds": 4}), NOON + timedelta(hours=2)))
    assert [one.at for one in folder.registrations()] == [
        "2026-05-01T12:00:00.000000+00:00",
        "2026-05-01T14:00:00.000000+00:00",
    ]
    folder.append(record(0))
    assert folder.set_aside() is not None
    assert len(folder.registrations()) == 2, "what was seen before stays seen: the same keys give the same numbers"
