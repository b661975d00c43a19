"""What commands show of an answer, where the answer is made by the library itself."""

from __future__ import annotations

import pytest

from ablate.plan import plan_document
from ablate.tables.compare import compare_rows
from ablate.trial import Outcome, TrialRecord
from service.showing import show_pair

VALUES = {"a": [20.0, 21.0, 22.5], "b": [19.0, 20.1, 21.4], "against": [19.0, 18.2, 17.0], "flat": [3.0, 3.0, 3.0]}


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ("b", "correlation over seeds 1.00; pairing by seed saved 100 % of the variance of the difference"),
        ("against", "correlation over seeds -1.00; pairing by seed cost 98 % of the variance of the difference"),
        ("flat", "one of the rows is constant; pairing by seed saved 0 % of the variance of the difference"),
    ],
)
def test_a_comparison_says_what_pairing_by_seed_was_worth(
    other: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"label": label, "set": {"lr": 0.1 + n}} for n, label in enumerate(VALUES)]
    plan = plan_document({"name": "pairs", "seeds": 3, "base": {"dataset": "digits"}, "rows": rows})
    records = {}
    for (label, seed), key in plan.memberships.items():
        outcome = Outcome(status="succeeded", metrics={"top1_error_pct": VALUES[label][seed]})
        records[key] = TrialRecord(
            trial=plan.trials[key], outcome=outcome, provenance={}, finished_at="2026-05-04T10:00:00+00:00"
        )
    show_pair(compare_rows(plan, records, "a", other).model_dump(mode="json"))
    shown = capsys.readouterr().out
    assert line in shown.splitlines(), shown
