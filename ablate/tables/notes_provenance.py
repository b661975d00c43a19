"""The sentences below a table that another run of the study would change: when, where and how its trials ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ablate.tables.results import RowResults, one_line
from ablate.tables.table import TableRow
from ablate.tables.words import listed, named

PASSING = frozenset({"attempt", "attempts", "pid", "worker", "host", "hostname", "workdir", "log"})
"""Provenance that differs between any two trials and does not affect their results."""

SAME_TIME = 1.1
"""Training times whose ratio is below this count as equal."""


def provenance_notes(results: Sequence[RowResults], rows: Sequence[TableRow]) -> list[str]:
    """When and where the trials ran, and how they differ; another run of the study has other notes."""
    records = {key: result.records[seed] for result in results for seed, key in result.keys.items()
               if seed in result.records}  # fmt: skip
    finished = sorted(record.finished_at[:16].replace("T", " ") for record in records.values())
    notes = [f"Trials finished between {finished[0]} and {finished[-1]} UTC."] if finished else []
    return [*notes, *training_time_notes(rows), *_hours(rows), *_differing(results), *_inference(rows)]


def _inference(rows: Sequence[TableRow]) -> list[str]:
    """How inference was measured, and for which rows the funnel's normalisation could not be folded."""
    measured = [row for row in rows if row.measured_on is not None]
    kinds = dict.fromkeys((row.measured_on, row.inference_rounds) for row in measured)
    notes = [
        f"Inference time (median of {rounds} rounds) and memory were measured on {device}." for device, rounds in kinds
    ]
    unfolded = [row.name for row in measured if row.inference_folded is False]
    if unfolded:
        notes.append(
            f"Inference times of {named(unfolded)} include a normalisation that cannot be folded into its convolution."
        )
    return notes


def training_time_notes(rows: Sequence[TableRow]) -> Iterator[str]:
    """How much longer or shorter rows train than their baselines, since equal steps are not equal compute.

    A format that does not print `Table.provenance`, such as LaTeX, can print this note alone. There is none if all
    ratios are within `SAME_TIME`.
    """
    baselines = {row.group: row.train_s for row in rows if row.baseline}
    ratios: dict[str, list[str]] = {}
    for row in rows:
        baseline_s = baselines.get(row.group)
        if (
            row.train_s
            and baseline_s
            and baseline_s > 1e-3
            and not 1 / SAME_TIME <= row.train_s / baseline_s <= SAME_TIME
        ):
            ratios.setdefault(f"{row.train_s / baseline_s:.2g}", []).append(row.name)
    if ratios:
        shown = listed([f"{times} times ({named(labels)})" for times, labels in ratios.items()])
        yield (
            f"Training time relative to the baseline: {shown}. Rows are compared as the study defines them, not at "
            "equal training time."
        )


def _hours(rows: Sequence[TableRow]) -> list[str]:
    """The training time that would decide the undecided rows."""
    open_rows = [f"'{row.name}' {row.worker_h:.2g}" for row in rows if row.worker_h is not None]
    if not open_rows:
        return []
    return [
        "Training hours on one worker for the seeds that undecided rows still need, baseline included: "
        f"{listed(open_rows)}."
    ]


def _differing(results: Sequence[RowResults]) -> list[str]:
    """One note for each provenance field in which trials differ, with the rows that differ from their baseline."""
    provenances = {result.row.name: _provenance_of(result) for result in results}
    baselines = {result.row.group: provenances[result.row.name] for result in results if result.row.is_baseline}
    everything = {key: flat for result in results for key, flat in _by_key(result, provenances[result.row.name])}
    notes = []
    for name in sorted({name for flat in everything.values() for name in flat}):
        counts = Counter(flat.get(name, "not recorded") for flat in everything.values())
        if len(counts) > 1:
            shown = [f"{value} ({count})" for value, count in counts.most_common()]
            apart = [
                result.row.name
                for result in results
                if _is_apart(provenances[result.row.name], baselines.get(result.row.group, {}), name)
            ]
            unlike = f" Different from their baseline: {named(apart)}." if apart else ""
            notes.append(f"Trials differ in {name}: {listed(shown)}.{unlike}")
    return notes


def _provenance_of(result: RowResults) -> dict[int, dict[str, str]]:
    """Provenance by seed of the trials with a result: a dead worker recorded nothing."""
    return {seed: dict(_flat(record.provenance)) for seed, record in result.records.items() if record.is_result}


def _by_key(result: RowResults, provenances: Mapping[int, dict[str, str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """A trial that several rows share counts once."""
    return ((result.keys[seed], flat) for seed, flat in provenances.items())


def _is_apart(row: Mapping[int, Mapping[str, str]], baseline: Mapping[int, Mapping[str, str]], name: str) -> bool:
    return any(row[seed].get(name) != baseline[seed].get(name) for seed in row.keys() & baseline.keys())


def _flat(provenance: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in provenance.items():
        if name in PASSING or name.endswith(("_at", "_s")):
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, one_line(str(value))
