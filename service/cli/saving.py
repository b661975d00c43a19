"""`ablate table --out`: the table in every format, the value of every seed, and every plot, as files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import get_args
from zipfile import is_zipfile

from ablate.cli.output import say, writing_to
from ablate.remote.choices import PlotFormat, TableFormat
from ablate.remote.client import Client
from ablate.text import visible
from service.cli.connect import is_own


def save(client: Client, study_id: str, folder: Path, text: partial[str]) -> None:
    """Write the table in every format, `seeds.csv` and every plot to a folder. `table.md` has all notes."""
    with writing_to(folder, "--out"):
        _write(client, study_id, folder, text)
    say(f"tables and plots are in {folder}", err=True)


def _write(client: Client, study_id: str, folder: Path, text: partial[str]) -> None:
    from ablate.tables.plots.plot import plots_of

    folder.mkdir(parents=True, exist_ok=True)
    for name in get_args(TableFormat):
        content = text(name, notes=name == "md")
        if name != "json":
            content = visible(content, lines=True)
        (folder / f"table.{name}").write_text(content, encoding="utf-8", newline="")
    (folder / "seeds.csv").write_text(visible(client.seeds(study_id), lines=True), encoding="utf-8", newline="")
    shown = client.table(study_id, measured=False)
    for name in plots_of(shown):
        for kind in get_args(PlotFormat):
            (folder / f"{name}.{kind}").write_bytes(client.plot(study_id, name, kind))
    _save_panel(client, study_id, shown.rows[0].trials[0], folder)


def save_bundle(client: Client, study: str, out: Path, *, options: Mapping[str, bool], force: bool) -> None:
    """Download the bundle of a study to a file. `options` are those of `Client.download_bundle`.

    Raises:
        BundleError: the file exists already, or weights were asked for and the service is on another machine.
    """
    from ablate.bundle.archive import BundleError, new_file

    if options["weights"] and not is_own(client):
        raise BundleError(
            f"--weights needs the service of this state directory, and {client.url} is another one; run the command on "
            "its machine, or export without --weights"
        )
    with new_file(out, force=force) as file:
        say("the service writes the bundle", err=True)
        client.download_bundle(study, file, **options)
        if not is_zipfile(file):
            raise BundleError(f"{client.url} sent no bundle; check that it is the address of an ablate service")


def _save_panel(client: Client, study_id: str, trial_key: str, folder: Path) -> None:
    """Write the panel of a study of scenes; if there is none (yet), print the service's reason."""
    from ablate.remote.errors import RefusedError
    from ablate.tables.plots.panel import TASKS

    if client.trial(trial_key).task not in TASKS:
        return
    try:
        (folder / "panel.png").write_bytes(client.plot(study_id, "panel", "png"))
    except RefusedError as refusal:
        say(str(refusal), err=True)
