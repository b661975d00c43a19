"""What `ablate table --robust` says, from the table alone."""

from __future__ import annotations

import json
import statistics

import pytest

from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.robustness import examine
from ablate.statistics.decisions.row_comparison import Runs
from ablate.tables.build import build_table
from ablate.tables.formats.render import render
from ablate.tables.robustness import robustness_notes
from ablate.tables.table import Table
from ablate.trials.trial import Outcome

LOWER = DecisionRule(lower_is_better=True)
REFERENCE = Runs("base", {seed: 20.0 + seed / 10 for seed in range(8)})


def minus(*differences: float) -> Runs:
    return Runs("row", {seed: REFERENCE.values[seed] - one for seed, one in enumerate(differences)}, planned=range(8))


def test_other_tests_are_those_that_were_not_registered() -> None:
    (found,) = examine([minus(1.0, 1.1, 0.9)], REFERENCE, LOWER)
    assert found.registered.evidence.test == "t"
    assert found.registered.decision == "better"
    assert {test: one.decision for test, one in found.others.items()} == {"flip": "undecided", "pooled": "better"}
    (flip,) = examine([minus(1.0, 1.1, 0.9, 1.0, 1.2, 1.0, 0.8, 0.9)], REFERENCE, LOWER)
    assert set(flip.others) == {"t", "pooled"}


def test_each_seed_is_left_out_once() -> None:
    differences = [2.0, -0.5, 0.1, -0.2, 0.3]
    (found,) = examine([minus(*differences)], REFERENCE, LOWER)
    means = [-statistics.mean(differences[:place] + differences[place + 1 :]) for place in range(5)]
    assert found.without_one == pytest.approx((min(means), max(means)))
    assert not found.does_sign_hold
    assert examine([minus(1.0, 2.0, 3.0)], REFERENCE, LOWER)[0].does_sign_hold
    assert examine([minus(1.0, 2.0)], REFERENCE, LOWER)[0].without_one is None


def test_the_worst_case_of_lost_runs_has_its_own_word() -> None:
    kept = minus(1.0, 1.1, 0.9, 1.0, 1.2)
    lost = Runs("row", kept.values, planned=range(8), failed=(5, 6, 7))
    (found,) = examine([lost], REFERENCE, LOWER)
    assert (found.registered.decision, found.registered.reason, found.worst) == ("undecided", "failures", "undecided")
    assert examine([kept], REFERENCE, LOWER)[0].worst is None


def test_the_notes_are_made_from_the_table_alone_and_in_every_format(make_plan, make_records) -> None:
    rows = [{"label": "a"}, {"label": "b", "set": {"lr": 0.02}}, {"label": "c", "set": {"lr": 0.03}}]
    plan = make_plan(rows, seeds=range(6), metrics=("top1_error_pct", "map_pct"))
    records = make_records(plan, (20, 18, 20))
    key = plan.memberships["c", 5]
    records[key] = records[key].model_copy(update={"outcome": Outcome(status="diverged", reason="not finite")})
    table = build_table(plan, records)
    notes = robustness_notes(Table.from_json(json.loads(json.dumps(table.to_json()))))
    assert len(notes) == 3
    assert notes[1].startswith("'b' is better by the paired t test; ")
    assert "so its sign holds; the same direction have: mAP (%)." in notes[1]
    assert "with lost runs as the worst values, by ranks, it is undecided" in notes[2]
    for format in ("md", "tex", "html"):
        assert "so its sign holds" in render(table, format, robust=True).replace("\n", " ")
        assert "so its sign holds" not in render(table, format, notes=True)
    assert json.loads(render(table, "json", robust=True))["notes"][-3:] == notes


def test_while_nothing_is_decided_there_is_no_note(make_plan, make_records) -> None:
    plan = make_plan([{"label": "a"}, {"label": "b", "set": {"lr": 0.02}}])
    records = make_records(plan)
    del records[plan.memberships["b", 2]]
    assert robustness_notes(build_table(plan, records)) == []
