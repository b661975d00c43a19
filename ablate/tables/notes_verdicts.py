"""Sentences below a table on what is established: tests, decisions, what is open, agreement, effects. Plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ablate.statistics.agreement.printed import NO_CLAIM, NOISE_FACTOR
from ablate.statistics.grids.contributions import NOT_IMPORTANCE, Contribution, contributions
from ablate.statistics.words import MINUS, equals_p, format_p
from ablate.tables.table import Table, TableCell, TableRow
from ablate.tables.verdicts import Audit, Effect, Tested
from ablate.tables.words import count, fixed, listed, named

TOLD_ELSEWHERE = ("failures", "one seed")
"""Reasons of undecided rows that other sentences give for all of them."""
MAX_OPEN = 12
"""Undecided rows of which each has a sentence of its own."""


def verdict_notes(table: Table, *, design: str) -> list[str]:
    """What is to be read with decisions, agreement and effects; nothing as long as seeds are outstanding."""
    if not table.families:
        return []
    return [
        *_tests(table),
        *open_notes(table),
        *_against_their_interval(table),
        *_lost(table.rows, table.metric),
        *_audits(table),
        *_agreements(table),
        *_effects(table),
        *(_contributions(table) if design == "leave_one_out" else []),
        *_fronts(table),
    ]


def _tests(table: Table) -> list[str]:
    methods = method_notes(table)
    if not any(family.test for family in table.families):
        return methods
    margin = f"equivalent is within ±{table.margin:g}" if table.margin else "without a margin no row is equivalent"
    level = f"decided at {100 * table.alpha:g} % for each family of rows; {margin}"
    known = ["exploratory: results were known when the study was fixed or changed, so no p keeps its level"]
    return [*methods, level, *(known if table.exploratory else [])]


def method_notes(table: Table) -> list[str]:
    """How numbers and p were made; a generated caption says the same."""
    methods: dict[str, list[str]] = {}
    for family in table.families:
        if family.comparisons:
            text = family.method + (f"; {family.spread}" if family.spread else "")
            methods.setdefault(text, []).append(family.group or "")
    return [method + (f" ({named(groups)})" if len(methods) > 1 else "") for method, groups in methods.items()]


def open_notes(table: Table) -> Iterator[str]:
    """Why rows are undecided, what their seeds could have seen, and what it would take."""
    metric = table.metric
    undecided = [row for row in table.rows if row.cells[metric].decision == "undecided"]
    if len(undecided) > MAX_OPEN:
        yield (
            f"{len(undecided)} rows are undecided; of the full table (--full) the columns 'detectable' and 'seeds "
            "needed' have what their seeds could have seen, and what it would take"
        )
        return
    found = [
        (row, tested)
        for row in undecided
        if (tested := row.cells[metric].tested) and tested.reason not in TOLD_ELSEWHERE
    ]
    for row, tested in found:
        yield f"row '{row.label}': {tested.text}{''.join(_what_it_takes(row.cells[metric], tested))}"
    if any(" sd)" in tested.text for _, tested in found):
        yield "'could only have seen' is with 80 % power, in sd of a paired difference"


def _what_it_takes(cell: TableCell, tested: Tested) -> Iterator[str]:
    if tested.mde and " sd)" in tested.text:
        yield f", which is {tested.mde:.3g} here"
    if tested.seeds_needed and tested.target is not None:
        printed = cell.published.diff if cell.published else None
        what = ", as it is printed" if printed and abs(printed) == tested.target else ""
        yield f"; {tested.seeds_needed:,} seeds would decide a difference of {tested.target:g}{what}"
    if tested.seeds_equivalent:
        yield f"; {tested.seeds_equivalent:,} seeds would show it equivalent if there is no difference"


def _against_their_interval(table: Table) -> Iterator[str]:
    """Rows that are decided although the interval covers 0: two assumptions, two answers."""
    rows = []
    for row in table.rows:
        cell = row.cells[table.metric]
        if (
            cell.decision in ("better", "worse")
            and cell.diff
            and cell.diff.low is not None
            and cell.diff.high is not None
        ):
            rows += [row.label] if cell.diff.low <= 0 <= cell.diff.high else []
    if rows:
        yield (
            f"decided although the t interval covers 0: {named(rows)}; p is by the signs of the differences, the "
            "interval assumes that they are normal"
        )


def _lost(rows: Sequence[TableRow], metric: str) -> Iterator[str]:
    """Runs that one of two rows lost: whether that is a difference too, and the worst case."""
    for row in rows:
        found = row.cells[metric].tested
        if found is not None and found.p_lost is not None and found.p_worst is not None:
            yield (
                f"row '{row.label}' and its baseline did not lose the same seeds: p {equals_p(found.p_lost)} (exact "
                f"McNemar); with lost runs as the worst values p {equals_p(found.p_worst)} (sign flip on ranks), "
                f"{format_p(found.p_worst_adj if found.p_worst_adj is not None else found.p_worst)} corrected"
            )


def _audits(table: Table) -> Iterator[str]:
    for family in table.families:
        found = family.audit
        if found is not None:
            text = f"audit: a hidden copy of '{family.baseline}' with random numbers of its own"
            yield f"{text} {_audit_word(found, table.alpha)}"
            yield from (f"audit copy of '{family.baseline}', {note}" for note in found.lost)


def _audit_word(found: Audit, alpha: float) -> str:
    suspect = ": something beside the rows decides"
    if found.is_alarm and not found.n:
        return f"was LOST altogether, and the baseline was not{suspect}"
    if found.p is None and found.is_alarm:
        return f"comes out DIFFERENT by {found.diff:.3g} on every seed{suspect}"
    if found.p is None:
        return f"cannot be compared ({found.n} common seed{'s' * (found.n != 1)}, or no spread)"
    if found.is_alarm:
        chance = f"by chance {100 * alpha:g} of 100 studies show this, else something beside the rows decides"
        return f"comes out DIFFERENT (p {equals_p(found.p)}, n = {found.n}): {chance}"
    return f"is not set apart, as it must be (p {equals_p(found.p)}, n = {found.n})"


def _agreements(table: Table) -> Iterator[str]:
    for family in table.families:
        if family.agreement is None:
            continue
        group = f" ({family.group})" if family.group else ""
        said = family.agreement.text
        yield f"agreement with the printed differences at scale {table.scale or 'base'}{group}: {said}"
        yield f"order of the rows{group}: {family.agreement.rank}; {family.agreement.pairs}"
    if any(_has_no_claim(row.cells[table.metric]) for row in table.rows):
        by_chance = f"one below {NOISE_FACTOR:g} sd of our paired differences, as single runs give by chance"
        yield f"no claim: the print has no difference, or {by_chance}"
    against = [row.label for row in table.rows if _is_decided_against(row.cells[table.metric])]
    if against:
        yield f"decided the other way than printed, where the print is within our noise and no claim: {named(against)}"


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
        found = sorted(effects.effects, key=lambda effect: -effect.share)
        is_exact = effects.method == "anova"
        kind = "eta squared" if is_exact else "importance by fANOVA, with the range over its forests: no interval"
        if is_exact and len(table.seeds) == 1:
            kind += " of one seed, noise included"
        noise = f"; noise {_percent(effects.residual)}" if effects.residual is not None and len(table.seeds) > 1 else ""
        yield f"what matters in the grid ({kind}): {', '.join(_effect(one, is_exact) for one in found)}{noise}"
    yield from (f"on the grid: {note}" for note in effects.notes)


def _effect(effect: Effect, is_exact: bool) -> str:
    facts = []
    if effect.low is not None and effect.high is not None:
        ends = f"{fixed(100 * effect.low, 1)} to {fixed(100 * effect.high, 1)}"
        facts.append(f"95 % interval {ends}" if is_exact else f"forests {ends}")
    if effect.p_adj is not None:
        facts.append(f"p {equals_p(effect.p_adj)} corrected")
    return f"{' x '.join(effect.factors)} {_percent(effect.share)}" + (f" ({'; '.join(facts)})" if facts else "")


def _percent(share: float) -> str:
    return f"{fixed(100 * share, 1)} %"


def _contributions(table: Table) -> Iterator[str]:
    """What each component adds to the full method of a leave-one-out study."""
    values = {row.label: row.cells[table.metric].values for row in table.rows if row.levels}
    full = next((row.label for row in table.rows if row.levels and "off" not in row.levels.values()), None)
    if full is None:
        return
    without = {label: found for label, found in values.items() if label != full}
    found = contributions(values[full], without, lower_is_better=table.lower_is_better)
    shown = [_contribution(one) for one in found if one.difference is not None]
    if shown:
        yield f"better by each component (95 % t interval): {', '.join(shown)}"
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


def _fronts(table: Table) -> Iterator[str]:
    """Counted costs only: times are measured anew each time."""
    for front in table.fronts:
        if front.cost != "train_s" and len(front.rows) < len(table.rows):
            paid = {row.label: getattr(row, front.cost) for row in table.rows}
            shown = listed([f"'{label}' ({count(paid[label])})" for label in front.rows])
            yield f"not beaten in mean and {front.cost.replace('_', '-')} at once: {shown}"
