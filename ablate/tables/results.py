"""The results of one row: its trials by seed and outcome, and notes on what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ablate.statistics.decisions.row_comparison import LARGEST, Runs
from ablate.study.plan import Plan, Row
from ablate.tables.words import listed
from ablate.text import on_one_line
from ablate.trials.trial import TrialRecord

MAX_CHARACTERS = 300


@dataclass(frozen=True)
class RowResults:
    """A row of the plan with its records.

    Attributes:
        row: row of the plan.
        keys: seed -> trial key, in the order of the seeds.
        records: seed -> record, for seeds that have one.
    """

    row: Row
    keys: Mapping[int, str]
    records: Mapping[int, TrialRecord]

    @cached_property
    def succeeded(self) -> dict[int, TrialRecord]:
        """The records with metrics."""
        return self.with_status("succeeded")

    def with_status(self, status: str) -> dict[int, TrialRecord]:
        """The records with this outcome, by seed."""
        return {seed: record for seed, record in self.records.items() if record.outcome.status == status}

    @property
    def missing(self) -> list[int]:
        """Seeds without a record."""
        return [seed for seed in self.keys if seed not in self.records]

    def values(self, metric: str) -> dict[int, float]:
        """The metric of each seed that succeeded and reports it; a value too large to be squared is left out."""
        found = {seed: record.outcome.metrics.get(metric) for seed, record in self.succeeded.items()}
        return {seed: value for seed, value in found.items() if value is not None and abs(value) < LARGEST}


def collect_results(rows: Sequence[Row], plan: Plan, records: Mapping[str, TrialRecord]) -> list[RowResults]:
    """Rows of a plan, or its audit duplicates, with the records of their keys."""
    return [_results_of(row, plan, records) for row in rows]


def _results_of(row: Row, plan: Plan, records: Mapping[str, TrialRecord]) -> RowResults:
    keys = {seed: plan.memberships[row.name, seed] for seed in plan.seeds}
    return RowResults(row, keys, {seed: records[key] for seed, key in keys.items() if key in records})


def row_notes(result: RowResults, metrics: Sequence[str], missing: str | None = "not run") -> list[str]:
    """What happened to a row's missing values, each a sentence without its subject, the row.

    Seeds may have diverged, failed, have no result, or not report a metric.

    Args:
        result: results of the row.
        metrics: metrics of the table.
        missing: note on seeds without a result; None leaves it out.
    """
    notes = [
        f"{status} on {seed_list(seeds)}: {reason}"
        for status in ("diverged", "failed")
        for reason, seeds in _by_reason(result, status).items()
    ]
    if result.missing and missing:
        notes.append(f"has no result on {seed_list(result.missing)}: {missing}")
    unreported: dict[tuple[int, ...], list[str]] = {}
    for metric in metrics:
        reported = {seed: None for seed, record in result.succeeded.items() if metric in record.outcome.metrics}
        if without := tuple(seed for seed in result.succeeded if seed not in reported):
            unreported.setdefault(without, []).append(metric)
        used = result.values(metric)
        if huge := [seed for seed in reported if seed not in used]:
            notes.append(f"has a {metric} above {LARGEST:g} on {seed_list(huge)}, which is not used")
    for without, names in unreported.items():
        notes.append(f"did not report {', '.join(names)} on {seed_list(without)}")
    return notes


def _by_reason(result: RowResults, status: str) -> dict[str, list[int]]:
    seeds: dict[str, list[int]] = {}
    for seed, record in result.with_status(status).items():
        seeds.setdefault(one_line(record.outcome.reason or "no reason was recorded"), []).append(seed)
    return seeds


def one_line(text: str) -> str:
    """A text on one line, in which nothing is hidden; shortened if it is long."""
    words = on_one_line(text)
    return words if len(words) <= MAX_CHARACTERS else words[: MAX_CHARACTERS - 3] + "..."


def seed_list(seeds: Sequence[int]) -> str:
    """Seeds in words: `seed 3`, `seeds 0, 1 and 2`."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {listed([str(seed) for seed in seeds])}"


def runs_of(result: RowResults, metric: str) -> Runs:
    """The metric of a row as input of the statistics; a trial that did not report it counts as failed."""
    values = result.values(metric)
    failed = [*result.with_status("failed"), *(seed for seed in result.succeeded if seed not in values)]
    return Runs(result.row.name, values, list(result.keys), list(result.with_status("diverged")), failed)
