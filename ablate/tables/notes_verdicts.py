"""Sentences below a table on its findings: tests, decisions, undecided rows, agreement, effects. Plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ablate.statistics.agreement.row_agreement import NO_CLAIM, NOISE_FACTOR
from ablate.statistics.decisions.power import POWER
from ablate.statistics.grids.contributions import NOT_IMPORTANCE, Contribution, contributions
from ablate.statistics.words import MINUS, counted, equals_p, format_p, of_planned, with_unit
from ablate.tables.fronts import front_notes
from ablate.tables.table import Table, TableCell, TableRow
from ablate.tables.tries import describe_tries
from ablate.tables.verdicts import Audit, Effect, LevelMean, Tested
from ablate.tables.words import fixed, metric_unit, named

EXPLAINED_ELSEWHERE = ("failures", "one seed", "tried before")
"""Reasons of undecided rows that other sentences give for all such rows."""
SHOWN_SHARE = 0.0005
"""Smallest share of what is left besides the effects that has a number."""
MAX_LEVELS = 6
"""Largest number of levels of a factor whose means are all shown in a sentence."""
MAX_OPEN = 12
"""Largest number of undecided rows, and of rows that were tried before, that have a sentence each."""
ANYTIME = (
    "are decided by all their seeds together, with a test that may be repeated at will "
    "(symmetry e-process; it assumes that differences are symmetric about 0)"
)


def verdict_notes(table: Table, *, design: str) -> list[str]:
    """The notes on decisions, agreement and effects; none while seeds are outstanding."""
    if not table.families:
        return []
    return [
        *_tests(table),
        *_tries(table),
        *open_notes(table),
        *_against_their_interval(table),
        *_lost(table.rows, table.metric),
        *_audits(table),
        *_agreements(table),
        *_effects(table),
        *(_contributions(table) if design == "leave_one_out" else []),
        *front_notes(table),
    ]


def _tests(table: Table) -> list[str]:
    methods = method_notes(table)
    if not any(family.test for family in table.families):
        return methods
    within = with_unit(f"±{table.margin or 0:g}", metric_unit(table.metric))
    margin = (
        f"rows shown to be within {within} are equivalent"
        if table.margin
        else "no row can be equivalent, since the study sets no margin"
    )
    groups = " in each group of rows" if len(table.families) > 1 else ""
    level = f"decisions keep the family-wise error rate at {100 * table.alpha:g} %{groups}; {margin}"
    return [*methods, level]


def method_notes(table: Table) -> list[str]:
    """How p-values were computed, also those of rows that were tried before; the generated caption repeats it."""
    methods: dict[str, list[str]] = {}
    tested = {row.group for row in table.rows if not row.baseline and row.cells[table.metric].tries is None}
    for family in table.families:
        if family.comparisons and family.group in tested:  # else no p-value in the table is of its test
            text = family.method + (f"; {family.spread}" if family.spread else "")
            methods.setdefault(text, []).append(family.group or "")
    found = [method + (f" ({named(groups)})" if len(methods) > 1 else "") for method, groups in methods.items()]
    tried = [row.label for row in table.rows if row.cells[table.metric].tries]
    return [*found, f"rows that were tried before ({named(tried)}) {ANYTIME}"] if tried else found


def open_notes(table: Table) -> Iterator[str]:
    """Why rows are undecided, which differences their seeds can detect, and how many seeds would decide."""
    metric = table.metric
    undecided = [row for row in table.rows if row.cells[metric].decision == "undecided"]
    if len(undecided) > MAX_OPEN:
        yield (
            f"{len(undecided)} rows are undecided; in the full table (--full) the column 'detectable' shows which "
            "differences their seeds can detect, and 'seeds needed' how many seeds would decide"
        )
        return
    found = [
        (row, tested)
        for row in undecided
        if (tested := row.cells[metric].tested) and tested.reason not in EXPLAINED_ELSEWHERE
    ]
    for row, tested in found:
        needed = "".join(_seeds_needed(row.cells[metric], tested, metric_unit(metric)))
        yield f"row '{row.label}' is {tested.text}{needed}"
    if any(tested.seeds_needed or tested.seeds_equivalent for _, tested in found):
        yield (
            f"seed counts are planned for {100 * POWER:.0f} % power with the upper 80 % confidence limit of the "
            "standard deviation; detectable differences use its estimate"
        )


def _tries(table: Table) -> Iterator[str]:
    """The answers for rows that were tried before, which the tests of this try alone cannot give."""
    cells, unit = {row.label: row.cells[table.metric] for row in table.rows}, metric_unit(table.metric)
    shown = [
        f"'{label}' {describe_tries(cell.tries, cell.decision or 'undecided', unit)}"
        for label, cell in cells.items()
        if cell.tries
    ]
    yield from shown[:MAX_OPEN]
    if len(shown) > MAX_OPEN:
        yield f"{len(shown) - MAX_OPEN} more rows were tried before; table.json has their tries"


def _seeds_needed(cell: TableCell, tested: Tested, unit: str) -> Iterator[str]:
    if tested.seeds_needed and tested.target is not None:
        printed, size = cell.published.diff if cell.published else None, f"{tested.target:g}"
        is_printed = bool(printed) and abs(printed or 0.0) == tested.target
        what = f"the printed {size}" if is_printed else f"a difference of {with_unit(size, unit)}"
        yield f"; {tested.seeds_needed:,} seeds would detect {what}"
    if tested.seeds_equivalent:
        yield f"; {tested.seeds_equivalent:,} seeds would show equivalence if there is no difference"


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
            rows += [row.label] if cell.diff.low <= 0 <= cell.diff.high else []
    if rows:
        yield (
            f"decided although the t interval includes 0: {named(rows)}; the interval assumes normally distributed "
            "differences, the sign-flip test does not"
        )


def _lost(rows: Sequence[TableRow], metric: str) -> Iterator[str]:
    """Runs that failed in only one of two rows: whether the failure rates differ, and the worst case."""
    for row in rows:
        found = row.cells[metric].tested
        if found is not None and found.p_lost is not None and found.p_worst is not None:
            yield (
                f"row '{row.label}' and its baseline failed on different seeds: p {equals_p(found.p_lost)} for equal "
                "failure rates (exact McNemar test); with failed runs counted as the worst values, p "
                f"{equals_p(found.p_worst)} (sign flip on ranks), "
                f"{format_p(found.p_worst_adj if found.p_worst_adj is not None else found.p_worst)} corrected"
            )


def _audits(table: Table) -> Iterator[str]:
    for family in table.families:
        found = family.audit
        if found is not None:
            text = f"audit: a hidden duplicate of '{family.baseline}' with its own random numbers"
            yield f"{text} {_audit_result(found, table.alpha)}"
            yield from (f"audit duplicate of '{family.baseline}', {note}" for note in found.lost)


def _audit_result(found: Audit, alpha: float) -> str:
    suspect = "something other than the rows affects the results"
    if found.is_alarm and not found.n:
        return f"FAILED on all seeds and the baseline did not: {suspect}"
    if found.p is None and found.is_alarm:
        return f"is DIFFERENT by {found.diff:.3g} on every seed: {suspect}"
    if found.p is None:
        return f"cannot be compared ({counted(found.n, 'common seed')}, or no spread)"
    test = f"p {equals_p(found.p)}, {counted(found.n, 'seed')}"
    if found.is_alarm:
        chance = f"this happens by chance in {100 * alpha:g} of 100 studies; otherwise {suspect}"
        return f"is DIFFERENT ({test}): {chance}"
    return f"does not differ from the baseline, as expected ({test})"


def _agreements(table: Table) -> Iterator[str]:
    for family in table.families:
        if family.agreement is None:
            continue
        group = f" ({family.group})" if family.group else ""
        found = family.agreement
        yield f"agreement with the printed differences at scale {table.scale or 'base'}{group}: {found.text}"
        yield f"order of the rows compared with the printed order{group}: {found.rank}; {found.pairs}"
    if any(_has_no_claim(row.cells[table.metric]) for row in table.rows):
        by_chance = f"one below {NOISE_FACTOR:g} sd of our paired differences, which single runs can show by chance"
        yield f"no claim: the paper prints no difference, or {by_chance}"
    against = [row.label for row in table.rows if _is_decided_against(row.cells[table.metric])]
    if against:
        yield (
            "decided against the direction of the printed difference, which is within our noise and makes no claim: "
            f"{named(against)}"
        )


def _has_no_claim(cell: TableCell) -> bool:
    return cell.agreement is not None and cell.agreement.word == NO_CLAIM


def _is_decided_against(cell: TableCell) -> bool:
    is_decided, found = cell.decision in ("better", "worse"), cell.agreement
    return is_decided and found is not None and _has_no_claim(cell) and found.direction == "differs"


def _effects(table: Table) -> Iterator[str]:
    effects = table.effects
    if effects is None:
        return
    if effects.effects:
        ordered = sorted(effects.effects, key=lambda effect: -effect.share)
        kind = "eta squared" + (" from one seed, including noise" if len(table.seeds) == 1 else "")
        rest = [("other interactions", effects.higher), ("noise", effects.residual if len(table.seeds) > 1 else None)]
        shown = [f"; {name} {_percent(share)}" for name, share in rest if share is not None and share >= SHOWN_SHARE]
        is_adjusted = effects.method == "linear_model"
        texts = [_effect(one, effects.means, is_adjusted=is_adjusted) for one in ordered]
        what = "share of the variation between runs that each factor explains"
        yield f"{what} ({kind}): {', '.join(texts)}{''.join(shown)}"
    yield from (f"grid: {note}" for note in effects.notes)
    rows = [set(row.cells[table.metric].values) for row in table.rows if row.levels]
    found = [seeds for seeds in rows if seeds]
    if found and min(map(len, rows)) < len(table.seeds):
        count = len(set.intersection(*found))
        which = (
            "every row has a value" if len(found) == len(rows) else f"{len(found)} of {len(rows)} rows have values, all"
        )
        yield f"grid: {which} at {of_planned(count, count, len(table.seeds))}; failed runs are left out"


def _effect(effect: Effect, means: Sequence[LevelMean], *, is_adjusted: bool) -> str:
    """The share of an effect; for a main effect also the means of its levels."""
    facts = []
    if len(effect.factors) == 1 and not effect.confounded:
        (name,) = effect.factors
        found = {one.levels[name]: one.mean for one in means if list(one.levels) == [name]}
        facts += [f"{'adjusted ' * is_adjusted}level means {_means(found)}"] if found else []
    if effect.low is not None and effect.high is not None:
        ends = f"{fixed(100 * effect.low, 1)} to {fixed(100 * effect.high, 1)}"
        facts.append(f"95 % interval {ends}")
    if effect.p_adj is not None:
        facts.append(f"p {equals_p(effect.p_adj)} corrected")
    return f"{effect.name} {_percent(effect.share)}" + (f" ({'; '.join(facts)})" if facts else "")


def _means(found: Mapping[str, float]) -> str:
    """The mean of every level; of many levels the smallest and the largest mean."""
    texts = [f"{level}: {f'{mean:#.4g}'.rstrip('.')}".replace("-", MINUS) for level, mean in found.items()]
    if len(texts) <= MAX_LEVELS:
        return ", ".join(texts)
    means = list(found.values())
    return f"from {texts[means.index(min(means))]} to {texts[means.index(max(means))]}"


def _percent(share: float) -> str:
    return f"{fixed(100 * share, 1)} %"


def _contributions(table: Table) -> Iterator[str]:
    """The contribution of each component to the full method of a leave-one-out study."""
    values = {row.label: row.cells[table.metric].values for row in table.rows if row.levels}
    full = next((row.label for row in table.rows if row.levels and "off" not in row.levels.values()), None)
    if full is None:
        return
    without = {label: found for label, found in values.items() if label != full}
    found = contributions(values[full], without, lower_is_better=table.lower_is_better)
    shown = [_contribution(one) for one in found if one.difference is not None]
    if shown:
        yield f"improvement from each component (95 % t interval): {', '.join(shown)}"
        yield NOT_IMPORTANCE


def _contribution(one: Contribution) -> str:
    found, name = one.difference, one.label.removeprefix("- ")
    if found is None or one.gain is None:
        return f"{name} unknown"
    text = f"{name} {one.gain:+.3g}".replace("-", MINUS)
    if found.low is None or found.high is None:
        return text
    low, high = sorted(end * (1 if one.gain == found.mean else -1) for end in (found.low, found.high))
    return f"{text} [{f'{low:.3g}, {high:.3g}'.replace('-', MINUS)}]"
