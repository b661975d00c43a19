"""Sentences below a table on what is established: tests, decisions, what is open, agreement, effects. Plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ablate.statistics.contributions import NOT_IMPORTANCE, Contribution, contributions
from ablate.statistics.sentences import format_p
from ablate.tables.table import Table, TableRow
from ablate.tables.verdicts import Effect, Effects, Family
from ablate.tables.words import MINUS, count, fixed, listed, named

MOST_OPEN = 12
"""Undecided rows of which each has a sentence of its own."""


def verdict_notes(table: Table, *, design: str) -> list[str]:
    """What is to be read with decisions, agreement and effects; nothing as long as seeds are outstanding."""
    if not table.families:
        return []
    return [
        *_tests(table),
        *open_notes(table),
        *_lost(table.rows, table.metric),
        *_audits(table.families),
        *_agreements(table.families, table.scale),
        *_effects(table.effects),
        *(_contributions(table) if design == "leave_one_out" else []),
        *_fronts(table),
    ]


def _tests(table: Table) -> list[str]:
    methods = method_notes(table)
    margin = f"equivalent is within ±{table.margin:g}" if table.margin else "without a margin no row is equivalent"
    level = [f"decided at {100 * table.alpha:g} % for each family of rows; {margin}"] if methods else []
    changed = ["exploratory: the study was changed once results were known, so no p keeps its level"]
    return [*methods, *level, *(changed if methods and table.exploratory else [])]


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
    if len(undecided) > MOST_OPEN:
        yield (
            f"{len(undecided)} rows are undecided; the columns 'mde' and 'seeds_needed' have what their seeds could "
            "have seen, and what it would take"
        )
        return
    for row in undecided:
        found = row.cells[metric].tested
        if found is not None:
            seen = f"; here that is {found.mde:.3g}" if found.mde and " sd)" in found.text else ""
            text = f"row '{row.label}': {found.text}{seen}"
            if found.seeds_needed:
                text += f"; {found.seeds_needed:,} seeds would decide a difference of {found.target:g}"
            yield text


def _lost(rows: Sequence[TableRow], metric: str) -> Iterator[str]:
    """Runs that one of two rows lost: whether that is a difference too, and the worst case."""
    for row in rows:
        found = row.cells[metric].tested
        if found is not None and found.p_lost is not None and found.p_worst is not None:
            yield (
                f"row '{row.label}' and its baseline did not lose the same seeds: p {_equals(found.p_lost)} (exact "
                f"McNemar); with lost runs as the worst values p {_equals(found.p_worst)} (sign flip on ranks)"
            )


def _audits(families: Sequence[Family]) -> Iterator[str]:
    for family in families:
        found = family.audit
        if found is None:
            continue
        text = f"audit: a hidden copy of '{family.baseline}' with random numbers of its own"
        if found.p is None and found.is_alarm:
            yield f"{text} comes out DIFFERENT by {found.diff:.3g} on every seed: something beside the rows decides"
        elif found.p is None:
            yield f"{text} cannot be compared ({found.n} common seeds, or no spread)"
        elif found.is_alarm:
            yield f"{text} comes out DIFFERENT (p {_equals(found.p)}, n = {found.n}): something beside the rows decides"
        else:
            yield f"{text} is not set apart, as it must be (p {_equals(found.p)}, n = {found.n})"


def _agreements(families: Sequence[Family], scale: str | None) -> Iterator[str]:
    for family in families:
        if family.agreement is None:
            continue
        group = f" ({family.group})" if family.group else ""
        yield f"agreement with the printed differences at scale {scale or 'base'}{group}: {family.agreement.text}"
        yield f"order of the rows{group}: {family.agreement.rank}; {family.agreement.pairs}"


def _effects(effects: Effects | None) -> Iterator[str]:
    if effects is None:
        return
    if effects.effects:
        found = sorted(effects.effects, key=lambda effect: -effect.share)
        what = "eta squared" if effects.method == "anova" else "importance by fANOVA"
        noise = "" if effects.residual is None else f"; noise {fixed(100 * effects.residual, 1)} %"
        yield f"what matters in the grid ({what}): {', '.join(_effect(one) for one in found)}{noise}"
    yield from (f"on the grid: {note}" for note in effects.notes)


def _effect(effect: Effect) -> str:
    inside = (
        [f"{fixed(100 * effect.low, 1)} to {fixed(100 * effect.high, 1)}"]
        if (effect.low is not None and effect.high is not None)
        else []
    )
    tested = [f"p {_equals(effect.p_adj)} corrected"] if effect.p_adj is not None else []
    facts = "; ".join([*inside, *tested])
    return f"{' x '.join(effect.factors)} {fixed(100 * effect.share, 1)} %" + (f" ({facts})" if facts else "")


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


def _equals(p: float) -> str:
    text = format_p(p)
    return text if text.startswith("<") else f"= {text}"
