"""The effects of a grid with empty cells: main effects by fANOVA (Hutter, Hoos, Leyton-Brown 2014), from Optuna.

A random forest is fitted to the cells and predicts the empty ones; its variance over the whole grid is split into
effects. Unlike the shares of `ablate.statistics.grids.anova`, these depend on the forest. They are reported with their
range over several forests. This range is the noise of the method and excludes the noise of the seeds; nothing is
tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.statistics.grids.anova import ROUNDING
from ablate.statistics.grids.grid import Grid, Levels

if TYPE_CHECKING:
    from optuna.study import Study

FOREST_SEEDS = range(3)
"""Seeds of the random forests; fixed, so that a table always has the same shares."""


MAX_NAMED = 6
"""Largest number of levels that the forest takes as names, since the time of Optuna doubles with each; a factor with
more is given by the places of its levels in their order."""

MAX_CELLS = 300
"""Largest number of cells of which forests are made, which takes ten seconds."""


@dataclass(frozen=True, slots=True)
class Importance:
    """A factor's main effect by fANOVA.

    Attributes:
        factor: name of the factor.
        share: share of the forest's variance, 0 to 1, mean over 3 forests; interactions are the rest of the sum to 1.
        low, high: smallest and largest share of the 3 forests.
    """

    factor: str
    share: float
    low: float
    high: float


def fanova(grid: Grid) -> tuple[Importance, ...]:
    """The importance of every factor, in the order of the factors; it takes a few seconds.

    Args:
        grid: grid with at least two factors, of at most `MAX_CELLS` cells.

    Returns:
        An empty tuple if all cells are equal.
    """
    effects = cell_effects(grid)
    if not effects:
        return ()
    from optuna.importance import FanovaImportanceEvaluator

    study = _study_of(grid, effects)
    found = [FanovaImportanceEvaluator(seed=seed).evaluate(study) for seed in FOREST_SEEDS]
    shares = [[float(of_factor[str(place)]) for of_factor in found] for place in range(len(grid.factors))]
    return tuple(
        Importance(factor, sum(of_factor) / len(of_factor), min(of_factor), max(of_factor))
        for factor, of_factor in zip(grid.factors, shares, strict=True)
    )


def cell_effects(grid: Grid) -> dict[Levels, float]:
    """The least-squares effect of each cell in the model cell + seed, so that lost seeds do not bias a cell.

    Effects are up to a constant and in units of their range, since the forest treats tiny variances as none. Empty if
    all are equal.
    """
    import numpy as np

    cells, seeds = list(grid.cells), list(grid.seeds)
    present = [
        (cell, seed) for cell, key in enumerate(cells) for seed in range(len(seeds)) if seeds[seed] in grid.cells[key]
    ]
    values = np.array([grid.cells[cells[cell]][seeds[seed]] for cell, seed in present])
    if not present:
        return {}
    design = np.zeros((len(present), len(cells) + len(seeds)))
    rows = np.arange(len(present))
    design[rows, [cell for cell, _ in present]] = 1
    design[rows, [len(cells) + seed for _, seed in present]] = 1
    effects = np.linalg.lstsq(design, values - values.mean())[0][: len(cells)]
    spread = float(np.ptp(effects))
    if spread <= ROUNDING * np.abs(values).max():
        return {}
    return dict(zip(cells, (effects / spread).tolist(), strict=True))


def _study_of(grid: Grid, effects: Mapping[Levels, float]) -> Study:
    """A study in memory with one finished trial per cell; factors are named by their place."""
    import optuna

    kinds: dict[str, optuna.distributions.BaseDistribution] = {
        str(place): optuna.distributions.CategoricalDistribution(levels)
        if len(levels) <= MAX_NAMED
        else optuna.distributions.IntDistribution(0, len(levels) - 1)
        for place, levels in enumerate(grid.factors.values())
    }
    ordered = [list(levels) for levels in grid.factors.values()]
    with _quiet():
        study = optuna.create_study()
        for key, effect in effects.items():
            params: dict[str, str | int] = {
                str(place): level if len(ordered[place]) <= MAX_NAMED else ordered[place].index(level)
                for place, level in enumerate(key)
            }
            study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=effect))
    return study


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna, which reports every study on stderr."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)
