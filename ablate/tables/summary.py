"""The lines below a table that everybody should read: the result, how it was decided, what is missing, what limits it.

They are at most four, or five with a pivot, in plain text, and made from the finished table, so that the same results
give the same lines. All other sentences are the table's notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ablate.statistics.agreement.row_agreement import NO_CLAIM, OTHER_WORDS, PAPER_WORDS, VERDICT_FROM
from ablate.statistics.decisions.power import POWER, too_few
from ablate.statistics.decisions.sentences import OF_FOLDS, TESTS
from ablate.statistics.estimate import FEWEST_SEEDS
from ablate.statistics.words import counted, of_planned, plain_number, with_unit
from ablate.tables.pivot_results import describe_over_groups
from ablate.tables.summary_results import MAX_NAMES, describe_effects, describe_results, joined, names_of
from ablate.tables.table import Table
from ablate.tables.verdicts import Family, Tested
from ablate.tables.words import metric_name, metric_unit

MAX_CHARACTERS = 230
"""Largest number of characters of a line, unless its shortest wording is longer."""
OPEN_WORDS = {OTHER_WORDS[3], PAPER_WORDS[3]}
VERBS = {"agrees": ("agrees", "agree"), "disagrees": ("disagrees", "disagree")}
"""Words of `ablate.statistics.agreement` that are verbs; the others follow `is` and `are`."""


def summarise(table: Table, *, undecided: str, limits: Sequence[str]) -> list[str]:
    """The summary of a table.

    Args:
        table: table without its summary.
        undecided: why it decides nothing; empty if it does.
        limits: sentences on results that were known, or rows that were tried, before the study was fixed.
    """
    lines = [
        undecided or _result(table),
        _fit(describe_over_groups(table)),
        "" if undecided else _method(table),
        _missing(table),
        _fit([" ".join([*limits, *_agreement(table)]), " ".join(limits)]),
    ]
    return [line for line in lines if line]


def summarise_older(table: Table) -> Table:
    """A stored table with its summary; a version of ablate without summaries said in notes what limits the table."""
    if table.summary:
        return table
    said = [f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in table.notes]
    undecided = next((note for note in said if note.startswith("Nothing is decided")), "")
    limits = [note for note in said if note.startswith("Exploratory: ")]
    return table.model_copy(update={"summary": summarise(table, undecided=undecided, limits=limits)})


def _fit(wordings: Sequence[str]) -> str:
    """The first wording that is short enough, else the shortest one."""
    found = [text for text in wordings if text]
    return next((text for text in found if len(text) <= MAX_CHARACTERS), min(found, key=len, default=""))


def _result(table: Table) -> str:
    """The decisions; in a grid the factors come first, unless one of them only tells the groups of a pivot apart."""
    if not any(row.cells[table.metric].values for row in table.rows):
        return "There is nothing to compare: no run gave a result."
    results, effects = describe_results(table), [] if table.pivot else describe_effects(table)
    return _fit([*(f"{effect} {result}" for effect in effects for result in results), *effects[-1:], *results])


def _method(table: Table) -> str:
    """How rows were decided, and which differences the seeds can detect where they were not."""
    if not any(row.cells[table.metric].values for row in table.rows):
        return ""
    test, power = _tests(table), _power(table)
    return _fit([f"{first} {second}".strip() for second in power or [""] for first in test] + [*power[-1:], *test])


def _tests(table: Table) -> list[str]:
    metric = table.metric
    tested = [row for row in table.rows if not row.baseline and row.cells[metric].tries is None]
    groups = {row.group for row in tested}
    families = [family for family in table.families if family.group in groups]
    names = [TESTS[test] for test in tests_of(table, families)]
    seen = [cell.diff.n for row in tested if (cell := row.cells[metric]).diff and cell.p is not None]
    if not names or not seen:
        return [_nothing_tested(table)]
    if table.folds:
        names = [OF_FOLDS]
    seeds = of_planned(min(seen), max(seen), len(table.seeds)) if min(seen) < len(table.seeds) else ""
    pair = "run pair" if table.imported and table.imported.unpaired else "paired fold" if table.folds else "paired seed"
    over = f"over {seeds or counted(len(table.seeds), pair)}"
    sizes = {family.comparisons for family in families}
    together = f" for {_all(max(sizes))} rows" if len(table.families) == 1 else " in each group"
    level = f"at {100 * table.alpha:g} %" + (together if max(sizes) > 1 else "")
    on = f"on {metric_name(metric).removesuffix(' (%)')} "
    by, short = f"by {joined(names)}", f"{over.removeprefix('over ')}, {100 * table.alpha:g} %"
    return [f"Decided {on}{by} {over}, {level}.", f"Decided {by} {over}, {level}.", f"Decided {by} ({short})."]


def tests_of(table: Table, families: Sequence[Family]) -> list[str]:
    """The tests that give the p-values of these families: the sign-flip test replaces a t test that is undefined."""
    found: list[str] = []
    for family in (one for one in families if one.test):
        rows = [row.cells[table.metric] for row in table.rows if row.group == family.group]
        found += [cell.tested.test or "" for cell in rows if cell.tested and cell.tested.test in TESTS] or [
            family.test or ""
        ]
    return list(dict.fromkeys(found))


def _all(count: int) -> str:
    return "both" if count == 2 else f"all {count}"


def _nothing_tested(table: Table) -> str:
    """Why no row is tested by its seeds of this try."""
    others = [row for row in table.rows if not row.baseline]
    if others and all(row.cells[table.metric].tries for row in others):
        if table.folds:
            return "Nothing is decided, because no test over several tries is valid for folds."
        return (
            f"Decided over all tries by a test that may be repeated (symmetry e-process), at {100 * table.alpha:g} %."
        )
    if len(table.seeds) < FEWEST_SEEDS:
        return f"{too_few(len(table.seeds))}."
    return f"Nothing is tested, because no row shares {FEWEST_SEEDS} seeds with its baseline." if others else ""


def _power(table: Table) -> list[str]:
    """Which differences the seeds can detect, and how many seeds would detect the printed ones; in all open rows."""
    cells = [row.cells[table.metric] for row in table.rows if row.cells[table.metric].decision == "undecided"]
    few = [cell.tested.text for cell in cells if cell.tested and cell.tested.reason == "too few seeds"]
    found = [cell for cell in cells if cell.tested and cell.tested.reason == "no clear difference" and cell.tested.mde]
    if not found:
        return [f"{text[:1].upper()}{text[1:]}." for text in (one.removeprefix("undecided: ") for one in few[:1])]
    unit = metric_unit(table.metric)
    seeds = [cell.diff.n for cell in found if cell.diff]
    low, high = (plain_number(end, end) for end in _ends([cell.tested.mde for cell in found if cell.tested]))
    by_row = "" if low == high else ", depending on the row"
    smallest = with_unit(low if low == high else f"{low} to {high}", unit)
    can = f"{_range(seeds)} {'seed' if max(seeds) == 1 else 'seeds'} can only detect differences above {smallest}"
    text = f"{can} ({100 * POWER:.0f} % power{by_row})"
    tested = [cell.tested for cell in found if cell.tested]
    printed = [cell.published.diff for cell in found if cell.published and cell.published.diff]
    return [*(f"{text}; {needed}." for needed in _needed(table, tested, printed, max(seeds))), f"{text}."]


def _needed(table: Table, tested: Sequence[Tested], printed: Sequence[float], n: int) -> list[str]:
    """How many seeds would detect the difference that matters, and show equivalence; empty if this is unknown."""
    unit = metric_unit(table.metric)
    targets = sorted({one.target for one in tested if one.target and one.seeds_needed})
    most = max((one.seeds_needed for one in tested if one.seeds_needed), default=0)
    equal = max((one.seeds_equivalent for one in tested if one.seeds_equivalent), default=0)
    if not targets:
        return []
    if not printed:
        also = f" and {equal:,} would show equivalence" if equal else ""
        return [f"{most:,} seeds would detect {with_unit(f'{targets[-1]:g}', unit)}{also}"]
    ends = f"{targets[0]:g}" if len(targets) == 1 else f"{targets[0]:g} to {targets[-1]:g}"
    if most <= n:
        return [f"that is enough for the printed {ends}"]
    return [f"{most:,} seeds would detect the printed {ends}"]


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _ends(numbers: Sequence[float | None]) -> tuple[float, float]:
    known = [number for number in numbers if number is not None]
    return min(known), max(known)


def _missing(table: Table) -> str:
    """How many results are missing and why, and whether the audit failed."""
    alarms = [_alarm(table, family.baseline) for family in table.families if family.audit and family.audit.is_alarm]
    lost, names = _lost(table), names_of(table)
    counts = {kind: sum(rows.values()) for kind, rows in lost.items()}
    if not lost:
        return " ".join(alarms[:1])
    where = {
        kind: f" ({joined([names[label] for label in rows])})" if len(rows) <= MAX_NAMES else ""
        for kind, rows in lost.items()
    }
    total = sum(counts.values())
    planned = counted(sum(row.n_planned for row in table.rows), "result")
    head = " ".join([*alarms[:1], f"{total} of {planned} {'is' if total == 1 else 'are'} missing: "])
    amounts = {kind: f"{count} {kind}" for kind, count in counts.items()}
    if len(counts) == 1:
        amounts = {kind: kind if count == 1 else f"{_all(count).split()[0]} {kind}" for kind, count in counts.items()}
    why, short = joined([f"{text}{where[kind]}" for kind, text in amounts.items()]), joined([*amounts.values()])
    undone = _open_because_of_failures(table)
    return _fit([f"{head}{why}.{undone}", f"{head}{short}.{undone}", f"{head}{short}."])


def _lost(table: Table) -> dict[str, dict[str, int]]:
    """How the rows lost seeds: kind of loss -> label -> number of seeds. Outstanding seeds are not lost."""
    found: dict[str, dict[str, int]] = {}
    for row in table.rows:
        ended = row.n_ok + row.n_diverged + row.n_failed
        kinds = {
            "diverged": row.n_diverged,
            "failed": row.n_failed,
            "not run": 0 if table.provisional else row.n_planned - ended,
            "not reported": row.n_ok - len(row.cells[table.metric].values),
        }
        for kind, count in kinds.items():
            if count:
                found.setdefault(kind, {})[row.name] = count
    return found


def _open_because_of_failures(table: Table) -> str:
    rows = [row for row in table.rows if (one := row.cells[table.metric].tested) and one.reason == "failures"]
    if not rows:
        return ""
    names = names_of(table)
    which = joined([names[row.name] for row in rows]) if len(rows) <= MAX_NAMES else f"{len(rows)} rows"
    return f" They leave {which} undecided."


def _alarm(table: Table, baseline: str) -> str:
    name = names_of(table)[baseline]
    return (
        f"The audit failed: a hidden duplicate of {name} differs from it, so something other than the rows affects the "
        "results."
    )


def _agreement(table: Table) -> list[str]:
    """How many printed differences can be checked, and how many of these agree."""
    found = [family.agreement for family in table.families if family.agreement]
    if not found or table.published is None:
        return []
    counts: Counter[str] = Counter()
    for one in found:
        counts.update(one.counts)
    cells = [row.cells[table.metric] for row in table.rows]
    printed = sum(1 for cell in cells if cell.published and cell.published.diff is not None)
    source, total = f"printed in {table.published.id}", counts.total()
    if not counts:
        return [f"No difference {source} is above the noise of a single run, so none can be checked here."]
    which = f"All {printed} differences" if 1 < total == printed else f"{total} of {counted(printed, 'difference')}"
    if total == printed == 1:
        which = "The difference"
    words = joined([_said(word, count) for word, count in counts.items()])
    if 1 < total == max(counts.values()):
        words = f"{_all(total)} {_said(*counts.popitem()).partition(' ')[2]}"
    claims = [cell for cell in cells if cell.agreement and cell.agreement.word != NO_CLAIM]
    few = any(len(cell.values) < VERDICT_FROM for cell in claims) and not counts.keys() <= OPEN_WORDS
    early = f" (provisional below {VERDICT_FROM} seeds)" if few else ""
    if total == 1:
        return [f"{which} {source} is above the noise of a single run, and it {words[2:]}{early}."]
    return [f"{which} {source} are above the noise of a single run: {words}{early}."]


def _said(word: str, count: int) -> str:
    one, many = VERBS.get(word, (f"is {word}", f"are {word}"))
    return f"{count} {one if count == 1 else many}"
