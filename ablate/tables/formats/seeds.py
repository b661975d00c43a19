"""`seeds.csv`: every value of a table, one line per row, seed and metric, unrounded.

A seed without a value has a line too, with the reason in `status`, so that nobody has to guess why a value is missing.
Trials that others start from and audit duplicates are not rows of the table and have no lines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Literal

from ablate.study.plan import Plan
from ablate.tables.formats.csv import guard_formula
from ablate.tables.results import RowResults, collect_results
from ablate.trials.trial import TrialRecord

SEEDS_FILE = "seeds.csv"
HEADER = ("row", "group", "seed", "metric", "value", "key", "status")

Status = Literal["ok", "diverged", "failed", "missing", "unreported", "unusable"]
"""`ok`: the table uses the value. `missing`: the trial has not ended, or was cancelled. `unreported`: the trial
succeeded without this metric. `unusable`: the value is too large to be squared; the table leaves it out."""


def render_seeds(plan: Plan, records: Mapping[str, TrialRecord]) -> str:
    """The file's text: the rows in the order of the table, then the seeds, then the metrics, the primary one first."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADER)
    for result in collect_results(plan.rows, plan, records):
        name, group = guard_formula(result.row.name), guard_formula(result.row.group or "")
        for seed, key in result.keys.items():
            for metric in (plan.metric, *plan.metrics):
                value, status = _value_of(result, seed, metric)
                writer.writerow([name, group, seed, guard_formula(metric), value, key, status])
    return out.getvalue()


def _value_of(result: RowResults, seed: int, metric: str) -> tuple[str, Status]:
    """The value as text that reads back to the same number, empty without one, and its status."""
    record = result.records.get(seed)
    if record is None:
        return "", "missing"
    if record.outcome.status != "succeeded":
        return "", record.outcome.status
    value = record.outcome.metrics.get(metric)
    if value is None:
        return "", "unreported"
    return repr(value), "ok" if seed in result.values(metric) else "unusable"
