"""`ablate compare`: two rows of a study of the service, or of a folder of `ablate run`."""

from __future__ import annotations

from typing import Annotated

import typer

from ablate.cli.app import app
from ablate.cli.options import AsJson, RowsCommand
from service.cli.connect import OR_FOLDER, Url, connected, find_folder, pick_study, show


@app.command(cls=RowsCommand)
def compare(
    study: Annotated[
        str, typer.Argument(metavar="ID", help=f"{OR_FOLDER} Default: the newest study.", show_default=False)
    ],
    a: Annotated[str, typer.Argument(metavar="A", help="Row to judge: LABEL or GROUP / LABEL.", show_default=False)],
    b: Annotated[str | None, typer.Argument(metavar="B", help="Row to compare it with.", show_default=False)] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Compare two rows of a study, seed by seed. With two labels alone: of the newest study.

    Answers whether A really differs from B. A row and its baseline are compared as the study planned it. Other rows
    are compared post hoc: p is corrected over all pairs of the table's rows. Rows of classify are also compared image
    by image: an interval for other test images, and the images on which only one of them is right.
    """
    from service.cli import show_studies as screen

    folder = find_folder(study)
    if folder is not None:
        from ablate.local.study import compare_folder

        if b is None:
            raise typer.BadParameter(f"name two rows: ablate compare {study} A B", param_hint="B")
        found = compare_folder(folder, a, b)
    else:
        with connected(url) as client:
            found = client.compare(study, a, b) if b is not None else client.compare(pick_study(client, None), study, a)
    show(found, as_json, lambda: screen.show_pair(found))
