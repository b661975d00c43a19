"""How a command ends in an error: sentences on stderr, or JSON on stdout, and the exit status."""

from __future__ import annotations

import json
import traceback

import typer

from ablate.errors import AblateError, StudyError

HOLES, WRONG_INPUT, INTERNAL = 1, 2, 70
MAX_LINES = 100
"""Problems of a document that are printed."""


def show_error(error: AblateError, *, as_json: bool) -> int:
    """Print an error that a user can act on. Returns the exit status."""
    problems = error.problems if isinstance(error, StudyError) else ()
    if as_json:
        items = [{"pointer": p.pointer, "code": p.code, "message": p.message} for p in problems]
        typer.echo(json.dumps({"error": str(error), "errors": items}))
        return error.exit_status
    lines = [str(problem) for problem in problems] or [str(error)]
    for line in lines[:MAX_LINES]:
        typer.echo(f"error: {line}", err=True)
    if len(lines) > MAX_LINES:
        typer.echo(f"error: and {len(lines) - MAX_LINES} more", err=True)
    return error.exit_status


def show_missing(error: ModuleNotFoundError, *, as_json: bool) -> int:
    """Print what to install for a package of an optional part. Any other missing package is an internal error."""
    from ablate.local.packages import describe_missing

    text = describe_missing(error)
    return show_error(AblateError(text), as_json=as_json) if text else show_internal()


def show_internal() -> int:
    """Print the traceback of the exception that is being handled: the only place for unexpected errors."""
    traceback.print_exc()
    typer.echo("internal error; please report the lines above", err=True)
    return INTERNAL
