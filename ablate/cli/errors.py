"""How a command ends in an error: sentences on stderr, or JSON on stdout, and the exit status."""

from __future__ import annotations

import errno
import re
import traceback
from io import StringIO
from pathlib import Path
from typing import Any

from ablate.cli.output import say, show_json, show_text
from ablate.cli.streams import drop_output
from ablate.errors import AblateError, StudyError
from ablate.names import closest
from ablate.text import in_plain_words, visible

HOLES, WRONG_INPUT, INTERNAL = 1, 2, 70
INDENTED = re.compile(r"\n(?=  )")
"""The line breaks of our own lists in an error; any other is part of a name."""
WRONG_CHOICE = re.compile(r"'(.*)' is not one of (.+)")
"""The message of the package `typer` on an argument that is none of its choices."""


def show_error(error: AblateError, *, as_json: bool) -> int:
    """Print an error that a user can act on. Returns the exit status."""
    problems, left_out = (error.problems, error.more) if isinstance(error, StudyError) else ((), 0)
    if as_json:
        items = [{"pointer": p.pointer, "code": p.code, "message": p.message} for p in problems]
        more = {"more": left_out} if left_out else {}
        show_json({"error": str(error), "errors": items, **more}, indent=None)
        return error.exit_status
    for line in problems or [error]:
        for part in INDENTED.split(f"error: {line}"):
            say(part, err=True)
    if left_out:
        say(f"error: and {left_out} more", err=True)
    return error.exit_status


def show_usage_error(error: Any) -> int:
    """Print an error in the arguments, which typer found. Returns the exit status."""
    message = in_plain_words(visible(str(error.message).removeprefix("Value error, ")))
    error.message = _with_nearest(message)
    shown = StringIO()
    error.show(shown)
    show_text(shown.getvalue(), err=True)
    return WRONG_INPUT


def _with_nearest(message: str) -> str:
    """The message on a wrong choice, with the choice that is most likely meant."""
    found = WRONG_CHOICE.search(message)
    match = closest(found[1], re.findall(r"'([^']*)'", found[2])) if found else None
    return f"{message} Did you mean '{match.name}'?" if match else message


def show_missing(error: ModuleNotFoundError, *, as_json: bool) -> int:
    """Print what to install for a package of an optional part. Any other missing package is an internal error."""
    from ablate.local.packages import describe_missing

    text = describe_missing(error)
    return show_error(AblateError(text), as_json=as_json) if text else show_internal()


USELESS = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""What the system says of a path that somebody chose badly; `FAULTS` has what it says of a disk."""


def show_os_error(error: OSError, *, as_json: bool) -> int:
    """Print what is wrong with a file or folder, and what to set. Any other error is an internal one."""
    from ablate.settings import SettingsError, read_library_settings
    from ablate.trials.machine import FAULTS

    if error.errno in FAULTS and error.filename is None:  # of a write, perhaps to stdout
        drop_output()
        return show_error(
            AblateError(f"the output, or a file, cannot be written: {FAULTS[error.errno]}"), as_json=False
        )
    if error.errno not in (*USELESS, *FAULTS) or not isinstance(error.filename, (str, Path)):
        return show_internal()
    text = f"{error.filename} cannot be used: {FAULTS.get(error.errno) or error.strerror}"
    try:
        settings = read_library_settings()
    except SettingsError:
        return show_error(AblateError(text), as_json=as_json)
    for name, folder in (("ABLATE_DATA", settings.data_root), ("ABLATE_HOME", settings.home)):
        if Path(error.filename).is_relative_to(folder):
            text = f"{text}; set {name} to a folder that you can write to"
            break
    return show_error(AblateError(text), as_json=as_json)


def show_internal() -> int:
    """Print the traceback of the exception that is being handled: the only place for unexpected errors."""
    show_text(traceback.format_exc(), err=True)
    say("internal error; please report the lines above", err=True)
    return INTERNAL
