"""What the page costs on a full database: its list of studies, and a study of 40 rows and 8 seeds, as a browser asks.

The database (SQLite) contains 1,000 studies of the task `classify`; all except the newest 40 have ended. The page of
a study is measured with its table stored, and again while it runs, when the table is built for each answer. Figures
are medians with quartiles of whole requests through the application, without a network between.

Measured on two cores with nine other active processes (load 9), n = 30: list 76 ms [65, 107], unchanged 4.2 ms [2.3,
5.8], a study that has ended 197 ms [165, 232], one that runs 327 ms [250, 462].

    python -m benchmarks.page_load
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import update
from starlette.testclient import TestClient

from ablate.remote.documents.studies import Submission
from service.app import create_app
from service.context import Context, open_context
from service.settings import Settings
from service.store import studies
from service.store.sql import now
from service.store.tables import trials
from service.studies import conclude
from service.studies import submit as submitting

ROWS, SEEDS = 40, 8
BASE = {"dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "steps": 100}
HTML = {"accept": "text/html"}


def submit(context: Context, number: int, rows: int, seeds: int) -> str:
    """Store a study whose trials no other has; its id."""
    made = [{"label": f"row {row}", "set": {"lr": 0.001 * (row + 1) + number * 1e-7}} for row in range(rows)]
    document = {"name": f"study-{number}", "title": f"Study {number}", "seeds": seeds, "base": BASE, "rows": made}
    return submitting.submit(context, Submission(study=document))[0].id


def finish(context: Context, study_id: str, *, but: int = 0) -> None:
    """Give all trials of a study a result, except the last `but`, and conclude it if none is left."""
    at = now()
    with context.store.write() as connection:
        stored = studies.get_study(connection, study_id)
        cells = studies.list_cell_keys(connection, stored.seq)
        for index, cell in enumerate(cells[: len(cells) - but]):
            points = [
                {"kind": "epoch", "step": step, "steps": 100, "epoch": step / 10, "metrics": {"train_loss": 1 / step}}
                for step in range(10, 101, 10)
            ]
            metrics = {"top1_error_pct": 20 + index % 7 + 0.1 * cell.seed}
            outcome = {"kind": "outcome", "status": "succeeded", "metrics": metrics, "train_s": 1.0}
            values = {"state": "succeeded", "outcome": outcome, "curve": points, "started_at": at, "ended_at": at}
            connection.execute(update(trials).where(trials.c.key == cell.key).values(fence=1, **values))
    if not but:
        conclude.conclude(context, stored.seq)


def fill(context: Context, number: int) -> tuple[str, str]:
    """1,000 studies; the ids of a finished and of a running one of 40 rows and 8 seeds."""
    for index in range(number - 2):
        study_id = submit(context, index, 4, 3)
        if index < number - 40:
            finish(context, study_id)
    done, running = (submit(context, number + extra, ROWS, SEEDS) for extra in range(2))
    finish(context, done)
    finish(context, running, but=ROWS)
    return done, running


def timed(call: Callable[[], Any], times: int) -> list[float]:
    """Milliseconds of each call, after one that is not counted."""
    call()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(1e3 * (time.perf_counter() - began))
    return found


def measure(context: Context, done: str, running: str, times: int) -> dict[str, list[float]]:
    """Milliseconds of each page."""
    with TestClient(create_app(context), base_url="http://localhost", headers=HTML) as client:
        tag = client.get("/").headers["etag"]
        pages: dict[str, Callable[[], Any]] = {
            "list of studies": lambda: client.get("/").raise_for_status(),
            "the same, nothing new": lambda: client.get("/", headers={"if-none-match": tag}),
            f"study of {ROWS} x {SEEDS}, done": lambda: client.get(f"/studies/{done}").raise_for_status(),
            f"study of {ROWS} x {SEEDS}, runs": lambda: client.get(f"/studies/{running}").raise_for_status(),
        }
        return {name: timed(call, times) for name, call in pages.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--studies", type=int, default=1_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        context = open_context(Settings(home=Path(folder)))
        done, running = fill(context, arguments.studies)
        found = measure(context, done, running, arguments.times)
        context.close()
    print(f"milliseconds, median [quartiles], n = {arguments.times}, {arguments.studies:,} studies")
    for name, times_ms in found.items():
        low, middle, high = statistics.quantiles(times_ms, n=4)
        print(f"{name:28} {middle:8.1f} [{low:.1f}, {high:.1f}]")


if __name__ == "__main__":
    main()
