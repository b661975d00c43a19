"""What a trial of a script costs besides the script: 64 scripts that sleep one second, two at a time.

The start of the script's interpreter counts as the script's own: it is measured alone, in the same run, by running the
same command without ablate, two at a time. The result is the ratio of both wall times, and that of ablate's to the
sleeping alone.

    python -m benchmarks.command_overhead --trials 64
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ablate

SCRIPT = """
import json, sys, time
time.sleep(float(sys.argv[1]))
print(json.dumps({"acc": 0.5}))
"""


def wall_of_ablate(folder: Path, trials: int, sleep_s: float) -> float:
    """Wall seconds from the first trial to the last, without planning, tables and plots."""
    study = {
        "name": "overhead",
        "seeds": trials,
        "command": {"run": f"python {folder / 'sleep.py'} {sleep_s} {{seed}}", "metrics": {"acc": "max"}},
        "rows": [{"label": "one"}],
    }
    moments: list[float] = []
    began = time.monotonic()
    ablate.run(study, progress=lambda _: moments.append(time.monotonic()), workers=2, out=folder / "out")
    return moments[-1] - began


def wall_of_scripts(folder: Path, trials: int, sleep_s: float) -> float:
    """Wall seconds of the same scripts, started by hand two at a time."""
    command = [sys.executable, str(folder / "sleep.py"), str(sleep_s)]
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: subprocess.run(command, check=True, capture_output=True), range(trials)))
    return time.monotonic() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--sleep-s", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sleep.py").write_text(SCRIPT)
        before = wall_of_scripts(folder, options.trials, options.sleep_s)
        ours = wall_of_ablate(folder, options.trials, options.sleep_s)
        after = wall_of_scripts(folder, options.trials, options.sleep_s)
    alone = (before + after) / 2
    asleep = options.trials * options.sleep_s / 2
    print(f"scripts by hand: {before:.1f} s and {after:.1f} s; with ablate: {ours:.1f} s; asleep: {asleep:.1f} s")
    print(f"ratio to the scripts by hand {ours / alone:.3f}, to the sleep alone {ours / asleep:.3f}")


if __name__ == "__main__":
    main()
