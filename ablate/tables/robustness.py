"""Notes on how far the decisions of a table depend on choices: other tests, lost runs, single seeds, other metrics."""

from __future__ import annotations

from typing import cast

from ablate.statistics.decisions.evidence import DecisionRule
from ablate.statistics.decisions.power import Test
from ablate.statistics.decisions.robustness import Robustness, examine
from ablate.statistics.decisions.row_comparison import Runs
from ablate.statistics.decisions.sentences import TESTS
from ablate.statistics.words import plain_number, with_unit
from ablate.tables.table import Table, TableRow
from ablate.tables.words import listed, metric_name, metric_unit


def robustness_notes(table: Table) -> list[str]:
    """A note for each row with a decision, from the numbers of the table alone; empty while nothing is decided."""
    if not table.families:
        return []
    if table.folds:
        return ["Robustness: other tests would take the folds as independent, so none is shown."]
    test = cast("Test", table.test)
    design = DecisionRule(table.lower_is_better, table.alpha, table.margin, test, unit=metric_unit(table.metric))
    notes = ["Robustness: what other tests, lost runs, single seeds and other metrics say. The decisions stay."]
    for _, members in table.grouped():
        baseline = next(row for row in members if row.baseline)
        rows = [row for row in members if row is not baseline]
        examined = examine([_runs(table, row) for row in rows], _runs(table, baseline), design)
        notes += [_note(table, row, found, design) for row, found in zip(rows, examined, strict=True)]
    return notes


def _runs(table: Table, row: TableRow) -> Runs:
    """The runs of a row. All have ended, so a seed without a value was lost."""
    values = row.cells[table.metric].values
    return Runs(row.name, values, table.seeds, failed=[seed for seed in table.seeds if seed not in values])


def _note(table: Table, row: TableRow, found: Robustness, design: DecisionRule) -> str:
    test, tries = found.registered.evidence.test, row.cells[table.metric].tries
    if tries is not None:  # decided by all its tries; other tests of this one alone would not keep their level
        parts = [f"'{row.name}' is {row.cells[table.metric].decision} over all its {tries.number} tries"]
        return "; ".join([*parts, *_seeds(found, design), *_other_metrics(table, row)]) + "."
    by = f" by {TESTS[test]}" if test else ""
    parts = [f"'{row.name}' is {found.registered.decision}{by}"]
    for decision in dict.fromkeys(one.decision for one in found.others.values()):
        names = [TESTS[name] for name, one in found.others.items() if one.decision == decision]
        parts.append(f"by {' and '.join(names)} it is {decision}")
    if found.worst is not None:
        parts.append(f"with lost runs as the worst values, by ranks, it is {found.worst}")
    return "; ".join([*parts, *_seeds(found, design), *_other_metrics(table, row)]) + "."


def _seeds(found: Robustness, design: DecisionRule) -> list[str]:
    """Whether the sign of the difference depends on a single seed."""
    if found.without_one is None:
        return []
    low, high = found.without_one
    ends = " to ".join(plain_number(end, abs(high - low) or abs(end)) for end in (low, high))
    holds = "its sign holds" if found.does_sign_hold else "its sign depends on single seeds"
    return [f"without any one seed its difference is {with_unit(ends, design.unit)}, so {holds}"]


def _other_metrics(table: Table, row: TableRow) -> list[str]:
    """Which other metrics point in the direction of the primary one; signs only, no test."""
    primary = _gain(table, row, table.metric)
    if not primary:
        return []
    gains = {metric: _gain(table, row, metric) for metric in table.metrics if metric != table.metric}
    same = [metric_name(metric) for metric, gain in gains.items() if gain and gain * primary > 0]
    opposite = [metric_name(metric) for metric, gain in gains.items() if gain and gain * primary < 0]
    return [f"{words}: {listed(names)}" for words, names in
            (("the same direction have", same), ("the opposite direction have", opposite)) if names]  # fmt: skip


def _gain(table: Table, row: TableRow, metric: str) -> float | None:
    """Mean difference in a metric, positive where the row is better."""
    diff = row.cells[metric].diff if metric in row.cells else None
    if diff is None:
        return None
    return -diff.mean if table.directions[metric] else diff.mean
