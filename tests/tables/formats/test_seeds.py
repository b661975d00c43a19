"""`seeds.csv`: one line per row, seed and metric, lost seeds included."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import pytest

from ablate.study.plan import Plan, plan_document
from ablate.tables.build import build_table
from ablate.tables.formats.seeds import HEADER, render_seeds
from ablate.trials.trial import Outcome, TrialRecord


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_value_of_the_table_reads_back_to_the_same_number(window_plan: Plan, make_records) -> None:
    records = make_records(window_plan)
    table = build_table(window_plan, records)
    lines = read(render_seeds(window_plan, records))
    assert tuple(lines[0]) == HEADER
    assert [(line["row"], int(line["seed"])) for line in lines] == [
        (row.label, seed) for row in window_plan.rows for seed in window_plan.seeds
    ]
    for row in table.rows:
        found = {int(line["seed"]): float(line["value"]) for line in lines if line["row"] == row.label}
        assert found == row.cells["top1_error_pct"].values
        assert [line["key"] for line in lines if line["row"] == row.label] == row.trials
    assert {line["status"] for line in lines} == {"ok"}


def test_every_lost_seed_has_a_line_with_its_status_and_without_a_value(
    window_plan: Plan, make_records, make_record
) -> None:
    records = make_records(window_plan)
    lost = {
        "diverged": Outcome(status="diverged", reason="loss is NaN"),
        "failed": Outcome(status="failed", reason="out of memory"),
        "unreported": Outcome(status="succeeded", metrics={"other": 1.0}),
        "unusable": Outcome(status="succeeded", metrics={"top1_error_pct": 1e200}),
        "missing": None,
    }
    places = {status: (row.label, 1) for status, row in zip(lost, window_plan.rows, strict=True)}
    for status, outcome in lost.items():
        key = window_plan.memberships[places[status]]
        trial = records.pop(key).trial
        if outcome:
            records[key] = make_record(trial, outcome)
    found = {(line["row"], int(line["seed"])): line for line in read(render_seeds(window_plan, records))}
    assert len(found) == 15
    for status, place in places.items():
        assert found[place]["status"] == status
        assert found[place]["value"] == ("1e+200" if status == "unusable" else "")
    table = build_table(window_plan, records)
    for row in table.rows:
        ok = {seed for (label, seed), line in found.items() if label == row.label and line["status"] == "ok"}
        assert ok == set(row.cells["top1_error_pct"].values)


def test_rows_have_their_group_and_all_metrics_and_no_label_becomes_a_formula(make_plan, make_records) -> None:
    rows = [{"label": "=1+1", "group": "@a"}, {"label": "b\u202e", "group": "@a", "set": {"window": "1x1"}}]
    plan = make_plan(rows, metrics=["map_pct"], seeds=(4, 2))
    lines = read(render_seeds(plan, make_records(plan)))
    assert [(line["row"], line["group"], line["seed"], line["metric"]) for line in lines[:4]] == [
        ("'=1+1", "'@a", "4", "top1_error_pct"),
        ("'=1+1", "'@a", "4", "map_pct"),
        ("'=1+1", "'@a", "2", "top1_error_pct"),
        ("'=1+1", "'@a", "2", "map_pct"),
    ]
    assert lines[-1]["row"] == "b\\u202e"


def test_backbones_and_audit_copies_are_not_rows_of_the_file() -> None:
    rows = [{"label": "ReLU", "set": {"activation": "relu"}}, {"label": "FReLU"}]
    base = {"task": "detect", "dataset": "scenes-coco", "model": "resnet50", "backbone": {"dataset": "digits"}}
    plan = plan_document({"name": "scenes", "seeds": 2, "base": base, "rows": rows, "audit": True})
    assert plan.needs
    assert plan.audits
    none: Mapping[str, TrialRecord] = {}
    lines = read(render_seeds(plan, none))
    assert {line["row"] for line in lines} == {"ReLU", "FReLU"}
    assert {line["status"] for line in lines} == {"missing"}


@pytest.mark.parametrize("metric", ["top1_error_pct", "map_pct"])
def test_the_same_results_give_the_same_bytes(window_plan: Plan, make_records, metric: str) -> None:
    first, again = (render_seeds(window_plan, make_records(window_plan)) for _ in range(2))
    assert first.encode() == again.encode()
