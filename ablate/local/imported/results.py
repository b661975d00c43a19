"""From a file of another program to a study with results, in a folder that commands read like one of `ablate run`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ablate.errors import TableError, TrialError, nearest, quote
from ablate.local.folder import Folder
from ablate.local.imported.goals import Goal
from ablate.local.imported.mlflow import SQLITE, digest, read_database, read_folder, without_parents
from ablate.local.imported.roles import Asked, find_roles
from ablate.local.imported.runs import Run, read_runs
from ablate.local.imported.sheet import Sheet, read_bytes, read_sheet
from ablate.local.lines import append_lines
from ablate.settings import read_library_settings
from ablate.study.imported import IMPORTED
from ablate.study.plan import Plan, plan_document
from ablate.trials.trial import Outcome, TrialRecord


@dataclass(frozen=True, slots=True)
class Results:
    """Results of another program as a study.

    Attributes:
        plan: rows, seeds and the keys of the values.
        records: one for each row and seed.
        remarks: sentences on what was guessed, and on what is not as it should be.
    """

    plan: Plan
    records: tuple[TrialRecord, ...]
    remarks: tuple[str, ...]


def read_results(name: str, path: Path, asked: Asked) -> Results:
    """The results in a file: a CSV file, a tracking database of MLflow, or its folder `mlruns`.

    Args:
        name: of the study.
        path: of the file.
        asked: what the caller names.

    Raises:
        TableError: the file cannot be read, or what it contains is not clear.
        StudyError: the name or a label cannot be that of a study.
    """
    sheet, sha256 = _read(path, asked.experiment)
    sheet = without_parents(sheet)
    roles = find_roles(sheet, asked)
    runs = read_runs(sheet, roles, unpaired=asked.unpaired)
    if not runs:
        raise TableError(f"{path.name} has no run with a value")
    document = _document(name, sheet, runs, sha256, roles.metrics, asked)
    plan = plan_document(document, max_trials=read_library_settings().max_trials)
    at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="microseconds")
    by_place = {run.place: run for run in runs}
    records = [
        _record(plan, plan.memberships[row.name, seed], by_place.get((row.group, row.label, seed)), at)
        for row in plan.rows
        for seed in plan.seeds
    ]
    if asked.baseline is None:
        first = ", ".join(quote(row.name) for row in plan.rows if row.is_baseline)
        roles.remarks.append(f"baseline: {first}, the first row; --baseline ROW chooses another")
    return Results(plan, tuple(records), (*roles.remarks, *_unlike(plan, runs, has_seeds=roles.seed is not None)))


def write_records(results: Results, folder: Folder) -> None:
    """Write the results into a folder, in place of an earlier import. The caller has locked it.

    Raises:
        TrialError: the folder has results that ablate trained.
    """
    if folder.trials_file.exists():
        if "imported" not in folder.read_study().study:
            raise TrialError(f"{folder.path} has results of `ablate run`; choose another folder with --out")
        folder.trials_file.unlink()
    append_lines(folder.trials_file, results.records)


def _read(path: Path, experiment: str | None) -> tuple[Sheet, str]:
    if path.is_dir():
        sheet = read_folder(path, experiment)
        return sheet, digest(sheet)
    try:
        with path.open("rb") as file:
            start = file.read(len(SQLITE))
    except OSError as error:
        raise TableError(f"cannot read {quote(path)}: {error.strerror}") from error
    if start == SQLITE:
        sheet = read_database(path, experiment)
        return sheet, digest(sheet)
    if experiment is not None:
        raise TableError("--experiment is for a database or a folder of MLflow")
    data = read_bytes(path)
    return read_sheet(path.name, data), hashlib.sha256(data).hexdigest()


def _document(
    name: str, sheet: Sheet, runs: Sequence[Run], sha256: str, metrics: dict[str, Goal], asked: Asked
) -> dict[str, Any]:
    primary, *others = metrics
    rows = list(dict.fromkeys((run.group, run.label) for run in runs))
    return {
        "name": name,
        "seeds": sorted({run.place[2] for run in runs}),
        "metric": primary,
        "metrics": others,
        "base": {"task": IMPORTED, "source": sha256},
        IMPORTED: {
            "file": sheet.file, "sha256": sha256, "metrics": dict(metrics),
            **({"unpaired": True} if asked.unpaired else {}),
        },
        "rows": [
            {"label": label, "group": group, "set": {"row": label, "group": group}}
            if group
            else {"label": label, "set": {"row": label}}
            for group, label in rows
        ],
        **({"table": {"baseline": _baseline(rows, asked.baseline)}} if asked.baseline else {}),
    }  # fmt: skip


def _baseline(rows: Sequence[tuple[str | None, str]], asked: str) -> str | dict[str, str]:
    labels = list(dict.fromkeys(label for _, label in rows))
    if asked not in labels:
        raise TableError(f"no row {quote(asked)} for --baseline{nearest(asked, labels)}")
    groups = list(dict.fromkeys(group for group, _ in rows if group is not None))
    lacking = [group for group in groups if (group, asked) not in rows]
    if lacking:
        raise TableError(f"group {quote(lacking[0])} has no row {quote(asked)}, which --baseline names")
    return dict.fromkeys(groups, asked) if groups else asked


def _record(plan: Plan, key: str, run: Run | None, at: str) -> TrialRecord:
    outcome = Outcome(status="succeeded")  # without its metric: the file has no such run, and does not say why
    if run is not None:
        is_ok = run.status == "succeeded"
        outcome = Outcome(status=run.status, reason=run.reason, metrics=run.values if is_ok else {})
    return TrialRecord(trial=plan.trials[key], outcome=outcome, provenance={}, finished_at=at)


def _unlike(plan: Plan, runs: Sequence[Run], *, has_seeds: bool) -> list[str]:
    """A sentence if no seed is common to a row and its baseline."""
    if not has_seeds:
        return []
    seeds: dict[tuple[str | None, str], set[int]] = {}
    for run in runs:
        seeds.setdefault((run.group, run.label), set()).add(run.place[2])
    baselines = {row.group: seeds[row.group, row.label] for row in plan.rows if row.is_baseline}
    apart = [row.name for row in plan.rows if not seeds[row.group, row.label] & baselines[row.group]]
    if not apart:
        return []
    return [
        f"row {quote(apart[0])} and its baseline have no seed in common, so they are not compared; where seeds mean "
        "nothing, --unpaired pairs the runs in the order of the file"
    ]
