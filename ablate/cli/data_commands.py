"""The commands `ablate data ...`; `ablate.cli.data` carries them out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from ablate.cli.help import App
from ablate.cli.options import AsJson
from ablate.cli.output import say

data = App(no_args_is_help=True, help="List, download and register data sets.")


@data.command("list")
def data_list(as_json: AsJson = False) -> None:
    """List all data sets, and where each one is on this machine."""
    from ablate.cli.data import list_data

    list_data(as_json=as_json)


@data.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="Name in `ablate data list`.")]) -> None:
    """Download a data set into the data folder and verify its files."""
    from ablate.data import fetch

    path = fetch.fetch(name, partial(say, err=True))
    say(path)


@data.command("add")
def data_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name to use in `dataset = ...`.")],
    folder: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of images. It is not copied.")],
    kind: Annotated[Literal["image-folder"], typer.Option(help="Kind of data set.")] = "image-folder",
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out damaged files instead of rejecting the folder.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="Replace the data set that has this name now, or its damaged record.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Register a folder of images as a data set.

    PATH contains one folder per class, or folders train and test (or val) that do. Images are jpg, jpeg, png, webp and
    bmp files with 8 bits per channel; each one is opened once to validate it. Without a test folder, a fifth of the
    images is used for testing, chosen by the content of each file.
    """
    from ablate.cli.data import add_data

    del kind  # there is only one
    add_data(name, folder, skip_damaged=skip_damaged, replace=replace, as_json=as_json)
