"""The effects of a grid as documents, and the levels of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.recipes.classify import applicable_values
from ablate.statistics.grids.effects import effects_of
from ablate.study.document import FactorSpec
from ablate.study.levels import text_of
from ablate.study.plan import Plan, Row
from ablate.tables.results import RowResults
from ablate.tables.verdicts import Effect, Effects, LevelMean


def find_factors(plan: Plan) -> dict[str, list[str]]:
    """The factors of a study and the labels of their levels, in the order of its rows; none for manual rows."""
    factors: dict[str, list[str]] = {factor.name: [] for factor in plan.study.factors}
    for row in plan.rows:
        for name, level in find_levels(plan, row).items():
            if level not in factors[name]:
                factors[name].append(level)
    return factors


def find_levels(plan: Plan, row: Row) -> dict[str, str]:
    """The levels of a row, including those that its design leaves as in the base; without factors that do not apply.

    In a leave-one-out study the levels are `on` and `off`. In a one-at-a-time study they are those of the document, and
    `base` for a value without a name there. A manual row has none.
    """
    design = plan.study.design_or_default
    if not row.levels and row.label != {"leave_one_out": "full", "one_at_a_time": "base"}.get(design):
        return {}
    if design == "leave_one_out":
        return {factor.name: row.levels.get(factor.name, "on") for factor in plan.study.factors}
    if design == "one_at_a_time":
        found = {factor.name: row.levels.get(factor.name) or _find_level(factor, row) for factor in plan.study.factors}
        return {name: level for name, level in found.items() if level is not None}
    return dict(row.levels)


def _find_level(factor: FactorSpec, row: Row) -> str | None:
    """The level of a factor in the recipe of a row; None if the factor does not apply."""
    values = {name: text_of(value) for name, value in applicable_values(row.recipe).items()}
    patches = {
        level["label"] if isinstance(level, Mapping) else text_of(level): (
            level["set"] if isinstance(level, Mapping) else {factor.name: level}
        )
        for level in factor.levels or ()
    }
    same = (label for label, patch in patches.items() if all(values.get(k) == text_of(v) for k, v in patch.items()))
    has_names = any(isinstance(level, Mapping) for level in factor.levels or ())
    return next(same, "base" if has_names else values.get(factor.name))


def find_effects(plan: Plan, results: Sequence[RowResults]) -> Effects | None:
    """The effects of a grid's factors on the primary metric; None if the study is not a grid."""
    if plan.study.design_or_default != "grid":
        return None
    factors = find_factors(plan)
    labels = {row.label for row in plan.study.rows}
    by_hand = [result.row.name for result in results if result.row.label in labels and not result.row.levels]
    cells = {
        tuple(result.row.levels.get(name) for name in factors): result.values(plan.metric)
        for result in results
        if result.row.name not in by_hand
    }
    found = effects_of(cells, factors)
    effects = [
        Effect(
            name=one.name, factors=list(one.sources[0].factors), within=_lists(one.sources[0].within),
            confounded=[list(source.factors) for source in one.sources[1:]], share=one.eta_squared,
            low=one.low, high=one.high, p=one.p, p_adj=one.p_adj,
        )
        for one in (found.anova.effects if found.anova else ())
    ]  # fmt: skip
    means = [
        LevelMean(levels=dict(zip(names, levels, strict=True)), mean=one.mean, low=one.low, high=one.high)
        for names, by_levels in found.means.items()
        for levels, one in by_levels.items()
    ]
    notes = [*found.notes, *([f"These rows are outside the grid: {', '.join(by_hand)}."] if by_hand else [])]
    return Effects(
        method=("anova" if found.is_full else "linear_model") if found.anova else None,
        effects=effects,
        taken_as_zero=list(found.taken_as_zero),
        higher=found.anova.higher if found.anova else None,
        residual=found.anova.residual if found.anova else None,
        means=means,
        notes=notes,
    )


def _lists(levels: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(of) for name, of in levels.items()}
