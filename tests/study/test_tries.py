"""The numbers of tries, and what is used as it first was registered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ablate.study.first_tries import find_used_as_first
from ablate.study.plan import Plan, plan_document
from ablate.study.tries import RegisteredRow, numbered, rows_to_register
from ablate.trials.trial import Repetition

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Home:
    """Registrations in their order, a minute apart."""

    def __init__(self) -> None:
        self.rows: list[RegisteredRow] = []
        self.at = NOON

    def register(self, plan: Plan, study: str, *, is_firing: bool = False) -> dict[str, int | None]:
        """Register the rows of a plan. Returns the number of the last registration of each row of the study."""
        self.at += timedelta(minutes=1)
        self.rows += list(numbered(rows_to_register(plan, study, self.at, is_firing=is_firing), self.rows))
        return {row.row: row.number for row in self.rows if row.study == study}


@pytest.fixture
def home() -> Home:
    return Home()


def plan_of(document: dict[str, Any], replicate: int = 0, **changed: Any) -> Plan:
    return plan_document(document | changed, repetition=Repetition(replicate))


def test_names_labels_and_scales_that_change_nothing_do_not_hide_a_try(document: dict[str, Any], home: Home) -> None:
    assert home.register(plan_of(document), "a") == {"ReLU": None, "FReLU": 1, "wide": 1}
    labels = [row | {"label": f"new {row['label']}"} for row in document["rows"]]
    renamed = plan_of(document, seeds=[5, 6], name="another", rows=labels, scales={"mini": {"steps": 8}})
    assert home.register(renamed, "b") == {"new ReLU": None, "new FReLU": 2, "new wide": 2}
    assert home.register(plan_of(document, replicate=1), "c")["FReLU"] == 3
    exchanged = plan_of(document, seeds=[7, 8], table={"baseline": "FReLU"})
    assert home.register(exchanged, "d") == {"ReLU": 4, "FReLU": None, "wide": 1}


def test_what_gives_the_same_answer_is_no_new_try(document: dict[str, Any], home: Home) -> None:
    for study, changed in (
        ("a", {}),
        ("b", {"name": "b"}),
        ("c", {"table": {"margin": 1.0}}),
        ("d", {"seeds": [1, 0]}),
    ):
        assert home.register(plan_of(document, **changed), study)["FReLU"] == 1
    assert home.register(plan_of(document, metric="train_loss"), "e")["FReLU"] == 2
    assert home.register(plan_of(document, table={"test": "t"}), "f")["FReLU"] == 3
    assert home.register(plan_of(document, metric="train_loss"), "g")["FReLU"] == 2


def test_studies_without_a_decision_are_no_tries(document: dict[str, Any], home: Home) -> None:
    assert home.register(plan_of(document, pilot=True), "a")["FReLU"] is None
    assert home.register(plan_of(document), "b", is_firing=True)["FReLU"] is None
    assert home.register(plan_of(document, seeds=1), "c")["FReLU"] is None
    assert home.register(plan_of(document, seeds=[4, 5]), "d")["FReLU"] == 1


def test_the_same_study_again_is_registered_once_and_more_seeds_keep_its_number(
    document: dict[str, Any], home: Home
) -> None:
    home.register(plan_of(document), "a")
    count = len(home.rows)
    home.register(plan_of(document), "a")
    assert len(home.rows) == count
    home.register(plan_of(document), "repeats a")
    assert home.register(plan_of(document, seeds=3), "a")["FReLU"] == 1
    assert home.register(plan_of(document, seeds=4), "repeats a")["FReLU"] == 2, "it no longer repeats anything"


def test_a_baseline_is_used_as_it_first_was_only_by_the_very_same_choice(document: dict[str, Any], home: Home) -> None:
    home.register(plan_of(document, seeds=[8, 9], pilot=True), "pilot")
    home.register(plan_of(document, seeds=4), "first")
    assert find_used_as_first(plan_of(document, seeds=4), home.rows, {}) == {"ReLU"}
    for other in ({"seeds": 3}, {"seeds": [0, 1, 2, 4]}, {"seeds": 4, "table": {"baseline": "FReLU"}}):
        assert not find_used_as_first(plan_of(document, **other), home.rows, {})
    assert not find_used_as_first(plan_of(document, 1, seeds=4), home.rows, {})
    grown = Home()
    for seeds in (4, 5):
        grown.register(plan_of(document, seeds=seeds), "grows")
    keys = plan_of(document, seeds=4).trials
    results = {
        "none": ({}, 5),
        "after the seeds were added": (dict.fromkeys(keys, NOON + timedelta(minutes=3)), 5),
        "before that": (dict.fromkeys(list(keys)[:1], NOON + timedelta(minutes=1, seconds=30)), 4),
    }
    for ended, first in results.values():
        used = [seeds for seeds in (4, 5) if find_used_as_first(plan_of(document, seeds=seeds), grown.rows, ended)]
        assert used == [first]
    seen = Home()
    seen.register(plan_of(document, seeds=6, pilot=True), "pilot")
    seen.register(plan_of(document, seeds=4), "picked from what the pilot showed")
    assert not find_used_as_first(plan_of(document, seeds=4), seen.rows, {})
