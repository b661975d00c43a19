from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ablate.study.plan import plan_document
from ablate.tables.build import build_table
from ablate.tables.table import Table
from ablate.tasks.null import task
from ablate.trials.trial import TrialRecord
from service.errors import SelftestError
from service.selftest.level import Level, Share, judge
from service.selftest.worlds import build_study


def make_table(study: dict[str, Any]) -> Table:
    """The table of a study of the null task, without a service."""
    plan = plan_document(study)
    records = {}
    for key, trial in plan.trials.items():
        *_, outcome = task.run(task.Recipe.model_validate(trial.recipe), trial.seed, Path("unused"))
        records[key] = TrialRecord(trial=trial, outcome=outcome, finished_at="2026-05-04T10:00:00+00:00")
    return build_table(plan, records)


def level(count: int, n: int) -> Level:
    return Level(alpha=0.05, decided=Share.of(count, n), by={}, where=[], planted=None, trials=n)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(4, 200, 0.0055, 0.0504), (0, 10, 0.0, 0.3085), (10, 100, 0.0490, 0.1762), (10, 10, 0.6915, 1.0)],
)
def test_the_interval_of_a_share_is_the_exact_one(count: int, n: int, low: float, high: float) -> None:
    found = Share.of(count, n)
    assert (found.share, found.low, found.high) == pytest.approx((count / n, low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("count", "n", "verdict"),
    [
        (4, 200, "kept"),
        (10, 200, "kept"),
        (11, 200, "unclear"),
        (16, 200, "unclear"),
        (17, 200, "exceeded"),
        (0, 35, "unclear"),
        (0, 36, "kept"),
        (2, 2, "exceeded"),
    ],
)
def test_the_verdict_follows_from_the_interval_and_the_bound(count: int, n: int, verdict: str) -> None:
    assert level(count, n).verdict == verdict


def test_the_sentence_names_the_share_its_interval_and_the_bound() -> None:
    assert level(4, 200).sentences()[0] == (
        "4 of 200 tables show an effect of a row that has none: 2.0 % (95 % interval 0.5 to 5.0 %). "
        "At most 5 % are expected. The service keeps its level."
    )


def test_a_table_counts_once_by_its_rows_without_an_effect_and_the_planted_row_by_its_direction() -> None:
    studies = [build_study(number, seed=0, planted=40.0) for number in range(12)]
    for row in studies[2]["rows"][1:3]:
        row["set"]["effect"] = 40.0
    tables = [(study, make_table(study)) for study in studies]
    found = judge(tables, planted=40.0)
    assert "null-2" in found.where
    assert (found.decided.count, found.decided.n) == (len(found.where), 12)
    assert found.by["t (6 seeds)"][0] >= 1
    assert sum(n for _, n in found.by.values()) == 24
    assert found.trials == sum(4 * study["seeds"] for study in studies)
    assert found.planted is not None
    assert found.planted.count >= 10
    wrong_way = judge(tables, planted=-40.0).planted
    assert wrong_way is not None
    assert wrong_way.count == 0


def test_a_table_without_a_decision_does_not_count_as_one_that_shows_nothing() -> None:
    study = build_study(0, seed=0)
    table = make_table(study)
    cell = table.rows[2].cells["error"]
    table.rows[2].cells["error"] = cell.model_copy(update={"decision": None})
    with pytest.raises(SelftestError, match=re.escape("the table of study 'null-0' has no decision on row 'same 2'")):
        judge([(study, table)])
