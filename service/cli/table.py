"""How commands print the table of a study, also after they have waited until the study has ended."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.cli.app import HOLES
from ablate.cli.output import say, show_json_text, show_text
from ablate.remote.choices import TableFormat

if TYPE_CHECKING:
    from ablate.remote.client import Client
    from ablate.tables.selection import Selection


def wait_for_table(client: Client, study_id: str, *, notes: bool, as_json: bool) -> int:
    """Watch a study until it has ended, print its table, and name its holes. Returns the exit status."""
    from ablate.cli.terminal import Terminal
    from ablate.remote.errors import RefusedError
    from service.cli.watch import watch

    console = Terminal(stderr=True)
    try:
        state = watch(client, study_id, console)
    except KeyboardInterrupt:
        console.say(f"the study keeps running; `ablate watch {study_id}` shows its progress again")
        raise
    reason = client.study(study_id).reason
    try:
        show_table(partial(client.table_text, study_id, notes=notes), "json" if as_json else "md")
        if not (as_json or notes):
            say(f"more: ablate table {study_id} --notes", err=True)
    except RefusedError:  # it cannot be made, which is the reason that follows
        if not reason:
            raise
    if reason:
        say(f"{state}: {reason}", err=True)
    return 0 if state == "succeeded" else HOLES


def text_of_folder(folder: Path, format: str, *, selection: Selection, **options: Any) -> str:
    """The table that a run wrote into its folder, in a format; further options are those of `render`."""
    from ablate.local.results import read_written_table
    from ablate.tables.formats.render import render

    return render(selection.of(read_written_table(folder)), format, **options)


def show_table(text: partial[str], format: TableFormat) -> None:
    """Print a table in a format; `text` gives it."""
    (show_json_text if format == "json" else show_text)(text(format))
