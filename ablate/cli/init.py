"""The command `ablate init`: a first study file for a script."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from ablate.cli.output import say, show_text
from ablate.errors import TrialError, quote
from ablate.tasks.command.ask_parser import module_of
from ablate.tasks.command.draft import Style, draft_of_fields, draft_study
from ablate.tasks.command.options import read_options
from ablate.tasks.command.stored import find_python


def init(
    script: Path, command: Sequence[str], *, out: Path | None, python: str | None, fields: Sequence[str], style: Style
) -> None:
    """Write the study file of a script; `-` as `out` prints it instead.

    Raises:
        TrialError: the script is not there, or its options cannot be read, or the file exists.
    """
    try:
        source = script.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise TrialError(f"cannot read the script {quote(script)}: {error.strerror}") from error
    target = out if out is not None else Path(f"{script.stem}.toml")
    folder = Path.cwd() if str(target) == "-" else target.absolute().parent
    try:
        path = _program(script, folder)
        is_below = python is not None and "/" in python and not Path(python).is_absolute()
        asked = os.path.relpath(Path(python or "").absolute(), folder) if is_below else python
        if fields:
            text = draft_of_fields(path, source, fields, style, python=asked)
            how = f"{len(fields)} fields as given"
        else:
            kind, options = read_options(script.absolute(), find_python(python, Path.cwd()), command)
            text = draft_study(path, source, options, command, python=asked)
            how = f"{len(options)} options, read from its {'--help' if kind == 'help' else kind}"
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--field") from error
    if str(target) == "-":
        show_text(text)
        return
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise TrialError(f"{target} exists; choose another file with --out, or '--out -' to print") from None
    except OSError as error:
        raise TrialError(f"{target} cannot be written: {error.strerror}") from error
    say(f"{target}: {how}; edit it, then: ablate check {target}")


def _program(script: Path, folder: Path) -> str:
    """What a command says after `python`: the path of a script, or `-m package.train` for a part of a package.

    Raises:
        TrialError: the study's file is not in the folder that contains the package.
    """
    package = module_of(script)
    if package is None:
        return Path(os.path.relpath(script.absolute(), folder)).as_posix()
    top, name = package
    if top.resolve() != folder.resolve():
        raise TrialError(
            f"{quote(script.name)} is part of a package and runs as `python -m {name}`; write the study's file into "
            f"the folder of the package: --out {Path(os.path.relpath(top)) / f'{script.stem}.toml'}"
        )
    return f"-m {name}"
