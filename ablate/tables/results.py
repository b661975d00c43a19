"""What is known of one row: its trials seed by seed, sorted by how they ended. Input of `build` and `notes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ablate.plan import Plan, Row
from ablate.trial import TrialRecord


@dataclass(frozen=True)
class RowResults:
    """A row of the plan with its records.

    Attributes:
        row: of the plan.
        keys: seed -> trial key, in the order of the seeds.
        records: seed -> record, of the seeds that have one.
    """

    row: Row
    keys: Mapping[int, str]
    records: Mapping[int, TrialRecord]

    @cached_property
    def succeeded(self) -> dict[int, TrialRecord]:
        """The records that carry metrics."""
        return self.with_status("succeeded")

    def with_status(self, status: str) -> dict[int, TrialRecord]:
        """The records that ended so, by seed."""
        return {seed: record for seed, record in self.records.items() if record.outcome.status == status}

    @property
    def missing(self) -> list[int]:
        """Seeds without a record."""
        return [seed for seed in self.keys if seed not in self.records]

    def values(self, metric: str) -> dict[int, float]:
        """The metric of each seed that succeeded and reports it."""
        found = {seed: record.outcome.metrics.get(metric) for seed, record in self.succeeded.items()}
        return {seed: value for seed, value in found.items() if value is not None}


def collect_results(rows: Sequence[Row], plan: Plan, records: Mapping[str, TrialRecord]) -> list[RowResults]:
    """Rows of a plan, or its audit copies, with the records found for their keys."""
    return [_results_of(row, plan, records) for row in rows]


def _results_of(row: Row, plan: Plan, records: Mapping[str, TrialRecord]) -> RowResults:
    keys = {seed: plan.memberships[row.label, seed] for seed in plan.seeds}
    return RowResults(row, keys, {seed: records[key] for seed, key in keys.items() if key in records})
