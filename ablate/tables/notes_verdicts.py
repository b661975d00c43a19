"""Notes on the findings of a table: tests, decisions, undecided rows, lost runs, agreement. Plain sentences."""

from __future__ import annotations

from collections.abc import Iterator

from ablate.statistics.agreement.row_agreement import NO_CLAIM, NOISE_FACTOR
from ablate.statistics.decisions.power import POWER
from ablate.statistics.estimate import FEWEST_SEEDS
from ablate.statistics.words import counted, equals_p, format_p, plain_number, with_unit
from ablate.tables.fronts import front_notes
from ablate.tables.notes_effects import contribution_notes, effect_notes
from ablate.tables.table import Table, TableCell, TableRow
from ablate.tables.tries import describe_tries
from ablate.tables.verdicts import Audit, Tested
from ablate.tables.words import metric_unit, named

EXPLAINED_HERE = ("no common seed", "one seed", "two seeds", "all seeds tie", "too few seeds", "no spread")
"""Reasons of undecided rows that no other sentence gives."""
MAX_OPEN = 12
"""Largest number of undecided rows, and of rows that were tried before, that have a sentence each."""
ANYTIME = (
    "are decided by all their seeds together, with a test that may be repeated at will "
    "(symmetry e-process; it assumes that differences are symmetric about 0)."
)
NO_ANYTIME = "are not decided, because no test over several tries is valid for folds, which depend on each other."


def verdict_notes(table: Table, *, design: str) -> list[str]:
    """The notes on decisions, agreement and effects; none while seeds are outstanding."""
    if not table.families:
        return []
    return [
        *_tests(table),
        *_tries(table),
        *_open_notes(table),
        *_against_their_interval(table),
        *_lost(table),
        *_audits(table),
        *_agreements(table),
        *effect_notes(table),
        *(contribution_notes(table) if design == "leave_one_out" else []),
        *front_notes(table),
    ]


def _tests(table: Table) -> list[str]:
    methods = method_notes(table)
    if not any(family.test for family in table.families):
        return methods
    within = with_unit(f"±{table.margin or 0:g}", metric_unit(table.metric))
    margin = f" A row that is shown to be within {within} of its baseline is equivalent." if table.margin else ""
    groups = " in each group of rows" if len(table.families) > 1 else ""
    level = (
        f"If no row had any effect, at most {100 * table.alpha:g} of 100 studies would decide that one is better or "
        f"worse (family-wise error rate{groups})."
    )
    return [*methods, level + margin]


def method_notes(table: Table) -> list[str]:
    """How p-values were computed, also those of rows that were tried before; the generated caption repeats it."""
    methods: dict[str, list[str]] = {}
    tested = {row.group for row in table.rows if not row.baseline and row.cells[table.metric].tries is None}
    for family in table.families:
        if family.comparisons and family.group in tested:  # else no p-value in the table is of its test
            text = family.method + (f" {family.spread}" if family.spread else "")
            methods.setdefault(text, []).append(family.group or "")
    found = [f"{f'In {named(groups)}: ' * (len(methods) > 1)}{method}" for method, groups in methods.items()]
    tried = [row.name for row in table.rows if row.cells[table.metric].tries]
    return (
        [*found, f"Rows that were tried before ({named(tried)}) {NO_ANYTIME if table.folds else ANYTIME}"]
        if tried
        else found
    )


def _open_notes(table: Table) -> Iterator[str]:
    """Why rows are undecided, and which differences their seeds can detect, where the summary cannot say it of each."""
    metric = table.metric
    undecided = [row for row in table.rows if row.cells[metric].decision == "undecided"]
    found = [(row, tested) for row in undecided if (tested := row.cells[metric].tested)]
    is_said = all(tested.reason != "no clear difference" for _, tested in found)  # then the summary has too few seeds
    reasons: dict[str, list[str]] = {}
    said = {"too few seeds"} if is_said else set()
    if len(table.seeds) < FEWEST_SEEDS:
        said |= {"one seed", "two seeds"}
    for row, tested in found:
        if tested.reason in EXPLAINED_HERE and tested.reason not in said:
            reasons.setdefault(tested.text.removeprefix("undecided: "), []).append(row.name)
    for reason, labels in reasons.items():
        yield f"{named(labels)} {'is' if len(labels) == 1 else 'are'} undecided, because {reason}."
    if len(undecided) > MAX_OPEN:
        yield (
            "In the full table (--full), the column 'detectable' shows which differences the seeds of each row can "
            "detect, and 'seeds needed' how many seeds would decide."
        )
        return
    unit = metric_unit(metric)
    each = [
        _detectable(row, row.cells[metric], unit) for row, tested in found if tested.reason == "no clear difference"
    ]
    if len(each) > 1:
        yield f"The seeds of each undecided row can detect ({100 * POWER:.0f} % power): {'; '.join(each)}."


def _detectable(row: TableRow, cell: TableCell, unit: str) -> str:
    """`'Swish' above 1.2 points (20 seeds would detect the printed 0.9)`."""
    tested = cell.tested
    if tested is None:
        return ""
    smallest = tested.mde or 0.0
    needed = "; ".join(_seeds_needed(cell, tested, unit))
    amount = with_unit(plain_number(smallest, smallest), unit) if smallest else "nothing"
    return f"'{row.name}' above {amount}" + (f" ({needed})" if needed else "")


def _tries(table: Table) -> Iterator[str]:
    """The answers for rows that were tried before, which the tests of this try alone cannot give."""
    cells, unit = {row.name: row.cells[table.metric] for row in table.rows}, metric_unit(table.metric)
    shown = [
        f"'{label}', {describe_tries(cell.tries, cell.decision or 'undecided', unit)}."
        for label, cell in cells.items()
        if cell.tries
    ]
    yield from shown[:MAX_OPEN]
    if len(shown) > MAX_OPEN:
        yield f"{len(shown) - MAX_OPEN} more rows were tried before; table.json has their tries."


def _seeds_needed(cell: TableCell, tested: Tested, unit: str) -> Iterator[str]:
    if tested.seeds_needed and tested.target is not None:
        printed, size = cell.published.diff if cell.published else None, f"{tested.target:g}"
        is_printed = bool(printed) and abs(printed or 0.0) == tested.target
        what = f"the printed {size}" if is_printed else f"a difference of {with_unit(size, unit)}"
        yield f"{tested.seeds_needed:,} seeds would detect {what}"
    if tested.seeds_equivalent:
        yield f"{tested.seeds_equivalent:,} would show equivalence if there is no difference"


def _against_their_interval(table: Table) -> Iterator[str]:
    """Rows that are decided although the interval includes 0: test and interval have different assumptions."""
    rows = []
    for row in table.rows:
        cell = row.cells[table.metric]
        if (
            cell.decision in ("better", "worse")
            and not cell.tries
            and cell.diff
            and cell.diff.low is not None
            and cell.diff.high is not None
        ):
            rows += [row.name] if cell.diff.low <= 0 <= cell.diff.high else []
    if rows:
        yield (
            f"{named(rows)} {'is' if len(rows) == 1 else 'are'} decided although the t interval includes 0. The "
            "interval assumes normally distributed differences; the sign-flip test does not."
        )


def _lost(table: Table) -> Iterator[str]:
    """Runs that failed in only one of two rows: how often chance does that, and the worst case."""
    for _, rows in table.grouped():
        baseline = next(row for row in rows if row.baseline)
        for row in rows:
            found = row.cells[table.metric].tested
            if found is not None and found.p_lost is not None and found.p_worst is not None:
                lost, of = (one.n_planned - len(one.cells[table.metric].values) for one in (row, baseline))
                counts = f"'{row.name}' lost {lost} of {counted(row.n_planned, 'seed')}, its baseline {of or 'none'}"
                if table.folds:
                    yield f"{counts}. A decision that lost folds could weaken is left undecided."
                    continue
                adjusted = found.p_worst_adj if found.p_worst_adj is not None else found.p_worst
                yield (
                    f"{counts}: by "
                    f"chance this happens in {_of_100(found.p_lost)} studies (exact McNemar test). With lost runs "
                    f"counted as the worst values, p {equals_p(found.p_worst)}, {format_p(adjusted)} corrected (sign "
                    "flip on ranks)."
                )


def _of_100(p: float) -> str:
    """A probability as a number of 100 studies."""
    return f"{100 * p:.0f} of 100" if p >= 0.01 else "fewer than 1 of 100"


def _audits(table: Table) -> Iterator[str]:
    for family in table.families:
        found = family.audit
        if found is not None:
            text = f"A hidden duplicate of '{family.baseline}' with its own random numbers (audit)"
            yield f"{text} {_audit_result(found, table.alpha)}."
            yield from (f"The duplicate of '{family.baseline}' {note}." for note in found.lost)


def _audit_result(found: Audit, alpha: float) -> str:
    suspect = "something other than the rows affects the results"
    if found.is_alarm and not found.n:
        return f"lost all seeds and the baseline did not: {suspect}"
    if found.p is None and found.is_alarm:
        return f"is DIFFERENT by {found.diff:.3g} on every seed: {suspect}"
    if found.p is None:
        return f"cannot be compared with it ({counted(found.n, 'common seed')}; the test needs {FEWEST_SEEDS})"
    test = f"p {equals_p(found.p)}, {counted(found.n, 'seed')}"
    if found.is_alarm:
        chance = f"By chance this happens in {100 * alpha:g} of 100 studies; otherwise {suspect}"
        return f"is DIFFERENT from it ({test}). {chance}"
    return f"does not differ from it, as expected ({test})"


def _agreements(table: Table) -> Iterator[str]:
    found = [(family.group, family.agreement) for family in table.families if family.agreement]
    if found:
        texts = [f". {group}: {one.text}" if group else f": {one.text}" for group, one in found]
        yield f"Verdict on the printed differences at scale {table.scale or 'base'}{''.join(texts)}."
    for group, one in found:
        yield f"{f'In {group}, o' if group else 'O'}{one.pairs[1:]} {one.rank}"
    if any(_has_no_claim(row.cells[table.metric]) for row in table.rows):
        yield (
            f"'No claim' means that the paper prints no difference, or one below {NOISE_FACTOR:g} standard deviations "
            "of our paired differences, which single runs can show by chance."
        )
    against = [row.name for row in table.rows if _is_decided_against(row.cells[table.metric])]
    if against:
        yield (
            f"{named(against)} {'is' if len(against) == 1 else 'are'} decided against the direction of the printed "
            "difference, which is within our noise and so makes no claim."
        )


def _has_no_claim(cell: TableCell) -> bool:
    return cell.agreement is not None and cell.agreement.word == NO_CLAIM


def _is_decided_against(cell: TableCell) -> bool:
    is_decided, found = cell.decision in ("better", "worse"), cell.agreement
    return is_decided and found is not None and _has_no_claim(cell) and found.direction == "differs"
