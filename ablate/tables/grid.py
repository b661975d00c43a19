"""What matters in a grid, and which rows are worth their cost: the statistics of whole tables as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.plan import Plan, Row
from ablate.statistics.effects import effects_of
from ablate.statistics.pareto import pareto_front
from ablate.tables.results import RowResults
from ablate.tables.table import TableRow
from ablate.tables.verdicts import Effect, Effects, Front, LevelMean

COSTS = ("multiply_adds", "params", "train_s")


def find_factors(plan: Plan) -> dict[str, list[str]]:
    """The factors of a study and the labels of their levels, in the order of its rows; none where rows are by hand."""
    factors: dict[str, list[str]] = {factor.name: [] for factor in plan.study.factors}
    for row in plan.rows:
        for name, level in find_levels(plan, row).items():
            if level not in factors[name]:
                factors[name].append(level)
    return factors


def find_levels(plan: Plan, row: Row) -> dict[str, str]:
    """The levels of a row; of a leave-one-out study `on` or `off` for every component, in rows of its design."""
    is_generated = row.levels or row.label == "full"
    if plan.study.design_or_default != "leave_one_out" or not is_generated:
        return dict(row.levels)
    return {factor.name: row.levels.get(factor.name, "on") for factor in plan.study.factors}


def find_effects(plan: Plan, results: Sequence[RowResults]) -> Effects | None:
    """The effects of a grid's factors on the primary metric; None where the study is none."""
    if plan.study.design_or_default != "grid":
        return None
    factors = find_factors(plan)
    cells = {
        tuple(result.row.levels[name] for name in factors): result.values(plan.metric)
        for result in results
        if result.row.levels.keys() == factors.keys()
    }
    found = effects_of(cells, factors)
    effects = [
        Effect(factors=list(one.factors), share=one.eta_squared, low=one.low, high=one.high, p=one.p, p_adj=one.p_adj)
        for one in (found.anova.effects if found.anova else ())
    ]
    effects += [
        Effect(factors=[one.factor], share=one.share, low=one.low, high=one.high, p=None, p_adj=None)
        for one in found.importances
    ]
    means = [
        LevelMean(levels=dict(zip(names, levels, strict=True)), mean=one.mean, low=one.low, high=one.high)
        for names, by_levels in found.means.items()
        for levels, one in by_levels.items()
    ]
    apart = [result.row.label for result in results if result.row.levels.keys() != factors.keys()]
    notes = [*found.notes, *([f"no cells of the grid: {', '.join(apart)}"] if apart else [])]
    return Effects(
        method="anova" if found.anova else "fanova" if found.importances else None,
        effects=effects,
        higher=found.anova.higher if found.anova else None,
        residual=found.anova.residual if found.anova else None,
        means=means,
        notes=notes,
    )


def find_fronts(rows: Sequence[TableRow], metric: str, *, lower_is_better: bool) -> list[Front]:
    """The Pareto front of the metric against each cost that differs between rows."""
    means = {row.label: row.cells[metric].mean for row in rows}
    fronts = []
    for cost in COSTS:
        paid: Mapping[str, float | None] = {row.label: getattr(row, cost) for row in rows}
        if len({value for value in paid.values() if value is not None}) > 1:
            found = pareto_front(means, paid, lower_is_better=lower_is_better)
            fronts.append(Front(cost=cost, rows=list(found.on_front)))
    return fronts
