"""Options that several commands have, of the library and of the service alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="Study document, .toml or .json.", show_default=False)]
Scale = Annotated[
    str | None,
    typer.Option(help="Scale of the study. Default: mini if the study has it, else base.", show_default=False),
]
Seeds = Annotated[int | None, typer.Option(min=1, help="Number of seeds. Default: the study's.", show_default=False)]
Out = Annotated[
    Path | None, typer.Option(help="Folder of the results. Default: ablate-out/NAME-SCALE.", show_default=False)
]
Cpus = Annotated[
    int | None, typer.Option(min=1, max=1024, help="CPUs per trial. Default: the study's.", show_default=False)
]
Gpus = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=64,
        help="GPUs per trial; trials with fractions share a GPU. Default: the study's.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of the table, separated by commas. 'factors': one column for each factor. 'all': every column.",
        show_default=False,
    ),
]
Notes = Annotated[bool, typer.Option("--notes", help="Print all notes below the table, not only its summary.")]
Full = Annotated[bool, typer.Option("--full", help="Show every column, like --columns all.")]


def chosen_columns(columns: str | None, *, full: bool) -> list[str] | None:
    """The columns that `--columns` and `--full` ask for; None for the table's own choice."""
    if full and columns is not None:
        text = "--full shows every column and --columns some; use only one of them"
        raise typer.BadParameter(text)
    return ["all"] if full else columns.split(",") if columns else None


def asked_resources(cpus: int | None, gpus: float | None) -> dict[str, float]:
    """The fields of a study's `[resources]` that the options replace. They are not in a trial's key."""
    return {name: value for name, value in (("cpus", cpus), ("gpus", gpus)) if value is not None}
