"""What `ablate run` costs beyond training: its whole wall time over that of the bare trials.

Bare: two processes that have torch and the data in memory train half of the trials each in a plain loop, at the same
time; the slower one counts. The command: `ablate run --workers 2` on the same 16 trials as a user types it, from the
start of the process to the table and plots on the disk, with imports, inspection of the rows, syncing and measuring.
Arms take turns, A B A B; the ratio is of medians. Takes about 7 minutes a round on two cores.

Measured on two cores of a shared AMD EPYC, n = 2 rounds: 1.046 (bare 203 and 227 s, command 225 and 225 s). Goal 1.05.

    python -m benchmarks.pool_overhead --rounds 2
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from ablate.study.plan import plan_document
from ablate.study.text import read_document
from ablate.trials.run import run_trial
from ablate.trials.trial import Outcome, Trial
from ablate.workers.environment import WORKER_ENVIRONMENT, child_environment

STUDY = Path(__file__).parent.parent / "studies" / "table05.toml"
SEEDS, ROWS, WORKERS = 8, 2, 2


def build_document() -> dict[str, Any]:
    """The miniature Table 5, cut to two rows and eight seeds: 16 trials."""
    document: dict[str, Any] = read_document(STUDY)
    document["rows"] = document["rows"][:ROWS]
    return document | {"seeds": SEEDS}


def train(trials: list[Trial], ready: Barrier, answer: Any) -> None:
    """Train in a plain loop; what is imported and loaded once is imported and loaded before the clock starts."""
    import torch

    from ablate.training.images.data import load

    torch.set_num_threads(1)
    for is_train in (True, False):
        load("fashion-mnist", train=is_train, device="cpu")
    ready.wait()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for trial in trials:
            *_, outcome = run_trial(trial, Path(folder) / trial.key)
            assert isinstance(outcome, Outcome)
            assert outcome.status == "succeeded", outcome.reason
    answer.put(time.perf_counter() - began)


def time_bare(document: dict[str, Any]) -> float:
    """Wall seconds of the slower of two bare processes."""
    trials = list(plan_document(document, scale="mini").trials.values())
    return time_trials(trials)


def time_trials(trials: list[Trial]) -> float:
    """Wall seconds of the slower of two bare processes that share these trials."""
    context = multiprocessing.get_context("spawn")
    ready, answer = context.Barrier(WORKERS), context.Queue()
    processes = [
        context.Process(target=train, args=(trials[first::WORKERS], ready, answer)) for first in range(WORKERS)
    ]
    with child_environment({**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": "1"}):
        for process in processes:
            process.start()
    times: list[float] = [answer.get() for _ in processes]
    for process in processes:
        process.join()
    return max(times)


def time_command(document: dict[str, Any]) -> float:
    """Wall seconds of `ablate run` on the same trials."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.json"
        study.write_text(json.dumps(document | {"table": {}}), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "service.cli.main",
            "run",
            str(study),
            "--scale",
            "mini",
            "--workers",
            str(WORKERS),
        ]
        began = time.perf_counter()
        subprocess.run([*command, "--out", f"{folder}/out"], check=True, capture_output=True)
        return time.perf_counter() - began


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="times that each arm is measured (default 2)")
    rounds = parser.parse_args().rounds
    document = build_document()
    bare, command = [], []
    for _ in range(rounds):
        bare.append(time_bare(document))
        command.append(time_command(document))
    ratio = statistics.median(command) / statistics.median(bare)
    figures = {"trials": SEEDS * ROWS, "workers": WORKERS, "rounds": rounds, "bare_s": bare, "command_s": command}
    print(json.dumps(figures | {"ratio": round(ratio, 3)}, indent=1))


if __name__ == "__main__":
    main()
