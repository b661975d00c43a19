"""How a command ends in an error: sentences on stderr, or JSON on stdout, and the exit status."""

from __future__ import annotations

import json
import traceback

import typer

from ablate.errors import AblateError, StudyError

WRONG_INPUT, INTERNAL = 2, 70


def show_error(error: AblateError, *, as_json: bool) -> int:
    """Print an error that a user can act on. Returns the exit status."""
    problems, left_out = (error.problems, error.more) if isinstance(error, StudyError) else ((), 0)
    if as_json:
        items = [{"pointer": p.pointer, "code": p.code, "message": p.message} for p in problems]
        more = {"more": left_out} if left_out else {}
        typer.echo(json.dumps({"error": str(error), "errors": items, **more}))
        return error.exit_status
    for line in problems or [error]:
        typer.echo(f"error: {line}", err=True)
    if left_out:
        typer.echo(f"error: and {left_out} more", err=True)
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
