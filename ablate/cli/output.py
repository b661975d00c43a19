"""What the commands print goes through here: text of others is shown as text, and does not control the terminal.

ruff refuses `print`, `typer.echo` and rich's own console in the commands; `ablate.cli.terminal` is for tables and bars.
`ablate.text` describes what is escaped.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from ablate.errors import MachineError
from ablate.text import visible, visible_json

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def say(sentence: object = "", *, err: bool = False) -> None:
    """Print a sentence as one line on stdout, or on stderr."""
    typer.echo(visible(str(sentence)), err=err)


def show_text(text: str, *, err: bool = False) -> None:
    """Print a text of several lines, such as a table or a log; no line break is added."""
    typer.echo(visible(text, lines=True), err=err, nl=False)


def show_json(document: object, *, indent: int | None = 1) -> None:
    """Print a document as JSON; its values stay as they are."""
    show_json_text(json.dumps(document, indent=indent, ensure_ascii=False) + "\n")


def show_json_text(text: str) -> None:
    """Print a text that is JSON already; no line break is added.

    Where stdout cannot print its characters, they are written as the escapes of JSON.
    """
    text = visible_json(text)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    typer.echo(text, nl=False)


@contextmanager
def writing_to(path: Path, option: str) -> Iterator[None]:
    """Around everything that writes to a file or folder that an option names.

    Raises:
        MachineError: it cannot be written.
    """
    from ablate.trials.machine import describe_os_error

    try:
        yield
    except OSError as error:
        raise MachineError(
            f"cannot write to {path}: {describe_os_error(error)}; choose another place with {option}"
        ) from error
