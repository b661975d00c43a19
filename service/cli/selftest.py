"""`ablate selftest`. Importing this module adds the command to the console script."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from ablate.cli.app import app
from ablate.cli.options import AsJson
from service.cli.connect import show

EXCEEDED = 1


@app.command()
def selftest(
    null: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of studies, each of three rows without any effect.")
    ] = 200,
    planted: Annotated[
        float,
        typer.Option(
            help="Add a row with this effect to each study, and count the tables that show it. The unit is the normal "
            "noise's standard deviation.",
            show_default=False,
        ),
    ] = 0.0,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31, help="Decides the random numbers. The same seed gives the same tables.")
    ] = 0,
    home: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the state of the service under test, which is kept. Default: a temporary one.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test that the service does not show effects where there are none.

    A service of its own, in a new state directory, runs studies whose rows do not differ: other random numbers, tests
    and noises in each. At most 5 % of their tables may show a better or worse row. Prints how many do, with the exact
    95 % interval. No running service is needed or touched.

    Exit status: 0; 1 if the whole interval is above 5 %, or if a study did not succeed.
    """
    from service.selftest.worlds import build_study

    studies = [build_study(number, seed=seed, planted=planted) for number in range(null)]
    raise typer.Exit(carry_out(studies, home, planted=planted, as_json=as_json))


def carry_out(
    studies: Sequence[Mapping[str, Any]], home: Path | None, *, planted: float = 0.0, as_json: bool = False
) -> int:
    """Run studies of `service.selftest.worlds` through a service of their own, and print how many tables are false.

    Returns:
        The exit status.
    """
    from ablate.cli.terminal import Terminal
    from service.selftest.level import judge
    from service.selftest.own_service import own_service
    from service.selftest.run import run_studies

    console, began_s = Terminal(stderr=True), time.monotonic()
    bars = console.build_bars()
    with ExitStack() as stack:
        home = home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ablate-selftest-")))
        if console.has_bars:
            stack.enter_context(bars)
        bar = bars.add_task("studies submitted and ended", total=2 * len(studies), note="")
        client = stack.enter_context(own_service(home.absolute()))
        level = judge(run_studies(client, studies, lambda: bars.advance(bar)), planted=planted)
    took = f"{level.trials:,} trials in {time.monotonic() - began_s:.0f} s."
    show(level, as_json, [*level.sentences(), took])
    return EXCEEDED if level.verdict == "exceeded" else 0
