"""What the queue costs as it grows: durable submits, claims of 64, list pages with 10^3, 10^4 and 10^5 trials queued.

Every submit is planned, stored and synced to the disk (SQLite, `synchronous=FULL`), as `POST /studies` does it, less
HTTP. Claims are committed, and given back between measurements. Figures are medians with quartiles; "flat" is read
from the last column, depth 10^5 over depth 10^3.

Measured on two cores of a shared AMD EPYC, n = 40, others at work: submit 10.4, 13.9 and 20.4 ms, claim of 64 10.5,
10.4 and 16.8 ms, page of 20 studies 13.8, 11.5 and 16.0 ms, page of 50 trials 1.8, 1.7 and 1.7 ms.

    python -m benchmarks.queue_depth
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablate.remote.documents.studies import Submission
from ablate.study.resources import Resources
from service.context import Context, open_context
from service.settings import Settings
from service.store.queue import claims
from service.store.queue.states import Requeue
from service.store.sql import now
from service.studies import lifecycle, trials
from service.studies import submit as submitting

TRIALS_A_STUDY = 50
CLAIM = 64


def build_submission(number: int, seeds: int) -> Submission:
    """A study of one row, whose trials no other has."""
    base = {"dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "steps": 8}
    base |= {"lr": 0.001 + number * 1e-6}
    return Submission(study={"name": f"s{number % 50}", "seeds": seeds, "base": base, "rows": [{"label": "a"}]})


def timed(function: Callable[[], Any], times: int) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        found.append(1e3 * (time.perf_counter() - began))
    return found


class Bench:
    """A database that is filled step by step."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.submitted = 0
        self.depth = 0
        self.ids: list[str] = []

    def submit(self, seeds: int) -> None:
        """Submit one more study."""
        self.submitted += 1
        self.ids.append(submitting.submit(self.context, build_submission(self.submitted, seeds))[0].id)
        self.depth += seeds

    def fill(self, depth: int) -> None:
        """Submit until so many trials are queued."""
        while self.depth < depth:
            self.submit(TRIALS_A_STUDY)

    def claim(self) -> list[claims.Claimed]:
        """Claim 64, durably."""
        with self.context.store.write() as connection:
            return claims.claim(connection, Resources(), CLAIM, now())

    def give_back(self, claimed: list[claims.Claimed]) -> None:
        """Queue them again."""
        with self.context.store.write() as connection:
            for claim in claimed:
                claims.end_attempt(connection, claim.key, claim.fence, Requeue("stopped", None, "measured"), now())

    def measure(self, times: int) -> dict[str, list[float]]:
        """Milliseconds of every operation at the present depth."""
        claim_ms = []
        for _ in range(times):
            claimed: list[claims.Claimed] = []
            claim_ms += timed(lambda claimed=claimed: claimed.extend(self.claim()), 1)  # type: ignore[misc]
            self.give_back(claimed)
        middle = self.ids[len(self.ids) // 2]
        cursor = str(max(len(self.ids) // 2, 21))
        lists: dict[str, Callable[[], Any]] = {
            "page of 20 studies": lambda: lifecycle.list_studies(
                self.context, state=None, name=None, limit=20, cursor=cursor
            ),
            "page of 50 trials": lambda: trials.list_cells(self.context, middle, state=None, limit=50, cursor="20"),
            "one study": lambda: lifecycle.get_study(self.context, middle),
        }
        found = {f"claim of {CLAIM}": claim_ms} | {name: timed(call, times) for name, call in lists.items()}
        return {"submit of 10 trials": timed(lambda: self.submit(10), times), **found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--depths", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        context = open_context(Settings(home=Path(folder)))
        bench = Bench(context)
        found = {}
        for depth in arguments.depths:
            bench.fill(depth)
            found[depth] = bench.measure(arguments.times)
        context.close()
    print(f"milliseconds, median [quartiles], n = {arguments.times}")
    for name in found[arguments.depths[0]]:
        cells = []
        for depth in arguments.depths:
            low, middle, high = statistics.quantiles(found[depth][name], n=4)
            cells.append(f"{middle:8.2f} [{low:.2f}, {high:.2f}]")
        first, last = (statistics.median(found[depth][name]) for depth in (arguments.depths[0], arguments.depths[-1]))
        print(f"{name:20} " + "  ".join(cells) + f"   x {last / first:.2f}")


if __name__ == "__main__":
    main()
