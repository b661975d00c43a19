"""Recompute the table of this bundle from its values, with formulas of its own.

    python verify.py                 in the unpacked folder
    python verify.py BUNDLE.zip      of a zip file

It needs Python 3.11, numpy and scipy, and nothing of ablate. Exit status: 0 equal, 1 something differs, 2 no bundle.
It is one file, however long, because a reviewer reads it from the top to the bottom and copies it alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import statistics
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from scipy import integrate, optimize, stats

NOISE, SMALLEST, LARGEST = 1e-12, sys.float_info.min, 1e150
EXACT_UP_TO, RANDOM_FLIPS = 14, 9_999
FEWEST = 3
"""Fewest seeds with which a test that assumes normal errors decides: the paired t test, Dunnett's, equivalence."""
CLOSE = {"p": 1e-6, "p_adj": 1e-4, "low": 1e-6, "high": 1e-6}
"""Relative tolerance by field, for numbers that need an integral or a quantile; 1e-9 for all others."""
NOT_RECOMPUTED = (
    "agreement with printed numbers", "effects of grids", "ranks and the test over groups",
    "detectable differences and seeds needed", "correlation", "costs and times", "notes", "trial keys",
    "table.md, .tex and .html",
)  # fmt: skip
Values = dict[int, float]
Reader = Callable[[str], bytes]


class Row(NamedTuple):
    """A row of one metric: its usable values, its lost seeds, and the number of folds of each seed, if it has any."""

    name: str
    values: Values
    lost: set[int]
    folds: int | None = None


class Rule(NamedTuple):
    """How the study decides."""

    lower: bool
    alpha: float
    margin: float | None
    test: str


class Outcome(NamedTuple):
    """One row against the baseline of its group. `simultaneous` holds for all rows of the group together."""

    differences: Values
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    p_flip: float | None
    p_t: float | None


class Tested(NamedTuple):
    """The test that decides a row: its name, p, difference, and the ends of the simultaneous interval."""

    test: str | None
    p: float | None
    mean: float | None
    low: float | None
    high: float | None
    dunnett: float | None = None


# ---- one row, and two rows ------------------------------------------------------------------------------------------


def compare(row: Row, base: Row) -> Outcome:
    """Row minus baseline over their common seeds, with a 95 % t interval and the p of both paired tests."""
    common = sorted(row.values.keys() & base.values.keys())
    size = max((max(abs(row.values[s]), abs(base.values[s])) for s in common), default=0.0)
    found = {s: difference(row.values[s], base.values[s]) for s in common}
    numbers = list(found.values())
    if not numbers:
        return Outcome({}, None, None, None, None, None, None)
    mean = statistics.mean(numbers)
    if len(numbers) == 1:
        return Outcome(found, mean, None, None, None, flip(numbers), None)
    sd = 0.0 if max(numbers) - min(numbers) <= max(NOISE * size, SMALLEST) else statistics.stdev(numbers)
    if row.folds:  # they share training data: the correction of Nadeau and Bengio (2003)
        sd *= math.sqrt(1 + len(numbers) / (row.folds - 1))
    low, high = interval(mean, sd, len(numbers), 0.05)
    return Outcome(found, mean, sd, low, high, flip(numbers), paired_t(mean, sd, len(numbers)))


def difference(a: float, b: float) -> float:
    """a - b; 0 if that is rounding noise."""
    return 0.0 if abs(a - b) <= max(NOISE * max(abs(a), abs(b)), SMALLEST) else a - b


def interval(mean: float, sd: float, n: int, alpha: float) -> tuple[float, float] | tuple[None, None]:
    """Student's t interval with confidence 1 - alpha; none for two equal seeds."""
    if sd == 0 and n < FEWEST:
        return None, None
    half = float(stats.t.ppf(1 - alpha / 2, n - 1)) * sd / math.sqrt(n)
    return mean - half, mean + half


def paired_t(mean: float, sd: float, n: int) -> float | None:
    """Two-sided p of the paired t test; undefined below 3 seeds, and if all differences are equal and not 0."""
    if n < FEWEST:
        return None
    if sd == 0:
        return None if mean else 1.0
    return max(2 * float(stats.t.sf(abs(mean) / (sd / math.sqrt(n)), n - 1)), SMALLEST)


def flip(numbers: Sequence[float]) -> float:
    """Two-sided p of the sign-flip test on the sum: exact up to 14 differences that are not 0."""
    largest = max(map(abs, numbers), default=0.0)
    sizes = sorted((abs(one) / largest for one in numbers if one), reverse=True)
    if not sizes:
        return 1.0
    seen = abs(math.fsum(one / largest for one in numbers)) - 1e-9 * math.fsum(sizes)
    if len(sizes) <= EXACT_UP_TO:
        signs = np.array(list(product((1, -1), repeat=len(sizes))))
        return float((np.abs(signs @ sizes) >= seen).mean())
    words = math.ceil(len(sizes) / 64)  # random signs: bits of PCG64, whose seed is the number of differences
    drawn = np.random.PCG64(len(sizes)).random_raw(RANDOM_FLIPS * words).reshape(RANDOM_FLIPS, words, 1)
    bits = (drawn >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    signs = 2.0 * bits.reshape(RANDOM_FLIPS, -1)[:, : len(sizes)] - 1
    return (1 + int((np.abs(signs @ sizes) >= seen).sum())) / (RANDOM_FLIPS + 1)


def smallest_flip(n: int) -> float:
    """The smallest p of the sign-flip test with n differences that are not 0."""
    return 1 / (RANDOM_FLIPS + 1) if n > EXACT_UP_TO else 2 / 2**n if n else 1.0


# ---- a family of rows -----------------------------------------------------------------------------------------------


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values."""
    order, adjusted, highest = sorted(range(len(p_values)), key=lambda i: p_values[i]), [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def test_family(rows: Sequence[Row], base: Row, rule: Rule) -> list[Tested]:
    """The same test for all rows: Dunnett's for `pooled` where it is possible, else sign flip or the paired t test."""
    found = [compare(row, base) for row in rows]
    if base.folds:
        return [paired(one, "t", rule.alpha / len(rows), has_folds=True) for one in found]
    fewest = 2 if rule.test == "flip" else FEWEST
    testable = [one for one in found if len(one.differences) >= fewest]
    m, n = len(rows), min((len(one.differences) for one in testable), default=0)
    blocks = sorted(set(base.values).intersection(*(row.values for row, one in zip(rows, found, strict=True)
                                                    if one in testable)))  # fmt: skip
    most = max((len(one.differences) for one in testable), default=0)
    if rule.test == "pooled" and testable and len(blocks) >= FEWEST and n == most:
        pooled = dunnett_family(rows, found, base, blocks, rule.alpha)
        if pooled:
            return pooled
    name = rule.test if rule.test in ("flip", "t") else "flip" if m * smallest_flip(n) <= rule.alpha else "t"
    return [paired(one, name, rule.alpha / m) for one in found]


def paired(one: Outcome, name: str, level: float, *, has_folds: bool = False) -> Tested:
    """A paired test of one row; without any spread, sign flip stands in for t, but not for folds."""
    if one.sd is None or one.mean is None or (name == "t" and len(one.differences) < FEWEST):
        return Tested(None, None, one.mean, None, None)
    if one.p_t is None and has_folds:
        return Tested(None, None, one.mean, None, None)
    name = "flip" if one.p_t is None else name
    low, high = interval(one.mean, one.sd, len(one.differences), level)
    return Tested(name, one.p_flip if name == "flip" else one.p_t, one.mean, low, high)


def dunnett_family(
    rows: Sequence[Row], found: Sequence[Outcome], base: Row, blocks: list[int], alpha: float
) -> list[Tested] | None:
    """Dunnett's test with one variance for all rows in the model row + seed + error; None without any error."""
    used = [row for row, one in zip(rows, found, strict=True) if len(one.differences) >= FEWEST]
    values = np.array([[row.values[seed] for seed in blocks] for row in (base, *used)])
    scale = float(np.abs(values).max()) or 1.0
    values = values / scale
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    df = (len(blocks) - 1) * len(used)
    sd = math.sqrt(float((rest**2).sum()) / df)
    if sd <= NOISE or sd * scale < SMALLEST:
        return None
    error, m = sd * scale * math.sqrt(2 / len(blocks)), len(rows)
    least, most = (float(stats.t.isf(level / 2, df)) for level in (alpha, alpha / m))
    critical = optimize.brentq(lambda t: dunnett(t, m, df) - alpha, least, most) if m > 1 else least
    means = iter((values.mean(axis=1)[1:] - values.mean(axis=1)[0]) * scale)
    made = []
    for one in found:
        if len(one.differences) < FEWEST:
            made.append(Tested(None, None, one.mean, None, None))
            continue
        mean = float(next(means))
        t, half = abs(mean) / error, float(critical) * error
        p = max(2 * float(stats.t.sf(t, df)), SMALLEST)
        made.append(Tested("pooled", p, mean, mean - half, mean + half, dunnett(t, m, df)))
    return made


def dunnett(t: float, m: int, df: int) -> float:
    """P(the largest of m absolute t, which share a reference, is at least t), by numerical integrals."""
    z, weight = np.polynomial.hermite_e.hermegauss(160)

    def density(x: float) -> float:
        s = math.exp(x)
        outside = stats.norm.sf(math.sqrt(2) * t * s - z) + stats.norm.cdf(-math.sqrt(2) * t * s - z)
        any_outside = -np.expm1(m * np.log1p(-np.minimum(outside, 1 - 1e-16)))
        of_s = float(stats.chi.pdf(s * math.sqrt(df), df)) * math.sqrt(df) * s
        return of_s * float(any_outside @ weight / weight.sum())

    ends = (-40.0, -12.0, -3.0, -1.0, -0.3, 0.0, 0.3, 1.5)
    return math.fsum(integrate.quad(density, *pair, epsabs=0, epsrel=1e-8, limit=200)[0] for pair in pairwise(ends))


def worst_case(row: Row, base: Row, lower: bool) -> tuple[float | None, int, int, int]:
    """Lost runs as the worst values: p of sign flip on signed ranks, its direction, and who lost more.

    Returns:
        p, None if no seed is lost in one of the two rows only; sign; seeds that only the row lost; only the baseline.
    """
    ended = sorted((row.lost | row.values.keys()) & (base.lost | base.values.keys()))
    ours, theirs = len({*ended} & (row.lost - base.lost)), len({*ended} & (base.lost - row.lost))
    if not ours + theirs:
        return None, 0, 0, 0
    bad = math.inf if lower else -math.inf
    signed = [worst_difference(row.values.get(s), base.values.get(s), bad) for s in ended]
    largest = max((abs(one) for one in (*row.values.values(), *base.values.values())), default=0.0)
    noise, sizes, last = max(NOISE * largest, SMALLEST), {}, -1.0
    for size in sorted({abs(one) for one in signed}):
        last = size if size - last > noise else last
        sizes[size] = last
    ranks = stats.rankdata([sizes[abs(one)] for one in signed])
    scores = [float(rank) * ((one > 0) - (one < 0)) for rank, one in zip(ranks, signed, strict=True)]
    return flip(scores), (sum(scores) > 0) - (sum(scores) < 0), ours, theirs


def worst_difference(ours: float | None, theirs: float | None, bad: float) -> float:
    """A difference in which a lost run is the worst value; 0 if both were lost."""
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else bad if ours is None else -bad
    return difference(ours, theirs)


def decide(one: Outcome, test: Tested, p_adj: float | None, m: int, rule: Rule) -> str:
    """The decision from the runs that succeeded."""
    n = len(one.differences)
    if p_adj is None or test.mean is None or one.mean is None or one.sd is None:
        return "undecided"
    if p_adj <= rule.alpha:
        return "better" if (test.mean < 0) == rule.lower else "worse"
    low, high = interval(one.mean, one.sd, n, 2 * rule.alpha / m)
    if rule.margin is None or n < FEWEST or low is None or high is None:
        return "undecided"
    is_inside = -rule.margin < low and high < rule.margin
    return "equivalent" if is_inside and (one.sd > 0 or 2.0**-n <= rule.alpha / m) else "undecided"


def is_undone(decision: str, worst: tuple[float | None, int, int, int], can_stand: bool, rule: Rule) -> bool:
    """Whether the worst case of the lost runs, which may itself decide (`can_stand`), disagrees with a decision."""
    p_worst, sign, ours, theirs = worst
    if p_worst is None:
        return False
    if decision in ("equivalent", "undecided"):
        return decision == "equivalent" or can_stand
    says = "better" if (sign < 0) == rule.lower else "worse"
    return (ours if decision == "better" else theirs) > 0 and not (can_stand and says == decision)


def analyse(rows: Sequence[Row], base: Row, rule: Rule) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, fields) of every row of a family."""
    tests, m = test_family(rows, base, rule), len(rows)
    raw = [1.0 if one.p is None else one.p for one in tests]
    worst = [worst_case(row, base, rule.lower) for row in rows]
    worst_adj = holm([p if one[0] is None else one[0] for p, one in zip(raw, worst, strict=True)])
    for row, test, p_holm, lost, p_worst in zip(rows, tests, holm(raw), worst, worst_adj, strict=True):
        one = compare(row, base)
        p_adj = None if test.p is None else p_holm if test.dunnett is None else test.dunnett
        decision = decide(one, test, p_adj, m, rule)
        if is_undone(decision, lost, p_worst <= rule.alpha and not base.folds, rule):  # folds depend on each other
            decision = "undecided"
        fields = {"p": test.p, "p_flip": one.p_flip, "p_adj": p_adj, "decision": decision}
        fields |= {"tested/test": test.test, "tested/comparisons": m, "tested/p_t": one.p_t, "tested/p_worst": lost[0]}
        fields |= {"tested/p_worst_adj": None if lost[0] is None else p_worst}
        if test.low is not None:
            fields |= {"tested/simultaneous/low": test.low, "tested/simultaneous/high": test.high}
        yield row.name, fields | shares(one, rule.lower)


def shares(one: Outcome, lower: bool) -> dict[str, Any]:
    """P(better): the share of seeds in which the row is better, with its Clopper-Pearson interval."""
    numbers = list(one.differences.values())
    if not numbers:
        return {}
    n, ties = len(numbers), sum(not d for d in numbers)
    wins = sum(bool(d) and (d < 0) == lower for d in numbers)
    low = stats.beta.ppf(0.025, wins, n - wins + 1) if wins else 0.0
    high = stats.beta.ppf(0.975, wins + ties + 1, n - wins - ties) if wins + ties < n else 1.0
    found = {"share": (wins + ties / 2) / n, "low": float(low), "high": float(high), "wins": wins, "ties": ties, "n": n}
    return {f"tested/p_better/{name}": value for name, value in found.items()}


# ---- the bundle -----------------------------------------------------------------------------------------------------


def open_bundle(path: Path) -> tuple[Reader, set[str]]:
    """What reads a file of a bundle, and the names of its files."""
    if path.is_dir():
        names = {one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file()}
        return lambda name: (path / name).read_bytes(), {name for name in names if not name.startswith(".")}
    archive = zipfile.ZipFile(path)
    return archive.read, {name for name in archive.namelist() if not name.endswith("/")}


def check_manifest(read: Reader, names: set[str]) -> Iterator[str]:
    """Files that were changed, removed or added."""
    lines = (line.split("  ", 1) for line in read("MANIFEST.sha256").decode().splitlines())
    listed = {name: digest for digest, name in lines}
    yield from (f"{name} is missing" for name in sorted(listed.keys() - names))
    yield from (f"{name} is not in MANIFEST.sha256" for name in sorted(names - listed.keys() - {"MANIFEST.sha256"}))
    for name in sorted(listed.keys() & names):
        if hashlib.sha256(read(name)).hexdigest() != listed[name]:
            yield f"{name} was changed: its SHA-256 is not that in MANIFEST.sha256"


def check_code(read: Reader, names: set[str]) -> Iterator[str]:
    """Whether the code of a script or a function is that whose digest its document has."""
    for name in sorted(names):
        folder, _, kind = name.removesuffix(".json").rpartition("/")
        start = f"{folder}/files/"
        paths = sorted((one.removeprefix(start) for one in names if one.startswith(start)), key=PurePosixPath)
        if not (name.startswith("code/") and name.count("/") == 2 and kind in ("command", "function") and paths):
            continue
        stored, can_run = json.loads(read(name)), json.loads(read(f"{folder}/executable.json"))
        place = stored["folder"] if kind == "command" else PurePosixPath(stored["module"]).parent.as_posix()
        digest = hashlib.sha256(f"{place}\0".encode())
        for path in paths:
            content = read(start + path)
            digest.update(f"{path}\0{'x' if path in can_run else '-'}{len(content)}\0".encode() + content)
        if digest.hexdigest() != stored["digest"]:
            yield f"the code in {start} is not that whose digest {kind}.json has"


def name_of(row: dict[str, Any]) -> str:
    """What a row is called in its study: its label, or GROUP / LABEL where several groups have the label."""
    return str(row.get("row") or row["label"])


def shown(text: str) -> str:
    """A label as the CSV files have it: with an apostrophe before what a spreadsheet would run."""
    return f"'{text}" if unicodedata.normalize("NFKC", text.lstrip("'")).lstrip()[:1] in tuple("=+-@") else text


def read_rows(read: Reader, resolved: dict[str, Any], metric: str) -> tuple[dict[str, Row], list[str]]:
    """The rows of one metric by name, and what is wrong with the lines of `seeds.csv`."""
    every = csv.DictReader(io.StringIO(read("seeds.csv").decode(), newline=""))
    lines = [line for line in every if line["metric"] == shown(metric)]
    found = {(line["row"], int(line["seed"])): line for line in lines}
    rows, wrong = {}, ["seeds.csv has two lines of one row and seed"] if len(found) < len(lines) else []
    for row in resolved["rows"]:
        values, lost, name = {}, set(), name_of(row)
        for seed in resolved["seeds"]:
            line = found.pop((shown(name), seed), None)
            if line is None or line["key"] != row["keys"][str(seed)]:
                wrong.append(f"seeds.csv lacks {name}, seed {seed}, {metric}, or has another key for it")
            elif line["status"] == "ok" and line["value"] and abs(float(line["value"])) < LARGEST:
                values[seed] = float(line["value"])
            elif line["status"] != "missing":
                lost.add(seed)
        rows[name] = Row(name, values, lost)
    return rows, wrong + [f"seeds.csv has {name}, seed {seed}, which the study does not have" for name, seed in found]


def recompute(read: Reader, table: dict[str, Any]) -> tuple[dict[tuple[str, str, str], Any], list[str]]:
    """(row, metric, field) -> value, for everything that this script recomputes; and what is wrong with the values."""
    resolved, document = json.loads(read("resolved.json")), json.loads(read("study.json"))
    study = document.get("table") or {}
    made: dict[tuple[str, str, str], Any] = {}
    wrong: list[str] = []
    for metric in (resolved["metric"], *resolved["metrics"]):
        rows, more = read_rows(read, resolved, metric)
        rows = {name: row._replace(folds=document.get("folds")) for name, row in rows.items()}
        wrong += more
        bases = {row["group"]: rows[name_of(row)] for row in resolved["rows"] if row["is_baseline"]}
        for row in resolved["rows"]:
            one = rows[name_of(row)]
            found = {f"values/{seed}": value for seed, value in one.values.items()} | spread(list(one.values.values()))
            outcome = compare(one, bases[row["group"]])
            if not row["is_baseline"] and outcome.differences:
                found |= {"diff/mean": outcome.mean, "diff/low": outcome.low, "diff/high": outcome.high,
                          "diff/n": len(outcome.differences)}  # fmt: skip
            made |= {(one.name, metric, name): value for name, value in found.items()}
        if metric != resolved["metric"] or not table["families"]:
            continue
        rule = Rule(resolved["lower_is_better"][metric], study.get("alpha") or 0.05, study.get("margin"),
                    study.get("test") or "auto")  # fmt: skip
        for group, base in bases.items():
            others = [rows[name_of(r)] for r in resolved["rows"] if r["group"] == group and not r["is_baseline"]]
            for row_name, fields in analyse(others, base, rule):
                made |= {(row_name, metric, name): value for name, value in fields.items()}
    return made, wrong


def spread(numbers: list[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation."""
    return {
        "mean": statistics.mean(numbers) if numbers else None,
        "sd": statistics.stdev(numbers) if len(numbers) > 1 else None,
    }


def stored_value(table: dict[str, Any], place: tuple[str, str, str]) -> Any:
    """The stored value at (row, metric, field); None if there is none."""
    name, metric, field = place
    value: Any = next((row["cells"].get(metric) for row in table["rows"] if name_of(row) == name), None)
    for part in field.split("/"):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def is_same(field: str, stored: Any, made: Any) -> bool:
    """Whether a stored value is the recomputed one."""
    last = field.rpartition("/")[2]
    if field.startswith("values/") or last in ("mean", "sd"):  # exact sums of rationals, on every machine
        return bool(stored == made)
    if isinstance(stored, (int, float)) and isinstance(made, (int, float)):
        return math.isclose(stored, made, rel_tol=CLOSE.get(last, 1e-9), abs_tol=1e-13)
    return bool(stored == made)


def compare_tables(read: Reader) -> tuple[list[str], int, list[str]]:
    """Where the stored table differs, how many numbers are equal, and names of rows that earlier tries decide."""
    table = json.loads(read("table.json"))
    made, wrong = recompute(read, table)
    tried = [name_of(row) for row in table["rows"] if any(cell.get("tries") for cell in row["cells"].values())]
    decided = ("p", "p_adj", "decision", "tested/test")
    places = {place: value for place, value in made.items() if not (place[0] in tried and place[2] in decided)}
    for place, value in places.items():
        stored = stored_value(table, place)
        if not is_same(place[2], stored, value):
            wrong.append(f"{', '.join(place)}: stored {stored}, recomputed {value}")
    for row in table["rows"]:
        for metric, cell in row["cells"].items():
            extra = [seed for seed in cell["values"] if (name_of(row), metric, f"values/{seed}") not in made]
            wrong += [f"{name_of(row)}, {metric}, seed {seed}: a value that seeds.csv lacks" for seed in extra]
    for name in {name_of(row) for row in table["rows"]} ^ {place[0] for place in made}:
        wrong.append(f"row {name} is in only one of table.json and resolved.json")
    return wrong + list(check_csv(read, table)), len(places), tried


IN_CSV = {
    "mean": "mean", "sd": "sd", "diff": "diff/mean", "diff_low": "diff/low", "diff_high": "diff/high", "p": "p",
    "p_adj": "p_adj",
}  # fmt: skip
"""Column of table.csv, without the name of the metric -> field of table.json."""


def check_csv(read: Reader, table: dict[str, Any]) -> Iterator[str]:
    """Whether table.csv has the numbers of table.json."""
    lines = list(csv.DictReader(io.StringIO(read("table.csv").decode(), newline="")))
    rows = [(shown(row["group"] or ""), shown(row["label"])) for row in table["rows"]]
    if [(line["group"], line["label"]) for line in lines] != rows:
        yield "table.csv has other rows than table.json"
        return
    for line, row in zip(lines, table["rows"], strict=True):
        for metric in row["cells"]:
            for column, field in IN_CSV.items():
                text, stored = line.get(f"{metric}_{column}"), stored_value(table, (name_of(row), metric, field))
                if text is not None and text != ("" if stored is None else repr(float(stored))):
                    yield f"table.csv, {name_of(row)}, {metric}_{column}: {text}; table.json has {stored}"


def main(arguments: list[str]) -> int:
    """Print the answer on a bundle. Returns the exit status."""
    path = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    try:
        read, names = open_bundle(path)
        if "MANIFEST.sha256" not in names:
            raise KeyError("MANIFEST.sha256")
        wrong = [*check_manifest(read, names), *check_code(read, names)]
        differing, numbers, tried = compare_tables(read)
        wrong += differing
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        print(f"{path} is not a bundle, or it is damaged: {error}", file=sys.stderr)
        return 2
    print(f"differs: {len(wrong)} places" if wrong else f"equal: {numbers} numbers and words recomputed from seeds.csv")
    print("".join(f"  {line}\n" for line in wrong), end="")
    print(f"  not recomputed here, but by `ablate verify`: {'; '.join(NOT_RECOMPUTED)}")
    if tried:
        print(f"  not recomputed here: the decisions of rows that were tried before: {', '.join(tried)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
