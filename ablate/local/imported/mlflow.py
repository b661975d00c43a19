"""The runs of MLflow as a sheet, as `mlflow.search_runs` gives them: from its database, or from a folder `mlruns`.

Both are read without the package mlflow.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ablate.errors import TableError, nearest, quote
from ablate.local.imported.sheet import Line, Sheet

SQLITE = b"SQLite format 3\0"
STATUS, NAME = "status", "tags.mlflow.runName"
STATES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
"""Numbers of states in `meta.yaml`."""
Run = dict[str, str]


def read_database(path: Path, experiment: str | None) -> Sheet:
    """The runs in a tracking database (SQLite).

    Raises:
        TableError: it is not one of MLflow, or the experiment is not clear.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            known = dict(
                connection.execute("SELECT name, experiment_id FROM experiments WHERE lifecycle_stage='active'")
            )
            counts = connection.execute(
                "SELECT experiment_id, count(*) FROM runs WHERE lifecycle_stage='active' GROUP BY experiment_id"
            )
            used = {str(key) for key, _ in counts}
            chosen = _chosen(
                path.name, {str(name): str(key) for name, key in known.items() if str(key) in used}, experiment
            )
            runs: dict[str, Run] = {
                run: {NAME: name or run, STATUS: status}
                for run, name, status in connection.execute(
                    "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage='active' "
                    "AND CAST(experiment_id AS TEXT)=? ORDER BY start_time, run_uuid",
                    (chosen,),
                )
            }
            for table, value, kind in (
                ("params", "value", "params"),
                ("latest_metrics", "CASE WHEN is_nan THEN 'nan' ELSE value END", "metrics"),
            ):
                for run, key, text in connection.execute(f"SELECT run_uuid, key, {value} FROM {table}"):
                    if run in runs:
                        runs[run][f"{kind}.{key}"] = str(text)
    except sqlite3.Error as error:
        raise TableError(f"{path.name} is not a tracking database of MLflow: {error}") from error
    return _sheet(path.name, runs)


def read_folder(path: Path, experiment: str | None) -> Sheet:
    """The runs in a folder `mlruns`, or in that of one of its experiments.

    Raises:
        TableError: there are none, or the experiment is not clear.
    """
    folders = [path] if (path / "meta.yaml").is_file() else [meta.parent for meta in path.glob("*/meta.yaml")]
    known = {_meta(folder).get("name", folder.name): folder for folder in sorted(folders) if any(_runs_of(folder))}
    if not known:
        raise TableError(f"{quote(path)} has no runs of MLflow; give the folder mlruns, its database, or a CSV file")
    chosen = _chosen(path.name, {name: str(folder) for name, folder in known.items()}, experiment)
    found = sorted(_runs_of(Path(chosen)), key=lambda run: (_meta(run).get("start_time", ""), run.name))
    return _sheet(path.name, {run.name: _run(run) for run in found})


def _runs_of(folder: Path) -> Iterator[Path]:
    for meta in folder.glob("*/meta.yaml"):
        if _meta(meta.parent).get("lifecycle_stage", "active") == "active" and (meta.parent / "metrics").is_dir():
            yield meta.parent


def _run(folder: Path) -> Run:
    meta = _meta(folder)
    status = meta.get(STATUS, "")
    run = {NAME: meta.get("run_name") or folder.name, STATUS: STATES.get(status, status)}
    run |= {f"params.{name}": text.strip() for name, text in _files(folder / "params")}
    for name, text in _files(folder / "metrics"):
        last = (text.strip().splitlines() or [""])[-1].split()  # time, value, step
        run[f"metrics.{name}"] = last[1] if len(last) > 1 else ""
    return run


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def _meta(folder: Path) -> Mapping[str, str]:
    """The plain values of `meta.yaml`."""
    text = (folder / "meta.yaml").read_text(encoding="utf-8", errors="replace")
    return {name: value.strip().strip("'\"") for name, value in re.findall(r"^(\w+):[ ]?(.*)$", text, re.MULTILINE)}


def _chosen(file: str, known: Mapping[str, str], asked: str | None) -> str:
    """The experiment that was asked for, or the only one that has runs."""
    if asked is not None:
        if asked not in known:
            raise TableError(f"{file} has no experiment {quote(asked)} with runs{nearest(asked, known)}")
        return known[asked]
    if len(known) != 1:
        names = ", ".join(map(quote, known)) or "none"
        raise TableError(f"{file} has {len(known)} experiments with runs ({names}); choose one with --experiment NAME")
    return next(iter(known.values()))


def _sheet(file: str, runs: Mapping[str, Run]) -> Sheet:
    columns = dict.fromkeys(name for run in runs.values() for name in run)
    lines = (
        Line(f"run {run[NAME]} ({key[:8]})", {name: run.get(name, "") for name in columns}) for key, run in runs.items()
    )
    return Sheet(file, tuple(columns), tuple(lines))


def without_parents(sheet: Sheet) -> Sheet:
    """The sheet without runs that ended well and have no metric: those that only hold other runs together."""
    metrics = [column for column in sheet.columns if column.startswith("metrics.")]
    if not metrics or STATUS not in sheet.columns:
        return sheet
    lines = (
        line for line in sheet.lines if line.cells[STATUS] != "FINISHED" or any(line.cells[name] for name in metrics)
    )
    return replace(sheet, lines=tuple(lines))


def digest(sheet: Sheet) -> str:
    """SHA-256 of the runs that were read, since a database changes with every run that is not read."""
    parts: Iterable[object] = ((line.place, sorted(line.cells.items())) for line in sheet.lines)
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()
