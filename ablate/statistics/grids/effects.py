"""The effects in a grid: shares and tests by one linear model, the means of levels, and sentences on both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ablate.statistics.estimate import FEWEST_SEEDS
from ablate.statistics.grids.anova import Anova, anova
from ablate.statistics.grids.grid import Cells, Grid, grid_of
from ablate.statistics.grids.levels import Means, level_means
from ablate.statistics.grids.model import MAX_COLUMNS, Model, model_of

ALL_EQUAL = "All rows are equal at every seed, so there is no variation to explain."


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects in a grid.

    Attributes:
        anova: shares and tests; None if there is nothing to explain or too little to explain it with.
        is_full: whether every combination of levels that can exist has a value.
        taken_as_zero: two-way interactions that the model leaves out because the cells do not identify them, in words.
        means: means per level and per pair of levels; empty if no factor varies or rows cannot be compared.
        notes: sentences on left-out values, on the method and on its limits.
    """

    anova: Anova | None = None
    is_full: bool = True
    taken_as_zero: tuple[str, ...] = ()
    means: Means = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def effects_of(cells: Cells, factors: Mapping[str, Sequence[str]]) -> Effects:
    """The effects of a grid's factors on a metric, whichever way is better.

    Args:
        cells: a level of each factor, in the order of `factors`, None where it does not apply -> values by seed; NaN
            means absent. Cells may be missing.
        factors: name -> levels.

    Raises:
        ValueError: the key of a cell is not a combination of levels.
    """
    grid = grid_of(cells, factors)
    if not grid.cells:
        return Effects(notes=(*grid.notes, "No row of the grid has a value."))
    if not grid.factors:
        return Effects(notes=(*grid.notes, "No factor varies, so there are no effects."))
    values, model = grid.array(), model_of(grid)
    if model is None:
        text = f"The factors have more than {MAX_COLUMNS} levels together, above the limit for shares."
        return Effects(notes=(*grid.notes, text))
    if values is None:
        text = "Rows have too few seeds in common to be compared, so there are no shares."
        return Effects(notes=(*grid.notes, text))
    found, means = anova(values, model), level_means(grid, values, model)
    if found is None:
        return Effects(means=means, notes=(*grid.notes, ALL_EQUAL))
    notes = (*grid.notes, *_model_notes(grid, model), *_test_notes(grid, found))
    return Effects(found, grid.is_full, tuple(one.name for one in model.unidentified), means, notes)


def _model_notes(grid: Grid, model: Model) -> Iterator[str]:
    if any(term.sources[0].within and len(term.sources[0].factors) == 1 for term in model.terms):
        yield "In shares, the levels of a factor weigh the same; in p-values each row does."
    if not grid.is_full:
        zero = ", ".join(source.name for source in model.unidentified)
        shares = f"Shares assume that these do not interact: {zero}." if zero else "Shares come from a linear model."
        yield f"Some combinations of levels have no result, so level means are adjusted for other factors. {shares}"
    for term in model.terms:
        if len(term.sources) > 1:
            names = " and ".join(source.name for source in term.sources)
            yield f"The rows cannot tell the effects of {names} apart, so these have one share together."
    if model.is_cut:
        yield f"Interactions have more than {MAX_COLUMNS} degrees of freedom, above the limit, so they have no shares."


def _test_notes(grid: Grid, found: Anova) -> Iterator[str]:
    if not grid.has_blocks:
        yield "Fewer than 2 seeds are common to all rows, so every share includes noise and nothing is tested."
    elif found.n == 1:
        yield "With 1 seed every share includes the noise of training, and nothing is tested."
    elif found.n < FEWEST_SEEDS:
        yield f"With {found.n} seeds no effect is tested and no share has an interval; both need {FEWEST_SEEDS} seeds."
    else:
        alike = ", ".join(effect.name for effect in found.effects if effect.f is None)
        if alike:
            yield f"These are not tested, because all seeds agree: {alike}."
