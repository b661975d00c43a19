"""What the worst documents cost: the largest that each limit allows, and one above it, read and planned.

Each document is read and planned in a fresh process, as `ablate check` and `POST /studies/plan` do it, without the
counting of networks. "seconds" are those of the processor; "MB" is what the process grew by, above what it had with
everything imported. "ends" is the number of rows, or the numbers of problems described and counted and the first one.

Measured on two cores with three other active processes: everything takes at most 1.0 s and 62 MB, except 10,000 levels
one at a time (1.1 s). Before there were limits, 15 of these documents took more than 20 s.

    python -m benchmarks.hostile_documents [WORD ...]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ablate import limits
from ablate.errors import StudyError
from ablate.study.plan import plan_document
from ablate.study.source import document_of

SECONDS, MEGABYTES = 1.0, 100
"""What one document may cost."""
TIMEOUT_S = 120
LABEL = 200

FIELDS = {"dataset": "digits", "steps": 10}
ROWS = [{"label": "a"}, {"label": "b", "set": {"lr": 0.5}}]


def study(**fields: Any) -> str:
    """A study of two rows, with other fields, as JSON."""
    return json.dumps({"name": "hostile", "seeds": 1, "base": FIELDS, "rows": ROWS, **fields}, separators=(",", ":"))


def rows(number: int, *, apart: bool = True, **fields: Any) -> str:
    """A study of many rows, each with its own learning rate, or all equal."""
    made = [{"label": f"r{row}", "set": {"lr": level(row)}} if apart else {"label": f"r{row}"}
            for row in range(number)]  # fmt: skip
    return study(rows=made, **fields)


def level(number: int) -> float:
    """The n-th value of a numerical field."""
    return (number + 1) * 1e-5


def names(number: int, word: str = "row") -> list[str]:
    """Many names that differ by a number."""
    return [f"{word} {index:05}" for index in range(number)]


def grid(*sizes: int, **fields: Any) -> str:
    """A grid of factors with so many levels; the first ones are numbers of the recipe."""
    numbers = ("lr", "weight_decay", "momentum")
    factors = [
        {"name": numbers[index], "levels": [level(number) for number in range(size)]}
        if index < len(numbers)
        else {"name": f"f{index}", "levels": [{"label": str(number), "set": {}} for number in range(size)]}
        for index, size in enumerate(sizes)
    ]
    return study(rows=[], factors=factors, **fields)


def long_grid(factors: int, length: int) -> str:
    """A grid of two levels a factor, with labels of this length."""
    levels = [{"label": letter * length, "set": {}} for letter in "ab"]
    return study(rows=[], factors=[{"name": f"f{index:0>{LABEL - 1}}", "levels": levels} for index in range(factors)])


def groups(number: int) -> str:
    """A study of many groups, each with its own baseline and its own fields."""
    made = [{"label": f"r{row}", "group": f"g{row // 2}", "set": {"lr": level(row)}} for row in range(2 * number)]
    own = {f"g{group}": {"set": {"dropout": 0.1}} for group in range(number)}
    return study(rows=made, groups=own, table={"baseline": {f"g{group}": f"r{2 * group}" for group in range(number)}})


def scales(number: int, of_groups: int) -> str:
    """A study of many scales and groups."""
    made = [{"label": f"r{row}", "group": f"g{row}"} for row in range(of_groups)]
    patches = {f"s{scale}": {"steps": scale + 1} for scale in range(number)}
    return study(rows=made, groups={f"g{row}": {} for row in range(of_groups)}, scales=patches)


def uneven_groups(number: int) -> str:
    """Groups of 2, 3, 4 ... rows: as many sizes of families as possible."""
    made = [
        {"label": f"r{group}-{row}", "group": f"g{group}", "set": {"lr": (group * 200 + row + 1) * 1e-6}}
        for group in range(number)
        for row in range(group + 2)
    ]
    return study(rows=made, seeds=[0, 1])


DOCUMENTS: Mapping[str, Callable[[], str]] = {
    # the text
    "bytes: 1 MiB": lambda: study().ljust(limits.MAX_BYTES),
    "bytes: 1 above": lambda: study().ljust(limits.MAX_BYTES + 1),
    "TOML: 1 MiB of comments": lambda: ("#" * 63 + "\n") * (limits.MAX_BYTES // 64),
    "TOML: 1 MiB of line breaks": lambda: "\n" * limits.MAX_BYTES,
    "TOML: depth 32 by dots": lambda: "[base]\n" + ".".join("a" * 31) + " = 1\n",
    "TOML: depth 33 by dots": lambda: "[base]\n" + ".".join("a" * 32) + " = 1\n",
    "TOML: 100,000 dots": lambda: ".".join("a" * 100_000) + " = 1\n",
    "TOML: 14,000 keys of 31 dots": lambda: "".join(f"k{index}.{'a.' * 30}a=1\n" for index in range(14_000)),
    "TOML: 100,000 dots in quotes": lambda: ".".join(['"a"'] * 100_000) + " = 1\n",
    "TOML: 500,000 brackets": lambda: "a = " + "[" * 500_000 + "]" * 500_000 + "\n",
    "TOML: 1,000,000 digits": lambda: "seeds = " + "9" * 1_000_000 + "\n",
    "TOML: 1,000,000 hex digits": lambda: "seeds = 0x" + "f" * 1_000_000 + "\n",
    "TOML: 50,000 tables": lambda: "".join(f"[t{index}]\n" for index in range(50_000)),
    "TOML: 110,000 tables": lambda: "".join(f"[t{index}]\n" for index in range(110_000)),
    "TOML: 100,000 empty rows": lambda: "[[rows]]\n" * 100_000,
    "TOML: 50,000 keys": lambda: "".join(
        f"k{index}=1\n" if index % 10_000 else f"[t{index}]\n" for index in range(50_000)
    ),
    "TOML: 100,000 keys": lambda: "\n".join(f"k{index}=1" for index in range(100_000)),
    "TOML: 10,000 rows": lambda: 'name = "x"\nseeds = 1\n[base]\ndataset = "digits"\n'
    + "".join(f'[[rows]]\nlabel = "r{row}"\nset = {{ lr = {level(row):.5f} }}\n' for row in range(10_000)),
    "TOML: 500,000 numbers": lambda: "metrics = [" + "1," * 500_000 + "]\n",
    "TOML: 500,000 bytes of escapes": lambda: 'title = "' + "\\n" * 500_000 + '"\n',
    "TOML: 170,000 inline tables": lambda: "rows = [" + "{}," * 340_000 + "]\n",
    "JSON: 1,000,000 brackets": lambda: "{" + "[" * 1_000_000,
    "JSON: 350,000 empty lists": lambda: '{"a":[' + ",".join(["[]"] * 340_000) + "]}",
    "JSON: 340,000 empty rows": lambda: '{"rows":[' + ",".join(["{}"] * 340_000) + "]}",
    "JSON: 500,000 numbers": lambda: '{"metrics":[' + ",".join(["1"] * 500_000) + "]}",
    "JSON: 1,000,000 digits": lambda: '{"seeds":' + "9" * 1_000_000 + "}",
    "JSON: a string of 64 KiB": lambda: study(title="x" * limits.MAX_STRING),
    "JSON: a string above": lambda: study(title="x" * (limits.MAX_STRING + 1)),
    # names
    "10,000 names at the top": lambda: study(**dict.fromkeys(names(9_990), 1)),
    "10,001 names at the top": lambda: study(**dict.fromkeys(names(10_001), 1)),
    "base: 10,000 names": lambda: study(base=dict.fromkeys(names(10_000, "batchsize"), 1)),
    "base: 10,001 names": lambda: study(base=dict.fromkeys(names(10_001, "batchsize"), 1)),
    "base: 990 names, 9,000 rows": lambda: rows(9_000, base=dict.fromkeys(names(990, "batchsize"), 1)),
    "base: wrong, 10,000 rows": lambda: rows(10_000, base={"lr": "fast", "steps": -1, "model": "nothing"}),
    "2,000 rows, wrong names": lambda: study(rows=[{"label": f"r{row}", f"lable{row}": 1} for row in range(2_000)]),
    "2,000 rows, wrong sets": lambda: study(
        rows=[{"label": f"r{row}", "set": {f"weightdecay{row}": 1}} for row in range(2_000)]
    ),
    "10,000 rows, 8 wrong names": lambda: study(rows=[dict.fromkeys("abcdefgh", 1) for _ in range(10_000)]),
    "1,000 rows, 100 wrong sets": lambda: study(
        rows=[{"label": f"r{row}", "set": dict.fromkeys(names(60), 1)} for row in range(1_000)]
    ),
    "2,000 near headlines": lambda: study(
        rows=[{"label": f"row {row} of the table"} for row in range(2_000)],
        table={"headline": [f"row {row} of the tible" for row in range(2_000)]},
    ),
    "10,000 near headlines": lambda: study(
        rows=[{"label": label} for label in names(10_000)], table={"headline": names(10_000, "raw")}
    ),
    "10,000 near canaries": lambda: study(
        rows=[{"label": label} for label in names(10_000)], canary={"rows": names(10_000, "raw")}
    ),
    "10,000 wrong baselines": lambda: study(
        rows=[{"label": label} for label in names(10_000)], table={"baseline": dict.fromkeys(names(9_000), "rwo 1")}
    ),
    "10,000 repeated labels": lambda: study(rows=[{"label": "x"}] * 10_000),
    "10,000 long labels": lambda: study(rows=[{"label": f"{row:085}"} for row in range(10_000)]),
    "1,000 unprintable labels": lambda: study(rows=[{"label": "\x1b" * 200} for row in range(800)]),
    "64 metrics": lambda: study(metrics=names(64)),
    "10,000 metrics": lambda: study(metrics=names(10_000)),
    # rows and seeds
    "10,000 rows": lambda: rows(10_000),
    "10,000 equal rows": lambda: rows(10_000, apart=False),
    "10,001 rows": lambda: rows(10_001),
    "10,000 rows, 2 seeds": lambda: rows(10_000, seeds=2),
    "1 row, 10,000 seeds": lambda: study(rows=ROWS[:1], seeds=10_000),
    "2 rows, 10,000 seeds": lambda: study(seeds=10_000),
    "seeds = 10**9": lambda: study(seeds=10**9),
    "a list of 10,000 seeds": lambda: study(rows=ROWS[:1], seeds=list(range(10_000))),
    "a list of 100,000 seeds": lambda: study(seeds=list(range(100_000))),
    # groups and scales
    "2,000 groups": lambda: groups(2_000),
    "groups of 130 sizes": lambda: uneven_groups(98),
    "100 scales, 98 groups": lambda: scales(100, 98),
    "200 scales, 2,000 groups": lambda: scales(200, 2_000),
    # designs
    "grid: 100 x 100": lambda: grid(100, 100),
    "grid: 1 x 10,000": lambda: grid(10_000),
    "grid: 10,001 levels": lambda: grid(10_001),
    "grid: 101 x 100": lambda: grid(101, 100),
    "grid: 100,000 cells that coincide": lambda: grid(10, 10, 10, 10, 10),
    "grid: 32 factors": lambda: grid(*[1] * 30, 2, 2),
    "grid: 33 factors": lambda: grid(*[1] * 33),
    "grid: 32 x 10,000": lambda: grid(*[500] * 32),
    "grid: long labels": lambda: long_grid(13, LABEL),
    "10,000 factors": lambda: study(rows=[], factors=[{"name": f"f{index}"} for index in range(10_000)]),
    "exclude: 10,000 of 10,000 cells": lambda: grid(
        100, 100, exclude=[{"lr": level(cut % 99), "weight_decay": level(cut // 99)} for cut in range(9_900)]
    ),
    "exclude: 10,000 of one axis": lambda: grid(
        10_000, exclude=[{"lr": level(cut)} for cut in range(9_999)]
    ),
    "exclude: a list of 10,000": lambda: grid(10_000, exclude=[{"lr": [level(cut) for cut in range(9_999)]}]),
    "exclude: 10,000 that cut nothing": lambda: grid(
        100, 100, exclude=[{"lr": 1e-5, "weight_decay": level(cut % 100)} for cut in range(9_999)]
    ),
    "exclude: every cell": lambda: grid(100, 100, exclude=[{"lr": [level(cut) for cut in range(100)]}]),
    "exclude: 10,000 wrong levels": lambda: grid(100, 100, exclude=[{"lr": cut} for cut in range(10_000)]),
    "exclude: 10,000 wrong factors": lambda: grid(100, 100, exclude=[{f"lrs{cut}": 1} for cut in range(10_000)]),
    "one at a time: 10,000 levels": lambda: grid(9_999, design="one_at_a_time"),
    "leave one out: 32 factors": lambda: study(
        rows=[], design="leave_one_out", factors=[{"name": f"f{one}", "off": {"lr": level(one)}} for one in range(32)]
    ),
    "a set of depth 28": lambda: study(rows=[{"label": "a", "set": {"depth": nested(27)}}]),
    "a set of depth 33": lambda: study(rows=[{"label": "a", "set": {"depth": nested(40)}}]),
    "5,000 baselines, audited": lambda: study(
        rows=[{"label": f"r{row}", "group": f"g{row}", "set": {"lr": level(row)}} for row in range(5_000)], audit=True
    ),
}  # fmt: skip
"""Name -> document: at and above each limit, and what no limit names but costs more than it looks."""


def nested(depth: int) -> Any:
    """A list in a list in a list ..."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def peak_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str) -> None:
    """Read and plan one document; print seconds, MB and how it ended, as JSON."""
    plan_document(document_of(study(seeds=2)))  # imports and caches
    text = DOCUMENTS[name]()
    before, began = peak_mb(), time.process_time()
    try:
        ends = f"{len(plan_document(document_of(text)).rows):,} rows"
    except StudyError as error:
        ends = f"{len(error.problems)}+{getattr(error, 'more', 0)}: {error.problems[0]}"
    print(json.dumps([time.process_time() - began, peak_mb() - before, ends]))


def measured(name: str) -> tuple[float, float, str]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.hostile_documents", "--one", name]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return TIMEOUT_S, float("nan"), "no answer"
    if found.returncode:
        return float("nan"), float("nan"), found.stderr.strip().rpartition("\n")[2]
    seconds, megabytes, ends = json.loads(found.stdout)
    return seconds, megabytes, ends


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="measure only the documents whose name has one of these words")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.one)
        return
    print(f"{'document':36} {'seconds':>8} {'MB':>6}  ends")
    for name in DOCUMENTS:
        if not arguments.words or any(word in name for word in arguments.words):
            seconds, megabytes, ends = measured(name)
            mark = "" if seconds <= SECONDS and megabytes <= MEGABYTES else "  <-- above"
            print(f"{name:36} {seconds:8.2f} {megabytes:6.0f}  {ends[:100]}{mark}", flush=True)


if __name__ == "__main__":
    main()
