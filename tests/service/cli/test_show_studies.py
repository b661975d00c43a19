"""What commands show of an answer, where the answer is made by the library itself."""

from __future__ import annotations

import socket

import pytest

from ablate.cli.app import status_of
from ablate.remote.documents.studies import StudyView
from ablate.study.plan import plan_document
from ablate.tables.two_rows import compare_rows
from ablate.trials.trial import Outcome, TrialRecord
from service.cli import main
from service.cli.show_studies import show_pair, show_studies
from service.studies import lifecycle
from tests.service.nights import Nights

VALUES = {"a": [20.0, 21.0, 22.5], "b": [19.0, 20.1, 21.4], "against": [19.0, 18.2, 17.0], "flat": [3.0, 3.0, 3.0]}


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ("b", "correlation over seeds 1.00; pairing by seed reduced the variance of the difference by 100 %"),
        ("against", "correlation over seeds -1.00; pairing by seed increased the variance of the difference by 98 %"),
        ("flat", "one of the rows is constant; pairing by seed reduced the variance of the difference by 0 %"),
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
    show_pair(compare_rows(plan, records, "a", other))
    shown = capsys.readouterr().out
    assert line in shown.splitlines(), shown
    assert shown.splitlines()[-1] == "planned: p is corrected over the 3 comparisons of the baseline's family"
    show_pair(compare_rows(plan, records, "b", "against"))
    post_hoc = "post hoc: p is corrected over all 6 pairs of the table's rows"
    assert capsys.readouterr().out.splitlines()[-1] == post_hoc


def test_studies_are_listed_with_the_schedule_that_fired_them_where_there_is_one(
    nights: Nights, capsys: pytest.CaptureFixture[str]
) -> None:
    nights.desk.submit(nights.study)
    show_studies(_listed(nights))
    assert "schedule" not in capsys.readouterr().out
    nights.add()
    nights.night(1)
    show_studies(_listed(nights))
    heading, fired, own = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in (heading, fired, own)] == ["schedule", "nightly", "-"]


def _listed(nights: Nights) -> list[StudyView]:
    page = lifecycle.list_studies(nights.desk.context, state=None, name=None, schedule=None, limit=9, cursor=None)
    return page.items


@pytest.mark.parametrize("rows", [("- funnel", "full"), ("full", "- short help"), ("without funnel", "full")])
def test_a_label_that_begins_with_a_dash_is_a_row_and_no_option(rows: tuple[str, str]) -> None:
    assert main.main
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert status_of(["compare", "loo", *rows, "--url", url]) == 3, "the rows are accepted; there is no service"
