"""The effects in a grid: exact shares if it is balanced, fANOVA if cells are empty, and the means for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ablate.statistics.grids.anova import Anova, anova
from ablate.statistics.grids.fanova import MAX_CELLS, Importance, fanova
from ablate.statistics.grids.grid import Grid, Levels, grid_of
from ablate.statistics.grids.levels import Means, level_means

ALL_EQUAL = "all cells are equal, so there is no variation to explain"


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects in a grid.

    Attributes:
        anova: exact shares of a balanced grid; else None.
        importances: main effects by fANOVA of an unbalanced grid; else empty.
        means: means per level and per pair of levels; empty if no factor varies.
        notes: sentences on left-out values, on the method and on its limits.
    """

    anova: Anova | None = None
    importances: tuple[Importance, ...] = ()
    means: Means = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def effects_of(cells: Mapping[Levels, Mapping[int, float]], factors: Mapping[str, Sequence[str]]) -> Effects:
    """The effects of a grid's factors on a metric, whichever way is better.

    Args:
        cells: a level of each factor, in the order of `factors` -> values by seed; NaN means absent. Cells may be
            missing.
        factors: name -> levels.

    Raises:
        ValueError: the key of a cell is not a combination of levels.
    """
    grid = grid_of(cells, factors)
    if not grid.cells:
        return Effects(notes=(*grid.notes, "no value yet"))
    if not grid.factors:
        return Effects(notes=(*grid.notes, "no factor varies, so there are no effects"))
    found = _balanced(grid) if grid.is_balanced else _unbalanced(grid)
    return Effects(found.anova, found.importances, level_means(grid), (*grid.notes, *found.notes))


def _balanced(grid: Grid) -> Effects:
    found = anova(grid)
    if found is None:
        return Effects(notes=(ALL_EQUAL,))
    if found.n == 1:
        return Effects(found, notes=("1 seed: every share includes the noise of training, and nothing is tested",))
    alike = ", ".join(" x ".join(effect.factors) for effect in found.effects if effect.f is None)
    return Effects(found, notes=(f"not tested, because all seeds agree: {alike}",) if alike else ())


def _unbalanced(grid: Grid) -> Effects:
    if len(grid.factors) < 2:
        return Effects(notes=("unbalanced grid with one factor only, so there is nothing to compare it with",))
    if len(grid.cells) > MAX_CELLS:
        text = (
            f"unbalanced grid with {len(grid.cells):,} cells, above the limit of {MAX_CELLS} for main effects by fANOVA"
        )
        return Effects(notes=(text,))
    found = fanova(grid)
    if not found:
        return Effects(notes=(ALL_EQUAL,))
    return Effects(importances=found, notes=("unbalanced grid: main effects by fANOVA (Optuna), without interactions",))
