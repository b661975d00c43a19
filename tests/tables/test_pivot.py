"""Tables whose groups are side by side, from hand-made results of real plans of the task `null`."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.errors import TableError
from ablate.statistics.decisions.signflip import signflip_p
from ablate.study.plan import Plan, plan_document
from ablate.tables.build import build_table
from ablate.tables.columns import Column
from ablate.tables.formats.render import FORMATS, render, render_embedded
from ablate.tables.inputs import StudyState
from ablate.tables.lines import Line, Pivot
from ablate.tables.notebook import NotebookTable
from ablate.tables.pivot import as_printed, columns_of
from ablate.tables.table import Table
from ablate.tables.tries import PairHistory
from ablate.trials.trial import Outcome, TrialRecord

METHODS = ("plain", "a", "b")
Values = Mapping[tuple[int, str], float | None]
"""(world, method) -> mean over seeds; None for a row whose runs all diverged."""


def study(worlds: int, methods: Sequence[str] = METHODS, **more: Any) -> dict[str, Any]:
    levels = [{"label": name, "set": {"row": index}} for index, name in enumerate(methods)]
    factors = [{"name": "world", "levels": list(range(1, worlds + 1))}, {"name": "method", "levels": levels}]
    table = {"pivot": "world"} | more.pop("table", {})
    return {"name": "many", "seeds": 3, "base": {"task": "null"}, "factors": factors, "table": table} | more


def record(plan: Plan, key: str, value: float | None) -> TrialRecord:
    outcome = (
        Outcome(status="diverged", reason="loss is not finite")
        if value is None
        else Outcome(status="succeeded", metrics={"error": value}, train_s=0.0)
    )
    return TrialRecord(
        trial=plan.trials[key], outcome=outcome, curve=[], provenance={}, finished_at="2026-05-04T10:00:00+00:00"
    )


def records_of(plan: Plan, values: Values, spread: float = 0.5) -> dict[str, TrialRecord]:
    """The mean of each row, and the same shifts of the seeds in all rows."""
    found = {}
    for row in plan.rows:
        mean = values[int(row.levels["world"]), row.levels["method"]]
        for place, seed in enumerate(plan.seeds):
            key = plan.memberships[row.label, seed]
            found[key] = record(plan, key, None if mean is None else mean + spread * (place - 1))
    return found


def build(document: dict[str, Any], values: Values, **state: Any) -> Table:
    plan = plan_document(document)
    return build_table(plan, records_of(plan, values), state=StudyState(**state))


def pivot_of(table: Table) -> Pivot:
    assert table.pivot is not None
    return table.pivot


def lines(table: Table) -> dict[str, Line]:
    return {line.label.removeprefix("method="): line for line in pivot_of(table).lines}


def ranks(table: Table) -> dict[str, float | None]:
    return {label: line.mean_rank for label, line in lines(table).items()}


def differing(worlds: int, gains: Mapping[str, Sequence[float]]) -> dict[tuple[int, str], float | None]:
    """The baseline at 10 x the number of the world, and the other methods at a difference from it."""
    found: dict[tuple[int, str], float | None] = {}
    for world in range(1, worlds + 1):
        found[world, "plain"] = 10.0 * world
        found |= {(world, name): 10.0 * world + each[world - 1] for name, each in gains.items()}
    return found


def printed(table: Table, names: Sequence[str] | None = None) -> list[list[str]]:
    """The cells as they are printed, below their headings."""
    view = as_printed(table, names)
    columns = columns_of(view, names)
    body = [[column.text(row) for column in columns] for _, rows in view.grouped() for row in rows]
    return [[column.heading for column in columns], *body]


def test_a_line_for_each_method_and_a_column_for_each_world() -> None:
    table = build(study(3), differing(3, {"a": [-1, -1, 2], "b": [-2, 1, 3]}))
    assert printed(table) == [
        ["row", "1", "2", "3", "mean rank"],
        ["method=plain (baseline)", "10.00 ± 0.50", "20.00 ± 0.50", "30.00 ± 0.50", "2.00"],
        ["method=a", "9.00 ± 0.50", "19.00 ± 0.50", "32.00 ± 0.50", "1.67"],
        ["method=b", "8.00 ± 0.50", "21.00 ± 0.50", "33.00 ± 0.50", "2.33"],
    ]
    assert "No test over groups: there are 3, and the exact test needs 6." in table.notes
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
    assert f"{text}." in table.notes
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
    assert "No test over groups: their baselines are different rows." in table.notes
    assert ranks(table) == {"plain": 2.0, "a": 1.0, "b": 3.0}


def test_a_pilot_has_ranks_and_no_test() -> None:
    table = build(study(7, pilot=True), differing(7, {"a": [-1.0] * 7, "b": [1.0] * 7}))
    assert ranks(table) == {"plain": 2.0, "a": 1.0, "b": 3.0}
    assert pivot_of(table).test is None


def numbers(text: str) -> list[str]:
    plain = text.replace("$-$", "-").replace("−", "-").replace("$\\pm$", " ").replace("±", " ")
    return re.findall(r"-?\d*\.\d+", plain)


def test_all_formats_show_the_same_numbers() -> None:
    table = build(study(7), differing(7, {"a": [-1.0, -2, -3, -1, -2, -3, -4], "b": [1.0, -1, 1, -1, 1, -1, 0.5]}))
    cells = [text for row in printed(table)[1:] for text in row]
    texts = {format: render(table, format, measured=False) for format in FORMATS}
    bodies = {
        "md": texts["md"].split("\n\n")[1].split("\n", 2)[2],
        "html": texts["html"].split("<tbody>")[1].split("</tbody>")[0],
        "tex": "\n".join(line for line in texts["tex"].splitlines() if " & " in line),
    }
    for format, body in bodies.items():
        shown = numbers(re.sub(r"<[^>]+>", " ", body))
        assert sorted(shown) == sorted(numbers(" ".join(cells))), format  # LaTeX has two blocks
    document, rows = json.loads(texts["json"]), list(csv.DictReader(io.StringIO(texts["csv"], newline="")))
    found = {line["label"]: line for line in document["pivot"]["lines"]}
    assert len(rows) == len(document["rows"]) == 21, "programs get a row for each row of the study"
    for row, stored in zip(rows, document["rows"], strict=True):
        line = found[row["line"]]
        assert stored["line"] == row["line"]
        assert (float(row["mean_rank"]), row["overall"]) == (line["mean_rank"], line["decision"])
        assert row["overall_p_adj"] == ("" if line["p_adj"] is None else repr(line["p_adj"]))
    assert Table.from_json(json.loads(render(table, "json"))) == table
    assert render(table, "md", measured=False) == texts["md"]


def test_every_column_brings_back_the_groups_below_each_other() -> None:
    table = build(study(3), differing(3, {"a": [-1, -1, 2], "b": [-2, 1, 3]}))
    text = render(table, "md", columns=["all"])
    assert "| **2**" in text
    assert "world=2, method=b" in text
    assert " line " in text.splitlines()[2]


def test_chosen_columns_stay_together_group_by_group() -> None:
    table = build(study(2), differing(2, {"a": [-1, 2], "b": [-2, 3]}))
    headings, _, a, _ = printed(table, ["error", "decision", "mean_rank", "line"])
    assert headings == ["row", "1", "1: decision (p)", "2", "2: decision (p)", "mean rank"]
    assert a[2].startswith("undecided (")
    assert printed(table, ["factors", "error"])[0] == ["row", "method", "1", "2"]
    with pytest.raises(TableError, match="no column 'eror'; did you mean 'error'"):
        render(table, "md", columns=["eror"])
    with pytest.raises(TableError, match="no column 'mean_rank'"):
        render(
            build(study(2, table={"pivot": None}), differing(2, {"a": [0, 0], "b": [0, 0]})),
            "md",
            columns=["mean_rank"],
        )


def test_bold_cells_are_decided_in_their_group() -> None:
    document = study(2, seeds=8)
    table = build(document, differing(2, {"a": [-1, 0], "b": [1, 0]}))
    view = as_printed(table)
    bold = [[column.is_strong(row) for column in columns_of(view)] for row in view.printed_rows]
    assert bold == [[False] * 4, [False, True, False, False], [False] * 4]
    assert re.search(r"\*\*[\d.]+ ± [\d.]+\*\*", render(table, "md"))
    assert "bold: decided to be better" in render(table, "md")


def test_an_exploratory_table_says_so_in_every_form() -> None:
    table = build(study(3), differing(3, {"a": [-1, -1, 2], "b": [-2, 1, 3]})).model_copy(
        update={"exploratory": True, "provisional": True}
    )
    for format in ("md", "tex", "html"):
        assert "Provisional, exploratory: many" in render(table, format)


def test_latex_ties_each_cell_to_its_trials() -> None:
    document = study(2)
    table, plan = build(document, differing(2, {"a": [-1, 2], "b": [-2, 3]})), plan_document(document)
    keys = {world: plan.memberships[f"world={world}, method=a", 1] for world in (1, 2)}
    assert f"%   seed 1: {keys[1]} (1), {keys[2]} (2)\n" in render(table, "tex")


def test_a_notebook_shows_the_pivoted_table_and_pandas_the_rows() -> None:
    table = NotebookTable.of(build(study(2), differing(2, {"a": [-1, 2], "b": [-2, 3]})))
    assert "mean rank" in table._repr_html_() == render_embedded(table)
    frame = pytest.importorskip("pandas") and table.to_pandas()
    assert list(frame["line"]) == ["method=plain", "method=a", "method=b"] * 2


def test_a_column_of_a_group_knows_the_row_of_its_cell() -> None:
    table = build(study(2), differing(2, {"a": [-1, 2], "b": [-2, 3]}))
    view = as_printed(table)
    columns: list[Column] = [one for one in columns_of(view) if one.name == "error"]
    row = view.printed_rows[1]
    assert [found.label for one in columns if (found := one.source(row))] == ["world=1, method=a", "world=2, method=a"]


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
