"""The ledger counts families and gathers the evidence of all tries of a pair, over the real store and scheduler."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ablate.statistics.decisions.anytime import evidence_now
from service.studies.ledger import read_ledger
from tests.service.conftest import toy_study


def finish(desk: Any, document: dict[str, Any], **options: Any) -> Any:
    """Train a study: the metric is the recipe's offset, with noise of its seed."""
    view = desk.submit(document, **options)
    for _ in range(200):
        desk.tick()
        for ticket in list(desk.dispatcher.running.values()):
            noise = random.Random(f"{ticket.trial.seed} {ticket.trial.recipe['offset']}").gauss(0, 0.1)
            desk.dispatcher.end(ticket, error=ticket.trial.recipe["offset"] // 2 + noise)
        if desk.study(view).state == "succeeded":
            return view
    raise AssertionError("the study does not end")


def test_a_home_without_studies_has_an_empty_ledger(context: Any) -> None:
    found = read_ledger(context, 0.05)
    assert (found.families, found.decided, found.expected, found.pairs) == (0, 0, 0, [])


def test_families_are_counted_and_the_evidence_of_all_tries_is_gathered(context: Any, desk: Any) -> None:
    first = finish(desk, toy_study(rows=(0.0, 1.0, 4.0), seeds=8))  # offsets 0 and 1 have no effect, 4 has one
    again = finish(desk, toy_study(rows=(4.0, 0.0), seeds=[8, 9, 10, 11]))  # with the roles exchanged
    finish(desk, toy_study("pilot", rows=(0.0, 6.0), seeds=8) | {"pilot": True})
    running = desk.submit(toy_study("running", rows=(0.0, 8.0), seeds=2))
    found = read_ledger(context, 0.05)
    assert (found.families, found.decided, found.exploratory) == (2, 2, 1)
    assert found.expected == pytest.approx(0.1)
    null, real = found.pairs
    assert (null.row, null.baseline, null.n, null.is_discovery, null.decision) == (
        "offset 1", "offset 0", 8, False, "undecided",
    )  # fmt: skip
    assert (real.row, real.studies, real.n, real.is_discovery) == ("offset 4", [first.id, again.id], 12, True)
    assert real.decision == "better", "of offset 0 against offset 4, in the last study"
    values = [2 + noise_of(seed, 4.0) - noise_of(seed, 0.0) for seed in range(12)]
    assert real.evidence == pytest.approx(evidence_now(values), rel=1e-6)
    assert desk.study(running).state in ("queued", "running")


def test_the_test_over_the_groups_of_a_pivoted_table_is_a_family_of_its_own(context: Any, desk: Any) -> None:
    worlds = [{"label": f"world {number}", "set": {"tags": [str(number)]}} for number in range(6)]
    methods = [{"label": label, "set": {"offset": offset}} for label, offset in (("old", 0.0), ("new", 6.0))]
    factors = [{"name": "world", "levels": worlds}, {"name": "method", "levels": methods}]
    finish(desk, {"name": "wide", "seeds": 3, "base": {"task": "toy"}, "factors": factors,
                  "table": {"pivot": "world", "test": "flip"}})  # fmt: skip
    found = read_ledger(context, 0.05)
    assert (found.families, found.decided) == (7, 1), "three seeds decide in no group; six groups do"


def noise_of(seed: int, offset: float) -> float:
    return random.Random(f"{seed} {offset}").gauss(0, 0.1)
