"""How often the demo decides: its study on disjoint sets of seeds, each in an empty home.

The demo shows seeds 0 to 7, whatever they say. This measures what such a set says in general: set i has the eight seeds
from 200 + 8 i, which neither the demo nor the choice of its recipe used (100 to 107). Each set is one `ablate run` in
an empty state directory, so that no set is exploratory because of another one. The values of all seeds go to a CSV
file; a set that is in the file is not trained again.

    python -m benchmarks.demo_sets --sets 20 --out studies/measured/demo-sets.csv

It prints, for each row, in how many sets the row was better, undecided and worse, with the exact 95 % interval of the
share of better ones.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import ablate
from ablate.settings import read_library_settings
from ablate.statistics.decisions.row_comparison import clopper_pearson

STUDY = Path("studies/demo.toml")
FIRST_SEED = 200
FIELDS = ("set", "row", "seed", "top1_error_pct", "decision", "p_adj")


def run_set(number: int, workers: int) -> list[dict[str, object]]:
    """Train set `number` in an empty home. Returns one line for each row and seed."""
    study = ablate.read_study(STUDY)
    count = study.seeds if isinstance(study.seeds, int) else len(study.seeds)
    first = FIRST_SEED + count * number
    document = study.model_dump(mode="json", exclude_unset=True) | {"seeds": list(range(first, first + count))}
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "demo.json"
        path.write_text(json.dumps(document))
        command = [sys.executable, "-m", "service.cli.main", "run", str(path), "--json", "--workers", str(workers)]
        environment = os.environ | {"ABLATE_HOME": home, "ABLATE_DATA": str(read_library_settings().data_root)}
        done = subprocess.run(
            [*command, "--out", f"{home}/out"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        done.check_returncode()
    return lines_of(number, json.loads(done.stdout))


def lines_of(number: int, table: dict[str, object]) -> list[dict[str, object]]:
    """The values of a table, one line for each row and seed."""
    found = ablate.Table.from_json(table)
    return [
        {
            "set": number,
            "row": row.label,
            "seed": seed,
            "top1_error_pct": repr(value),
            "decision": row.cells[found.metric].decision,
            "p_adj": row.cells[found.metric].p_adj,
        }
        for row in found.rows
        for seed, value in row.cells[found.metric].values.items()
    ]


def report(lines: list[dict[str, str]]) -> None:
    """Print the decisions of each row over the sets."""
    decisions: dict[str, dict[str, str]] = defaultdict(dict)
    for line in lines:
        decisions[line["row"]][line["set"]] = line["decision"]
    for row, found in decisions.items():
        counts = Counter(found.values())
        low, high = clopper_pearson(counts["better"], len(found))
        print(f"{row}: {dict(counts)} in {len(found)} sets; better in {100 * low:.0f} to {100 * high:.0f} %")


def main() -> None:
    """Train the sets that the file lacks, and report on all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("studies/measured/demo-sets.csv"))
    options = parser.parse_args()
    known = list(csv.DictReader(options.out.open())) if options.out.exists() else []
    done = {int(line["set"]) for line in known}
    for number in (number for number in range(options.sets) if number not in done):
        began = time.monotonic()
        lines = run_set(number, options.workers)
        is_new = not options.out.exists()
        with options.out.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerows(lines)
        print(f"set {number}: {time.monotonic() - began:.0f} s", flush=True)
    report(list(csv.DictReader(options.out.open())))


if __name__ == "__main__":
    main()
