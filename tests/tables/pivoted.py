"""Studies with their groups side by side, with hand-made results of real plans of the task `null`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablate.study.plan import Plan, plan_document
from ablate.tables.build import build_table
from ablate.tables.inputs import StudyState
from ablate.tables.lines import Line, Pivot
from ablate.tables.pivot import as_printed, columns_of
from ablate.tables.table import Table
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
