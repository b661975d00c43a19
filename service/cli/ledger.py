"""The command `ablate ledger`. Importing this module adds it to the console script."""

from __future__ import annotations

from typing import Annotated

import typer

from ablate.cli.app import app
from ablate.cli.options import AsJson
from ablate.remote.documents.ledger import Ledger
from ablate.statistics.words import counted
from service.cli.connect import Url, connected, show

MOST = 20
"""Pairs that are shown unless all are asked for."""


@app.command()
def ledger(
    alpha: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="False discovery rate over all pairs of the service.")
    ] = 0.05,
    everything: Annotated[
        bool, typer.Option("--all", help="Show every pair, in the order in which the pairs were first compared.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that was tested, and what of it holds over all of it together.

    Each table keeps its own level, but of many tables some show a false decision. The ledger counts them, and lists
    the pairs of rows with the strongest evidence over all their tries.
    """
    with connected(url) as client:
        found = client.ledger(alpha=alpha)
    show(found, as_json, lambda: show_ledger(found, everything=everything))


def show_ledger(found: Ledger, *, everything: bool = False) -> None:
    """Print a ledger as sentences and a row for each pair; without `everything`, for those with the most evidence."""
    from ablate.cli.terminal import Terminal

    console = Terminal()
    if not found.families:
        console.say("no study that decides on rows has ended yet")
        return
    exploratory = f" ({found.exploratory} of them exploratory)" if found.exploratory else ""
    console.say(
        f"{found.families} {'family' if found.families == 1 else 'families'} of rows compared with a baseline; "
        f"{found.decided} {'shows' if found.decided == 1 else 'show'} a row as better or worse{exploratory}"
    )
    console.say(f"if no row had any effect, at most {found.expected:.2g} of them would be expected to show one")
    console.say("")
    pairs = found.pairs if everything else sorted(found.pairs, key=lambda pair: -pair.evidence)[:MOST]
    console.show_rows(
        ("row", "baseline", "metric", "studies", "seeds", "last decision", "evidence", "needed", "holds"),
        [
            (pair.row, pair.baseline, pair.metric, str(len(pair.studies)), str(pair.n), pair.decision or "–",
             f"{pair.evidence:.3g}", f"{pair.needed:.3g}", "yes" if pair.is_discovery else "no")
            for pair in pairs
        ],
        right=(3, 4, 6, 7),
        spare=("metric", "needed", "studies", "evidence"),
    )  # fmt: skip
    if len(pairs) < len(found.pairs):
        console.say(f"... and {len(found.pairs) - len(pairs)} more pairs; --all shows them")
    held, share = sum(pair.is_discovery for pair in found.pairs), f"{100 * found.alpha:g} %"
    console.say("")
    console.say(
        f"of {counted(len(found.pairs), 'pair')}, {held} {'holds' if held == 1 else 'hold'} over everything that was "
        f"tested: at most {share} of such pairs are expected to be false (evidence of all seeds of all studies; e-LOND)"
    )
