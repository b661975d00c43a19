"""What the service costs beyond training, with a real service: REST, queue, Ray, MLflow, all of it.

* grid: a grid of 32 trials of about 3 s through the warm service, from POST to `done`, over the bare training of the
  same trials in two processes (`pool_overhead.time_trials`). Goal 1.03; above 1.10 is not done.
* mirror: the same grid with the mirror in MLflow over the same without it. Goal 1.01.
* trial: wall of 300 empty trials, each. Goal 10 ms.
* start: POST to the first line of an empty trial, and POST to the end of a real trial of one training step on digits
  (network, data, step, evaluation of 355 images), with the architecture known. Goal 0.1 s; above 1 s is not done.

Measured on two cores of a shared AMD EPYC, one round (n = 1 a grid arm): grid 1.022 (bare 62.5 s, service 63.9 s),
mirror 1.048 (without it 60.9 s), 15.3 ms an empty trial (n = 300; before the queue's statements were built once), first
line 0.034 s (quartiles 0.029-0.039, n = 20), one-step trial 0.46 s (0.45-0.66, n = 20), of which 0.27 s is the network.

Arms take turns, A B A B, in one run; the services with and without the mirror are warm, and the idle one waits. Run it
from the root of the checkout; it takes about 6 minutes on two cores.

    python -m benchmarks.service_overhead --rounds 2
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ablate.data.datasets import data_root
from ablate.remote.client import Client
from ablate.study.plan import plan_document
from ablate.study.text import read_document
from benchmarks.pool_overhead import time_trials
from tests.service.processes import Running, install_task, serving

STUDY = Path(__file__).parent.parent / "studies" / "table05.toml"
EMPTY, STARTS = 300, 20


def build_grid(seeds: list[int]) -> dict[str, Any]:
    """Two rows of the miniature Table 5, short enough for trials of about 3 s."""
    document: dict[str, Any] = read_document(STUDY)
    mini = document["scales"]["mini"] | {"steps": 45, "test_images": 2000}
    return document | {"rows": document["rows"][:2], "scales": {"mini": mini}, "seeds": seeds, "table": {}}


def time_study(service: Running, document: dict[str, Any], **options: Any) -> float:
    """Wall seconds from POST to the end of the study's events."""
    began = time.perf_counter()
    study = service.client.post("/studies", {"study": document, **options})
    with Client(service.client.url) as client:
        assert client.wait(study["id"]).state == "succeeded"
    return time.perf_counter() - began


def empty_study(name: str, rows: int, seeds: int) -> dict[str, Any]:
    """A study whose trials do nothing."""
    number = abs(hash(name)) % 10_000_000
    labels = [{"label": f"row {index}", "set": {"offset": float(number + index)}} for index in range(rows)]
    return {"name": name, "seeds": seeds, "base": {"task": "gated"}, "rows": labels}


def time_starts(service: Running) -> tuple[list[float], list[float]]:
    """Seconds from POST to the first line of an empty trial; and to the end of a real trial of one step."""
    empty, real = [], []
    base = {"dataset": "digits", "width": 0.0625, "depth": [1, 1, 1, 1], "stem": "small", "steps": 1}
    for index in range(STARTS + 1):
        posted = time.time()
        time_study(service, empty_study(f"start{index}", 1, 1))
        began = float((service.site / "runs.txt").read_text().splitlines()[-1].split()[3])
        seconds = time_study(service, {"name": "one-step", "seeds": [index], "base": base, "rows": [{"label": "a"}]})
        if index:  # the first one counts the architecture
            empty.append(began - posted)
            real.append(seconds)
    return empty, real


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="times that each arm is measured (default 2)")
    rounds = parser.parse_args().rounds
    grid = build_grid(list(range(16)))
    trials = list(plan_document(grid, scale="mini").trials.values())
    times: dict[str, list[float]] = {"bare": [], "mirror": [], "no_mirror": []}
    with tempfile.TemporaryDirectory() as folder:
        site = install_task(Path(folder) / "site")
        data = str(data_root())
        with (
            serving(Path(folder) / "on", site, ABLATE_DATA=data) as on,
            serving(Path(folder) / "off", site, ABLATE_DATA=data, ABLATE_TRACKING_URI="off") as off,
        ):
            for service in (on, off):
                time_study(service, build_grid([100, 101]))  # warm: torch, data and both architectures
            for _ in range(rounds):
                times["bare"].append(time_trials(trials))
                times["mirror"].append(time_study(on, grid, fresh=True))
                times["no_mirror"].append(time_study(off, grid, fresh=True))
            empty = [time_study(on, empty_study(f"empty{index}", EMPTY // 2, 2)) for index in range(rounds)]
            report(times, empty, *time_starts(on))


def report(times: dict[str, list[float]], empty: list[float], first_line: list[float], one_step: list[float]) -> None:
    """Print the figures."""
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    figures = {
        "rounds": len(empty),
        "seconds": times,
        "grid_overhead": round(medians["mirror"] / medians["bare"], 3),
        "mirror_cost": round(medians["mirror"] / medians["no_mirror"], 3),
        "trial_cost_ms": [round(1e3 * seconds / EMPTY, 1) for seconds in empty],
        "first_line_s": quartiles(first_line),
        "one_step_s": quartiles(one_step),
    }
    print(json.dumps(figures, indent=1), flush=True)


def quartiles(values: list[float]) -> list[float]:
    """First quartile, median, third quartile."""
    return [round(value, 3) for value in statistics.quantiles(values, n=4)]


if __name__ == "__main__":
    main()
