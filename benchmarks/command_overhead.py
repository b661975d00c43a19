"""What a trial of a script costs besides the script: 64 scripts that sleep one second, two at a time.

The start of the script's interpreter counts as the script's own: it is measured alone, in the same run, by running the
same command without ablate, two at a time, before each arm and after the last one. The arms are `ablate run`, and a
service with Ray and MLflow to which the same script was registered. The results are the ratios of their wall times to
those of the scripts, and to the sleeping alone. Goal 1.10. Run it from the root of the checkout.

    python -m benchmarks.command_overhead --trials 64
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ablate
from ablate.remote.client import Client
from tests.service.processes import Running, install_task, serving

SCRIPT = """
import json, sys, time
time.sleep(float(sys.argv[1]))
print(json.dumps({"acc": 0.5}))
"""


def study_of(folder: Path, trials: int, sleep_s: float) -> dict[str, Any]:
    """A study whose trials sleep."""
    command = {"run": f"python {folder / 'sleep.py'} {sleep_s} {{seed}}", "metrics": {"acc": "max"}}
    return {"name": "overhead", "seeds": trials, "command": command, "rows": [{"label": "one"}]}


def wall_of_ablate(study: dict[str, Any], folder: Path) -> float:
    """Wall seconds from the first trial to the last, without planning, tables and plots."""
    moments: list[float] = []
    began = time.monotonic()
    ablate.run(study, progress=lambda _: moments.append(time.monotonic()), workers=2, out=folder / "out")
    return moments[-1] - began


def wall_of_service(service: Running, study: dict[str, Any]) -> float:
    """Wall seconds from POST to the end of the study's events."""
    began = time.monotonic()
    with Client(service.client.url) as client:
        assert client.wait(client.submit(study)).state == "succeeded"
    return time.monotonic() - began


def register(home: Path, folder: Path, study: dict[str, Any]) -> None:
    """Register the script with the service of a state directory."""
    path = folder / "sleep.json"
    path.write_text(json.dumps(study))
    command = [sys.executable, "-m", "service.cli.main", "task", "add", "sleep", str(path)]
    subprocess.run(command, check=True, env=os.environ | {"ABLATE_HOME": str(home)}, stdout=subprocess.DEVNULL)


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
        study = study_of(folder, options.trials, options.sleep_s)
        by_hand = [wall_of_scripts(folder, options.trials, options.sleep_s)]
        ours = wall_of_ablate(study, folder)
        by_hand.append(wall_of_scripts(folder, options.trials, options.sleep_s))
        with serving(folder / "home", install_task(folder / "site")) as service:
            register(service.home, folder, study)
            named: dict[str, Any] = {name: value for name, value in study.items() if name != "command"}
            named["base"] = {"task": "sleep"}
            wall_of_service(service, {**named, "seeds": list(range(options.trials, options.trials + 4))})  # warm
            served = wall_of_service(service, named)
        by_hand.append(wall_of_scripts(folder, options.trials, options.sleep_s))
    asleep = options.trials * options.sleep_s / 2
    print(f"scripts by hand: {', '.join(f'{wall:.1f}' for wall in by_hand)} s; asleep: {asleep:.1f} s")
    arms = ("ablate run", ours, sum(by_hand[:2]) / 2), ("the service", served, sum(by_hand[1:]) / 2)
    for arm, wall, alone in arms:
        print(f"{arm}: {wall:.1f} s, ratio to the scripts {wall / alone:.3f}, to the sleep alone {wall / asleep:.3f}")


if __name__ == "__main__":
    main()
