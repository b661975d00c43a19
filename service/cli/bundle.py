"""`ablate export`: a study of the service, or a folder of `ablate run`, as one zip file for a reviewer."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import app
from ablate.cli.options import AsJson
from ablate.cli.output import say
from service.cli.connect import Url, connected, show


@app.command()
def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Id or name of a study of the service, or a folder of `ablate run`.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Zip file to write.", show_default=False)],
    no_measured: Annotated[
        bool,
        typer.Option("--no-measured", help="Leave out times and memory, so that the same results give the same bytes."),
    ] = False,
    weights: Annotated[
        bool,
        typer.Option(
            "--weights",
            help="Include the trained weights: of a folder, or of the service of this state directory.",
        ),
    ] = False,
    no_code: Annotated[
        bool,
        typer.Option("--no-code", help="Leave out the code of your own script, function or task; its digest stays."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Write a study with all that a reviewer needs to one zip file.

    It contains the study, the value of every seed, the curves, logs, tables and plots, provenance, and what recomputes
    the table: verify.py and the wheel of ablate. Home folders, host names and keys are removed from logs and reasons.
    The code of your own script, function or task is in it as it is, unless --no-code leaves it out. The bundle is
    verified before the command ends.

    Exit status: 0 written, and its table follows from its values; 1 written, and what differs is listed; 2 refused.
    """
    from ablate.cli.bundle import export_folder, show_verdict

    options = {"measured": not no_measured, "weights": weights, "code": not no_code}
    if Path(source).is_dir():
        export_folder(Path(source), out, force=force, **options)
    else:
        from service.cli.saving import save_bundle

        with connected(url) as client:
            save_bundle(client, source, out, options=options, force=force)
    say(f"the bundle is in {out}; `ablate verify {shlex.quote(str(out))}` checks it, as is done here:", err=True)
    status = show_verdict(out, err=True)
    show({"bundle": str(out.absolute())}, as_json, None)
    raise typer.Exit(status)
