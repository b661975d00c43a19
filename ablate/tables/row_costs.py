"""The costs of a row: counted, printed and measured."""

from __future__ import annotations

import statistics
from typing import Any

from ablate.paper.published import PublishedTable
from ablate.statistics.decisions.row_comparison import LARGEST
from ablate.tables.printed_comparability import COSTS
from ablate.tables.results import RowResults
from ablate.tables.table import PrintedCount, TableRow
from ablate.trials.trial import Cost, Measured


def cost_of(result: RowResults) -> dict[str, Any]:
    """The counted cost of a row, as its trials reported it."""
    cost = next((record.outcome.cost for record in result.records.values() if record.outcome.cost), None)
    return cost.model_dump() if cost else {}


def with_cost(row: TableRow, cost: Cost | None) -> TableRow:
    """A row with its counted cost, if its trials reported none."""
    return row.model_copy(update=cost.model_dump()) if cost and row.params is None else row


def printed_cost_of(name: str, published: PublishedTable | None) -> dict[str, Any]:
    """The printed cost of a row."""
    printed = published.cells.get(name, {}) if published else {}
    return {
        f"published_{name}": PrintedCount(text=printed[name].text, value=printed[name].value)
        for name in COSTS
        if name in printed
    }


def train_s_of(result: RowResults | None) -> float | None:
    """The median training time over the seeds that succeeded, in seconds."""
    if result is None:
        return None
    times = [record.outcome.train_s for record in result.succeeded.values()]
    known = [time for time in times if time is not None and 0 <= time < LARGEST]
    return statistics.median(known) if known else None


def peak_memory_of(result: RowResults) -> int | None:
    """The largest memory that a script took in the seeds that succeeded, in bytes."""
    return max((record.outcome.peak_memory_bytes or 0 for record in result.succeeded.values()), default=0) or None


def with_measured(row: TableRow, measured: Measured | None) -> TableRow:
    """A row with its measured times and memory."""
    if measured is None:
        return row
    fields = {
        "peak_memory_bytes": measured.peak_memory_bytes,
        "inference_ms_1": measured.inference_ms_1,
        "inference_ms_32": measured.inference_ms_32,
        "inference_rounds": measured.rounds,
        "inference_folded": measured.is_folded,
        "measured_on": measured.device,
    }
    return row.model_copy(update=fields)
