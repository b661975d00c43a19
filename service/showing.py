"""What the service's commands show of its answers on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ablate.progress import duration_text

STATES = ("succeeded", "diverged", "failed", "cancelled", "running", "queued")


def show_studies(studies: Sequence[Mapping[str, Any]]) -> None:
    """One line a study."""
    _show_table(
        ("id", "name", "scale", "state", "cells", "left", "created"),
        [
            (
                study["id"], study["name"], study["scale"] or "-", study["state"], _counts(study["progress"]),
                _left(study), study["created_at"][:16].replace("T", " "),
            )
            for study in studies
        ],
    )  # fmt: skip


def show_study(study: Mapping[str, Any], cells: Sequence[Mapping[str, Any]]) -> None:
    """A study and its cells."""
    show_studies([study])
    for warning in study["warnings"]:
        typer.echo(f"warning: {warning['message']}")
    if study["reason"]:
        typer.echo(f"{study['state']}: {study['reason']}")
    typer.echo("")
    _show_table(
        ("row", "seed", "trial", "state", "attempts", "result"),
        [
            (
                cell["row"], str(cell["seed"]), cell["key"][:12], cell["state"], str(len(cell["attempts"])),
                _result(cell),
            )
            for cell in cells
        ],
    )  # fmt: skip


def show_trial(trial: Mapping[str, Any]) -> None:
    """A trial."""
    places = "; ".join(f"{place['row']} of {place['study_id']}" for place in trial["rows"])
    lines = {
        "key": trial["key"],
        "state": trial["state"] + (f": {trial['reason']}" if trial["reason"] else ""),
        "rows": places,
        "seed": f"{trial['seed']}" + (f", replicate {trial['replicate']}" if trial["replicate"] else ""),
        "step": f"{trial['step']} of {trial['steps']}" if trial["steps"] else "-",
        "metrics": _metrics(trial["metrics"]),
        "recipe": json.dumps(trial["recipe"], ensure_ascii=False),
        "where": json.dumps(trial["provenance"], ensure_ascii=False),
    }
    for name, text in lines.items():
        typer.echo(f"{name:8} {text}")
    for attempt in trial["attempts"]:
        reason = f": {attempt['reason']}" if attempt["reason"] else ""
        typer.echo(f"attempt {attempt['number']} {attempt['state']} from {attempt['started_at'][:19]}{reason}")


def _show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console(width=None if sys.stdout.isatty() else 200).print(table, highlight=False)


def _counts(progress: Mapping[str, Any]) -> str:
    parts = [f"{progress[state]} {state}" for state in STATES if progress[state]]
    shared = [f"{progress['shared']} shared"] if progress["shared"] else []
    return f"{progress['trials']}: {', '.join(parts + shared)}"


def _left(study: Mapping[str, Any]) -> str:
    return "-" if study["eta_s"] is None else duration_text(study["eta_s"])


def _result(cell: Mapping[str, Any]) -> str:
    if cell["state"] in ("failed", "diverged"):
        return cell["reason"] or ""
    progress = f"step {cell['step']} of {cell['steps']} " if cell["state"] == "running" and cell["steps"] else ""
    return progress + _metrics(cell["metrics"])


def _metrics(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
