"""What a trial of a function costs besides the function: 400 trials of one that returns a constant, one at a time.

Measured from the end of the first trial to the end of the last one, so without the start of the worker, planning, the
table and plots; a line of `trials.jsonl` is synced for each trial. Goal: at most 10 ms a trial.

Measured on two cores of a shared AMD EPYC, n = 399: 2.5 ms a trial, undisturbed (scheduled before all other processes);
11 ms while seven other processes waited for each core.

    python -m benchmarks.function_overhead --trials 400
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import ablate

FUNCTION = """
import ablate

@ablate.task(metrics={"acc": "max"})
def train(lr: float = 0.1, *, seed: int):
    return {"acc": lr + seed}
"""


def time_trials(folder: Path, trials: int, workers: int) -> list[float]:
    """Milliseconds between the ends of two trials."""
    (folder / "trained_function.py").write_text(FUNCTION)
    sys.path.insert(0, str(folder))
    train = importlib.import_module("trained_function").train
    moments: list[float] = []

    def note(line: str) -> None:
        if line.startswith("["):
            moments.append(time.perf_counter())

    ablate.run(train, rows={"one": {}}, seeds=trials, workers=workers, progress=note, out=folder / "out")
    return [1000 * (after - before) for before, after in pairwise(moments)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = time_trials(Path(name), options.trials, options.workers)
    mean, median = statistics.fmean(found), statistics.median(found)
    print(f"{mean:.2f} ms a trial (median {median:.2f}, slowest {max(found):.1f}; n = {len(found)} after the first)")


if __name__ == "__main__":
    main()
