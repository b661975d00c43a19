"""`ablate files`: what the code of a trial wrote into its folder, of the service or of a folder of `ablate run`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import app
from ablate.cli.options import AsJson
from ablate.cli.output import say, show_text, writing_to
from ablate.errors import TrialError, quote
from service.cli.connect import Url, connected, show

if TYPE_CHECKING:
    from ablate.remote.documents.trials import FilesView
    from service.cli.rerun import CellAddress, Key, Target

MAX_SHOWN_BYTES = 16 << 20
"""Largest text that is printed on a terminal."""


@app.command()
def files(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="KEY of a trial (its first 8 digits or more), ID:ROW:SEED of a study, or FOLDER:KEY or "
            "FOLDER:ROW:SEED of a folder that `ablate run` wrote.",
            show_default=False,
        ),
    ],
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="File to print, as it is listed.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the file here instead of printing it.", show_default=False)
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the files that the code of a trial wrote, or print one of them.

    Files of ablate itself, copies of your code, and links are left out. `ablate logs` prints the log.

    \b
    ablate files 3f9a2c71                                  a trial of the service
    ablate files ablate-out/mine-base:full:0               a cell of a folder
    ablate files 3f9a2c71 files/model.pt --out model.pt
    """
    from service.cli import rerun as targets

    named = targets.read_target(target)
    if path is None:
        found = _list(named, url)
        show(found, as_json, lambda: _show(found))
        return
    with tempfile.TemporaryFile() as file:  # so that nothing is written if there is no such file
        _copy(named, path, file, url)
        file.seek(0)
        if out is None:
            _print(file, path)
            return
        with writing_to(out, "--out"), out.open("wb") as saved:
            shutil.copyfileobj(file, saved)
    show({"file": str(out.absolute())}, as_json, f"{path} is in {out}")


def _list(named: Target, url: str | None) -> FilesView:
    from ablate.remote.documents.trials import FileOfTrial, FilesView
    from ablate.tasks.files import list_files
    from service.cli import rerun as targets

    place, what = named
    if isinstance(place, Path):
        folder, task, key = _folder_of(place, what)
        found = [FileOfTrial(path=one.path, size=one.size) for one in list_files(folder, task)]
        return FilesView(key=key, files=found, more=0)
    with connected(url) as client:
        return client.files(targets.find_key(client, place, what))


def _copy(named: Target, path: str, file: IO[bytes], url: str | None) -> None:
    from ablate.tasks.files import open_file
    from service.cli import rerun as targets

    place, what = named
    if isinstance(place, Path):
        folder, task, _ = _folder_of(place, what)
        with open_file(folder, task, path) as (source, _size):
            shutil.copyfileobj(source, file)
        return
    with connected(url) as client:
        client.download_file(targets.find_key(client, place, what), path, file)


def _folder_of(place: Path, what: Key | CellAddress) -> tuple[Path, str, str]:
    """Folder, task and key of a trial of `ablate run`."""
    from ablate.local.folder import Folder
    from service.cli import rerun as targets

    trial = targets.find_in_folder(place, what).trial
    return Folder(place).workdir(trial.key), trial.task, trial.key


def _show(found: FilesView) -> None:
    from service.cli import show_studies as screen

    if not found.files:
        say("the code of the trial wrote no file into its folder")
        return
    screen.show_rows(("file", "bytes"), [(one.path, f"{one.size:,}") for one in found.files])
    if found.more:
        say(f"and {found.more:,} more files")


def _print(file: IO[bytes], path: str) -> None:
    """Print a file: its bytes, or on a terminal its text."""
    if not sys.stdout.isatty():
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    content = file.read(MAX_SHOWN_BYTES + 1)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or len(content) > MAX_SHOWN_BYTES:
        raise TrialError(f"{quote(path)} is not a short text; save it with --out FILE")
    show_text(text)
