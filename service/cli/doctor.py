"""`ablate doctor`. Importing this module adds the command to the console script."""

from __future__ import annotations

import typer

from ablate.cli.app import app
from ablate.cli.options import AsJson
from ablate.cli.output import say, show_json

SICK = 1


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Examine this machine, and say what to do.

    Examined are Python and its packages, torch and its device, CPUs and memory, the state directory, its disk and
    locks, shared memory, limits, the port, the database, Ray, MLflow and the data sets. Nothing is changed. It takes
    at most ten seconds.

    Exit status: 0; 1 if something must be mended.
    """
    from service.doctor.examine import examine

    findings = examine()
    is_sick = any(one.state == "error" for one in findings)
    if as_json:
        show_json({"ok": not is_sick, "findings": [one.model_dump() for one in findings]})
        raise typer.Exit(SICK if is_sick else 0)
    width = max(len(one.about) for one in findings)
    for one in findings:
        say(f"{one.state:<8} {one.about:<{width}}  {one.text}")
        if one.advice:
            say(f"{'':<8} {'':<{width}}  -> {one.advice}")
    raise typer.Exit(SICK if is_sick else 0)
