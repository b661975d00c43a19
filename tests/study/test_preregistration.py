"""What a study fixed, and when: a change after results were known is reported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ablate.local.folder import Folder
from ablate.study.plan import Plan, plan_document
from ablate.study.preregistration import (
    Seen,
    changes,
    describe_others,
    describe_registrations,
    is_exploratory,
    register,
)
from ablate.trials.trial import Outcome, TrialRecord

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def plan_of(document: dict[str, Any], **changed: Any) -> Plan:
    return plan_document(document | {"seeds": 2} | changed)


def records_of(plan: Plan, minutes: dict[tuple[str, int], float]) -> dict[str, TrialRecord]:
    """Records by key, each finished so many minutes after noon."""
    found = {}
    for place, after in minutes.items():
        trial = plan.trials[plan.memberships[place]]
        at = (NOON + timedelta(minutes=after)).isoformat(timespec="microseconds")
        found[trial.key] = TrialRecord(trial=trial, outcome=Outcome(status="succeeded"), finished_at=at)
    return found


def test_a_design_that_was_fixed_before_its_results_is_not_exploratory(document: dict[str, Any]) -> None:
    plan = plan_of(document)
    history = [register(plan, NOON)]
    records = records_of(plan, {("ReLU", 0): 1, ("FReLU", 0): 2})
    assert not is_exploratory(plan, history, Seen.of(records.values()))
    assert describe_registrations(plan, history, Seen.of(records.values())) == [
        "Rows, seeds and test were fixed on 2026-05-01 12:00 UTC, before any result was known."
    ]


def test_a_baseline_that_is_known_leaves_nothing_to_pick_only_on_the_seeds_of_its_first_registration(
    document: dict[str, Any],
) -> None:
    plan = plan_of(document, table={"margin": 0.5})
    history = [register(plan, NOON)]
    records = records_of(plan, {("ReLU", 0): -5, ("ReLU", 1): -5, ("FReLU", 0): 1})
    as_first = Seen.of(records.values(), {"ReLU"})
    assert not is_exploratory(plan, history, as_first)
    assert describe_registrations(plan, history, as_first) == [
        "Rows, seeds, margin and test were fixed on 2026-05-01 12:00 UTC, when 2 results were known. "
        "Those of this study are of baselines on the seeds with which they were first registered."
    ]
    assert is_exploratory(plan, history, Seen.of(records.values()))
    assert describe_registrations(plan, history, Seen.of(records.values()))[0].endswith(
        "Some of them belong to the baseline 'ReLU', and these are not exactly the seeds with which it first was a "
        "baseline, so the tests are exploratory."
    )


def test_a_row_that_is_known_before_its_baseline_is_exploratory(document: dict[str, Any]) -> None:
    plan = plan_of(document)
    assert is_exploratory(plan, [register(plan, NOON)], Seen.of(records_of(plan, {("FReLU", 1): -5}).values()))


def test_labels_and_the_order_of_rows_are_no_part_of_what_is_tested(document: dict[str, Any]) -> None:
    first = register(plan_of(document), NOON)
    relabelled = [row | {"label": f"new {row['label']}"} for row in document["rows"]]
    assert changes(first, register(plan_of(document, rows=relabelled), NOON)) == []
    turned = [document["rows"][0], *reversed(document["rows"][1:])]
    assert changes(first, register(plan_of(document, rows=turned), NOON)) == []


def test_other_designs_of_the_same_rows_are_told(document: dict[str, Any]) -> None:
    own = register(plan_of(document), NOON)
    others = [register(plan_of(document, seeds=4, table={"margin": margin}), NOON) for margin in (0.5, 1.0)]
    unlike = register(plan_of(document, base=document["base"] | {"lr": 0.3}), NOON)
    assert describe_others(own, [own, unlike]) == []
    assert describe_others(own, [*others, unlike]) == [
        "2 other studies test these rows with a different choice of seeds or margin. State in advance which one counts."
    ]


def test_a_study_that_is_written_again_after_a_look_is_exploratory(document: dict[str, Any]) -> None:
    plan = plan_of(document, name="another-name", seeds=8)
    history = [register(plan, NOON)]
    records = records_of(plan, {("wide", 0): -5, ("FReLU", 0): -5, ("FReLU", 1): 3})
    assert is_exploratory(plan, history, Seen.of(records.values()))
    (sentence,) = describe_registrations(plan, history, Seen.of(records.values()))
    assert sentence.endswith(
        "when 2 results were known. 2 of them belong to rows that are tested here, so the tests are exploratory."
    )


def test_seeds_added_after_a_look_make_the_tests_exploratory(document: dict[str, Any]) -> None:
    plan = plan_of(document)
    before = register(plan, NOON)
    after = register(plan_of(document, seeds=4, table={"margin": 0.5}), NOON + timedelta(minutes=10))
    assert changes(before, after) == ["its seeds", "its margin"]
    assert not is_exploratory(plan, [before, after], Seen.of(records_of(plan, {("ReLU", 0): 15}).values()))
    records = records_of(plan, {("ReLU", 0): 5, ("FReLU", 0): 15})
    assert is_exploratory(plan, [before, after], Seen.of(records.values()))
    assert (
        "The seeds and the margin changed on 2026-05-01 12:10 UTC, when 1 result was known. The tests assume an "
        in (describe_registrations(plan, [before, after], Seen.of(records.values()))[1])
    )


def test_a_pilot_that_is_registered_again_as_a_decision_after_a_look_is_exploratory(
    document: dict[str, Any], tmp_path: Path
) -> None:
    pilot, plan = register(plan_of(document, pilot=True), NOON), plan_of(document)
    after = register(plan, NOON + timedelta(minutes=10))
    assert changes(pilot, after) == ["whether it decides"]
    seen = Seen.of(records_of(plan, {("FReLU", 0): 5}).values())
    folder = Folder(tmp_path)
    folder.register(pilot)
    folder.register(after)
    assert folder.registrations(plan.study.name) == [after]
    assert folder.registrations(plan.study.name, has_decisions=False) == [pilot]
    assert is_exploratory(plan, [after], seen)


def test_results_of_rows_that_were_thrown_out_were_seen_all_the_same(document: dict[str, Any]) -> None:
    old = plan_of(document)
    new = plan_of(document, base=document["base"] | {"lr": 0.3})
    history = [register(old, NOON), register(new, NOON + timedelta(minutes=10))]
    assert is_exploratory(new, history, Seen.of(records_of(old, {("ReLU", 0): 5}).values()))


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
    assert [one.at for one in folder.registrations(plan.study.name)] == [
        "2026-05-01T12:00:00.000000+00:00",
        "2026-05-01T14:00:00.000000+00:00",
    ]
    (known,) = records_of(plan, {("ReLU", 0): 0}).values()
    folder.append(known)
    assert folder.set_aside() is not None
    folder.register(register(plan_document(document | {"name": "another"}), NOON))
    assert len(folder.registrations(plan.study.name)) == 2
    assert folder.read() == {}
    assert folder.read_set_aside() == [known], "what was seen stays seen: the same keys give the same numbers"
