"""Notes on what matters: the effects of a grid's factors, and the contributions of components. Plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ablate.statistics.grids.contributions import NOT_IMPORTANCE, Contribution, contributions
from ablate.statistics.words import MINUS, equals_p, of_planned
from ablate.study.names import bare
from ablate.tables.table import Table
from ablate.tables.verdicts import Effect, LevelMean
from ablate.tables.words import fixed

SHOWN_SHARE = 0.0005
"""Smallest share of what is left besides the effects that has a number."""
MAX_LEVELS = 6
"""Largest number of levels of a factor whose means are all shown in a sentence."""


def effect_notes(table: Table) -> Iterator[str]:
    """The share of each effect of a grid in the variation, the notes on the analysis, and the seeds it rests on."""
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
        what = f"Share of the variation between runs that each factor explains ({kind})"
        yield f"{what}: {', '.join(texts)}{''.join(shown)}."
    yield from effects.notes
    rows = [set(row.cells[table.metric].values) for row in table.rows if row.levels]
    found = [seeds for seeds in rows if seeds]
    if found and min(map(len, rows)) < len(table.seeds):
        count = len(set.intersection(*found))
        which = "Every row" if len(found) == len(rows) else f"Each of {len(found)} of {len(rows)} rows"
        seeds = of_planned(count, count, len(table.seeds))
        yield f"{which} of the grid has a value at {seeds}; the effects use these and leave failed runs out."


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


def contribution_notes(table: Table) -> Iterator[str]:
    """The contribution of each component to the full method of a leave-one-out study."""
    values = {row.name: row.cells[table.metric].values for row in table.rows if row.levels}
    full = next((row.name for row in table.rows if row.levels and "off" not in row.levels.values()), None)
    if full is None:
        return
    without = {label: found for label, found in values.items() if label != full}
    found = contributions(values[full], without, lower_is_better=table.lower_is_better)
    shown = [_contribution(one) for one in found if one.difference is not None]
    if shown:
        yield f"Improvement from each component (95 % t interval): {', '.join(shown)}."
        yield NOT_IMPORTANCE


def _contribution(one: Contribution) -> str:
    found, name = one.difference, bare(one.label)
    if found is None or one.gain is None:
        return f"{name} unknown"
    text = f"{name} {one.gain:+.3g}".replace("-", MINUS)
    if found.low is None or found.high is None:
        return text
    low, high = sorted(end * (1 if one.gain == found.mean else -1) for end in (found.low, found.high))
    return f"{text} [{f'{low:.3g}, {high:.3g}'.replace('-', MINUS)}]"
