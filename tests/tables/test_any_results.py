"""Any valid study, with any results that a task can report, has a table in all formats, all plots, all comparisons."""

from __future__ import annotations

import json
import math
import re
import statistics
from itertools import permutations
from statistics import NormalDist
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.paper.published import find_published
from ablate.statistics.decisions.power import upper_sd
from ablate.study.plan import plan_document
from ablate.study.preregistration import register
from ablate.tables.build import build_table
from ablate.tables.formats.render import FORMATS, render
from ablate.tables.inputs import StudyState
from ablate.tables.plots.plot import plot_table, plots_of
from ablate.tables.table import Table
from ablate.tables.two_rows import compare_rows
from ablate.trials.trial import Outcome
from tests.hostile_studies import plans, results

pytestmark = pytest.mark.slow

DECISIONS = {"baseline", "better", "worse", "equivalent", "undecided", None}
NO_NUMBER = re.compile(r"\b(nan|inf)\b")


@settings(max_examples=60)
@given(st.data())
def test_any_results_give_a_table_in_all_formats_and_all_comparisons(data):
    plan = data.draw(plans())
    records = data.draw(results(plan))
    state = StudyState(provisional=data.draw(st.booleans()), registrations=[register(plan)])
    table = build_table(plan, records, published=find_published(plan.study.table.published), state=state)
    check_table(table)
    for format in FORMATS:
        text = render(table, format)
        if format == "json":
            assert Table.from_json(json.loads(text, parse_constant=refuse)) == table
    render(table, "html", columns=["all"], digits=data.draw(st.integers(0, 12)))
    render(table, "tex", columns=["all"])
    for a, b in list(permutations([row.label for row in plan.rows], 2))[:6]:
        found = compare_rows(plan, records, a, b)
        json.dumps(found.model_dump(mode="json"), allow_nan=False)
        check_p(found.p, found.p_adj)
        check_sentence(found.sentence)
        assert found.decision in DECISIONS
    if data.draw(st.integers(0, 7)) == 0:
        for name in plots_of(table):
            assert plot_table(table, name, "svg", records=records).startswith(b"<?xml")


def refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} in JSON")


def check_table(table: Table) -> None:
    for row in table.rows:
        for cell in row.cells.values():
            assert cell.decision in DECISIONS
            check_between(cell.mean, min(cell.values.values(), default=None), max(cell.values.values(), default=None))
            if cell.diff:
                check_between(cell.diff.mean, cell.diff.low, cell.diff.high)
            check_p(cell.p, cell.p_adj)
            check_p(cell.p_flip, None)
            if cell.tested:
                check_tested(cell.tested.model_dump())
                check_sentence(cell.tested.text)
    for line in table.pivot.lines if table.pivot else ():
        check_p(line.p, line.p_adj)
        assert line.decision in DECISIONS
        assert line.mean_rank is None or 1 <= line.mean_rank <= len(table.pivot.lines)
    for sentence in (*table.notes, *table.provenance):
        check_sentence(sentence)


def check_tested(tested: dict[str, Any]) -> None:
    for name in ("p_t", "p_lost", "p_worst", "p_worst_adj"):
        check_p(tested[name], None)
    assert tested["rho"] is None or -1 <= tested["rho"] <= 1
    assert tested["mde"] is None or tested["mde"] >= 0
    assert tested["seeds_needed"] is None or tested["seeds_needed"] >= 2


def check_sentence(sentence: str) -> None:
    assert not NO_NUMBER.search(sentence), sentence


def check_p(p: float | None, p_adj: float | None) -> None:
    for one in (p, p_adj):
        assert one is None or 0 < one <= 1
    assert p is None or p_adj is None or p_adj >= p * (1 - 1e-6)


def check_between(value: float | None, low: float | None, high: float | None) -> None:
    if value is not None and low is not None and high is not None:
        assert math.isfinite(high - low)
        assert low <= value <= high


def test_two_rows_of_two_seeds_with_a_margin_at_a_level_of_one_half_have_a_table(make_record):
    rows = [{"label": "a", "set": {"lr": 0.1}}, {"label": "b", "set": {"lr": 0.2}}]
    document = {"name": "half", "seeds": 2, "base": {"dataset": "digits"}, "rows": rows}
    plan = plan_document(document | {"table": {"margin": 0.0004, "alpha": 0.5}})
    errors = {("a", 0): 20.0, ("a", 1): 20.0, ("b", 0): 20.003, ("b", 1): 19.998}  # one up, one down
    records = {
        (key := plan.memberships[cell]): make_record(
            plan.trials[key], Outcome(status="succeeded", metrics={plan.metric: error})
        )
        for cell, error in errors.items()
    }
    table = build_table(plan, records)
    cell = table.row("b").cells[plan.metric]
    assert cell.decision == "undecided"
    # at this level the interval is the mean alone: 2 Phi(sqrt(n) margin / sd) - 1 = 0.8 for the upper limit of sd
    sd = upper_sd(statistics.stdev([0.003, -0.002]), 1)
    needed = math.ceil((NormalDist().inv_cdf(0.9) * sd / 0.0004) ** 2)
    assert cell.tested.seeds_equivalent == needed
    check_table(table)
