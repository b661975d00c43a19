"""Pivoted tables: lines, mean ranks, and the test over groups."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.statistics.decisions.signflip import signflip_p
from ablate.study.plan import plan_document
from ablate.tables.build import build_table
from ablate.tables.formats.render import render
from ablate.tables.inputs import StudyState
from ablate.tables.pivot import as_printed, columns_of
from ablate.tables.tries import PairHistory
from tests.tables.pivoted import (
    METHODS,
    build,
    differing,
    lines,
    pivot_of,
    printed,
    ranks,
    record,
    records_of,
    study,
)


def test_a_line_for_each_method_and_a_column_for_each_world() -> None:
    table = build(study(3), differing(3, {"a": [-1, -1, 2], "b": [-2, 1, 3]}))
    assert printed(table) == [
        ["row", "1", "2", "3", "mean rank"],
        ["method=plain (baseline)", "10.00 ± 0.50", "20.00 ± 0.50", "30.00 ± 0.50", "2.00"],
        ["method=a", "9.00 ± 0.50", "19.00 ± 0.50", "32.00 ± 0.50", "1.67"],
        ["method=b", "8.00 ± 0.50", "21.00 ± 0.50", "33.00 ± 0.50", "2.33"],
    ]
    assert "No test over groups: there are 3, and the exact test needs 6." in table.summary
    assert "Cells show error, lower is better: mean ± sample standard deviation over 3 seeds." in render(table, "md")


def test_three_groups_have_ranks_and_no_test() -> None:
    table = build(study(3), differing(3, {"a": [-1, -1, 2], "b": [-2, 1, 3]}))
    assert pivot_of(table).test is None
    assert {line.decision for line in pivot_of(table).lines} == {"baseline", None}
    assert lines(table)["b"].mean_diff == pytest.approx(2 / 3)


def test_seven_groups_are_tested_once_and_corrected_for_the_lines() -> None:
    gains = {"a": [-1.0, -2, -3, -1, -2, -3, -4], "b": [1.0, -1, 1, -1, 1, -1, 0.5]}
    table = build(study(7), differing(7, gains))
    found, p = lines(table), {name: signflip_p(each) for name, each in gains.items()}
    assert (found["a"].p, found["a"].p_adj, found["a"].decision) == (2 / 128, 4 / 128, "better")
    assert (found["b"].p, found["b"].p_adj, found["b"].decision) == (p["b"], p["b"], "undecided")
    assert found["plain"].decision == "baseline"
    headings, _, a, _ = printed(table)
    assert headings[-3:] == ["mean rank", "mean diff.", "overall (p)"]
    assert a[-3:] == ["1.07", "−2.29", "better (.031)"]
    assert pivot_of(table).comparisons == 2
    assert any(note.startswith("Overall: sign-flip test") for note in table.notes)


def test_six_groups_and_two_methods_cannot_decide_and_the_plan_says_so() -> None:
    document = study(6)
    table = build(document, differing(6, {"a": [-1.0] * 6, "b": [-2.0] * 6}))
    assert {name: line.decision for name, line in lines(table).items() if name != "plain"} == {
        "a": "undecided",
        "b": "undecided",
    }
    text = "6 groups, 2 comparisons: the test over groups cannot decide (smallest corrected p .062); 7 groups can"
    assert f"{text}." in table.summary
    found = {one.pointer: one.message for one in plan_document(document).warnings if one.code == "power"}
    assert found["/table/pivot"] == text


def test_ties_share_their_rank_and_higher_can_be_better(monkeypatch: pytest.MonkeyPatch) -> None:
    values = differing(2, {"a": [0, 5], "b": [-1, -5]})
    assert ranks(build(study(2), values)) == {"plain": 2.25, "a": 2.75, "b": 1.0}
    plan = plan_document(study(2))
    for name in plan.lower_is_better:
        monkeypatch.setitem(plan.lower_is_better, name, False)  # type: ignore[arg-type]
    assert ranks(build_table(plan, records_of(plan, values))) == {"plain": 1.75, "a": 1.25, "b": 3.0}


def test_a_missing_row_is_an_empty_cell_and_has_no_rank_and_no_test() -> None:
    document = study(7, exclude=[{"world": 2, "method": "b"}])
    table = build(document, differing(7, {"a": [-1.0] * 7, "b": [-2.0] * 7}))
    assert printed(table)[3][2] == "–"
    assert ranks(table) == {"plain": 2.0, "a": 1.0, "b": None}
    assert (lines(table)["b"].p, lines(table)["b"].reason) == (None, "no difference")
    assert lines(table)["a"].p_adj == 4 / 128
    assert "Row 'method=b' has no mean rank, because it has no value in 2." in table.notes
    assert "'method=b' is not tested over groups, because a difference is missing." in table.notes


def test_a_row_whose_runs_all_diverged_has_no_rank() -> None:
    values = differing(3, {"a": [-1.0] * 3, "b": [-2.0] * 3}) | {(3, "b"): None}
    table = build(study(3), values)
    assert printed(table)[3][3] == "diverged"
    assert ranks(table) == {"plain": 2.0, "a": 1.0, "b": None}
    assert "Row 'method=b' has no mean rank, because it has no value in 3." in table.notes


def test_a_decision_that_failed_runs_may_explain_is_undone() -> None:
    document = study(7, methods=("plain", "a"))
    plan = plan_document(document)
    records = records_of(plan, differing(7, {"a": [-1.0] * 7}))
    assert lines(build_table(plan, records))["a"].decision == "better"
    for seed in (0, 1):
        key = plan.memberships["world=4, method=a", seed]
        records[key] = record(plan, key, None)
    table = build_table(plan, records)
    assert (lines(table)["a"].decision, lines(table)["a"].reason) == ("undecided", "failures")
    assert printed(table)[2][-1] == "undecided (failures)"
    assert "'method=a' is undecided over groups, because failed runs may explain a difference." in table.notes
    assert printed(table)[2][4] == "39.50 (1/3)", "the number of seeds is in the cells where it is not the same"


def test_a_table_with_outstanding_results_shows_cells_and_decides_nothing() -> None:
    plan = plan_document(study(7))
    records = records_of(plan, differing(7, {"a": [-1.0] * 7, "b": [1.0] * 7}))
    del records[plan.memberships["world=7, method=b", 2]]
    for state in (StudyState(provisional=True), StudyState()):
        table = build_table(plan, records, state=state)
        assert {(line.mean_rank, line.mean_diff, line.p) for line in pivot_of(table).lines} == {(None, None, None)}
        headings, *rows = printed(table)
        assert headings == ["row", "1", "2", "3", "4", "5", "6", "7"]
        assert rows[1][1] == "9.00 ± 0.50 (3)"
        assert rows[2][7] == "70.75 ± 0.35 (2/3)"


def test_a_line_with_a_row_that_was_tried_before_is_not_tested() -> None:
    """The differences in the table are of this try alone, and no p of them keeps its level."""
    history = PairHistory(3, tuple([-1.0] * 12))
    table = build(study(7), differing(7, {"a": [-1.0] * 7, "b": [-2.0] * 7}), retried={"world=2, method=a": history})
    found = lines(table)["a"]
    assert (found.p, found.decision, found.reason, found.mean_rank) == (None, None, "tried before", 2.0)
    assert lines(table)["b"].p_adj == 4 / 128
    assert table.exploratory
    assert "'method=a' is not tested over groups, because rows were tried before." in table.notes
    view = as_printed(table)
    assert columns_of(view)[2].is_strong(view.printed_rows[1]), "bold is the decision of all tries"
    assert render(table, "md").startswith("### Exploratory: many")
    assert "'world=2, method=a' (try 3)" in render(table, "tex")


def test_different_baselines_are_ranked_and_not_tested() -> None:
    baselines = {str(world): f"world={world}, method={'a' if world == 3 else 'plain'}" for world in range(1, 8)}
    document = study(7, table={"baseline": baselines})
    table = build(document, differing(7, {"a": [-1.0] * 7, "b": [1.0] * 7}))
    assert (pivot_of(table).baseline, pivot_of(table).test) == (None, None)
    assert "No test over groups: their baselines are different rows." in table.summary
    assert ranks(table) == {"plain": 2.0, "a": 1.0, "b": 3.0}


def test_a_pilot_has_ranks_and_no_test() -> None:
    table = build(study(7, pilot=True), differing(7, {"a": [-1.0] * 7, "b": [1.0] * 7}))
    assert ranks(table) == {"plain": 2.0, "a": 1.0, "b": 3.0}
    assert pivot_of(table).test is None


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 7))
def test_other_names_and_another_order_of_groups_change_nothing(draws: random.Random, worlds: int) -> None:
    values = {(world, name): float(draws.randint(0, 40)) for world in range(1, worlds + 1) for name in METHODS}
    order = draws.sample(range(1, worlds + 1), worlds)
    document = study(worlds)
    mixed = study(worlds)
    mixed["factors"][0]["levels"] = order
    one, other = build(document, values), build(mixed, values)
    assert lines(one) == lines(other)
    renamed = study(worlds)
    renamed["factors"][0]["levels"] = [{"label": f"W{world}", "set": {"world": world}} for world in order]
    plan = plan_document(renamed)
    back = {f"W{world}": world for world in order}
    records = {
        plan.memberships[row.label, seed]: record(
            plan,
            plan.memberships[row.label, seed],
            values[back[row.group or ""], row.levels["method"]] + 0.5 * (place - 1),
        )
        for row in plan.rows
        for place, seed in enumerate(plan.seeds)
    }
    assert lines(build_table(plan, records)) == lines(one)
