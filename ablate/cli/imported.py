"""The command `ablate import`: results that exist already become a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.options import (
    AsJson,
    Caption,
    Columns,
    Delta,
    Digits,
    Full,
    Label,
    Notes,
    Order,
    Rename,
    Robust,
    Rows,
    Siunitx,
    Spread,
    Style,
    chosen_columns,
    chosen_rows,
)
from ablate.cli.output import say, show_json_text, show_text
from ablate.remote.choices import TableFormat


def import_results(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the study.", show_default=False)],
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS",
            help="CSV file: row, seed, metric and value; or a column for each metric; or an export of W&B or MLflow. "
            "Or a tracking database (SQLite) or a folder mlruns of MLflow.",
            show_default=False,
        ),
    ],
    row: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that names the rows; several together: the option several times. Default: by its name, else "
            "the settings that vary.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of the seeds. Default: by its name.", show_default=False),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of groups, within which rows are compared.", show_default=False),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=max|min]",
            help="Metric, and whether higher (max) or lower (min) is better, which the name may tell. The first one is "
            "tested; more are columns. Default: all whose names tell.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="ROW", help="Row of reference. Default: the first one.", show_default=False)
    ] = None,
    unpaired: Annotated[
        bool,
        typer.Option("--unpaired", help="The runs have no seeds: pair those of the rows in the order of the file."),
    ] = False,
    experiment: Annotated[
        str | None, typer.Option(help="Experiment of MLflow, if there are several.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results. Default: ablate-out/NAME-imported.", show_default=False),
    ] = None,
    format: Annotated[
        TableFormat | None,
        typer.Option(help="Default: tex with an option of LaTeX, else md.", show_default=False),
    ] = None,
    columns: Columns = None,
    full: Full = False,
    digits: Digits = None,
    robust: Robust = False,
    rows: Rows = None,
    order: Order = None,
    rename: Rename = None,
    style: Style = "paper",
    caption: Caption = None,
    label: Label = None,
    siunitx: Siunitx = False,
    delta: Delta = None,
    spread: Spread = "pm",
    notes: Notes = False,
    as_json: AsJson = False,
) -> None:
    """Make a table of results that exist already.

    ablate trains nothing. The statistics are those of `ablate run`. The table is marked as imported and exploratory,
    since nothing is known of how rows and seeds were chosen. Tables in five formats, seeds.csv and plots are written to
    the folder of the results, which other commands read.
    """
    from ablate.local.folder import Folder
    from ablate.local.imported.goals import read_metric
    from ablate.local.imported.results import read_results, write_records
    from ablate.local.imported.roles import Asked
    from ablate.local.results import Form, check_form, write_results
    from ablate.tables.formats.latex_options import LatexOptions

    latex = LatexOptions(style, caption, label, siunitx, delta, spread)
    selection = chosen_rows(rows, order, rename)
    form = Form(
        chosen_columns(columns, full=full), digits, notes=notes, robust=robust, selection=selection, latex=latex
    )
    metrics = tuple(map(read_metric, metric or ()))
    asked = Asked(tuple(row or ()), seed, group, metrics, baseline, unpaired, experiment)
    found = read_results(name, results, asked)
    for remark in found.remarks:
        say(remark, err=True)
    check_form(found.plan, form)
    folder = Folder(out or Path("ablate-out") / f"{name}-imported")
    with folder.locked():
        with folder.writing():
            write_records(found, folder)
        table = write_results(found.plan, folder, form)
    chosen: TableFormat = "json" if as_json else format or ("tex" if latex != LatexOptions() else "md")
    (show_json_text if chosen == "json" else show_text)(form.render(table, chosen) + "\n" * (chosen == "md"))
    say(f"tables in five formats, seeds.csv and plots are in {folder.path}", err=True)
