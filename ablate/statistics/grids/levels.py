"""Means per level and per pair of levels of a grid, which show its main effects and interactions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from ablate.statistics.estimate import estimate, t_interval
from ablate.statistics.grids.grid import Grid, Levels


@dataclass(frozen=True, slots=True)
class LevelMean:
    """The mean over all cells with given levels, each cell with the same weight.

    Attributes:
        mean: mean of the metric.
        low, high: 95 % t interval, over seeds, of the distance from the grid mean, placed around the mean: a shift that
            all cells of a seed share is not an error of a comparison. None below 2 seeds and on an unbalanced grid.
    """

    mean: float
    low: float | None
    high: float | None


Means = Mapping[tuple[str, ...], Mapping[Levels, LevelMean]]
"""One or two factors -> their levels -> mean."""


def level_means(grid: Grid) -> Means:
    """Means per level of each factor, then per pair of levels of each two factors; levels without a cell are absent."""
    places = range(len(grid.factors))
    return {
        tuple(list(grid.factors)[place] for place in chosen): _means_over(grid, chosen)
        for size in (1, 2)
        for chosen in itertools.combinations(places, size)
    }


def _means_over(grid: Grid, places: tuple[int, ...]) -> dict[Levels, LevelMean]:
    levels = list(grid.factors.values())
    groups: dict[Levels, list[Mapping[int, float]]] = {}
    seeds = grid.seeds if grid.is_balanced else ()
    for key, values in grid.cells.items():
        groups.setdefault(tuple(key[place] for place in places), []).append(values)
    ordered = itertools.product(*(levels[place] for place in places))
    everything = list(grid.cells.values())
    middle = {seed: _seed_mean(everything, seed) for seed in seeds}
    return {wanted: _level_mean(groups[wanted], middle) for wanted in ordered if wanted in groups}


def _level_mean(cells: list[Mapping[int, float]], middle: Mapping[int, float]) -> LevelMean:
    """The mean of some cells; `middle` is the mean of all cells by seed, empty without an interval."""
    mean = math.fsum(math.fsum(values.values()) / len(values) for values in cells) / len(cells)
    if len(middle) < 2:
        return LevelMean(mean, None, None)
    shifts = estimate({seed: _seed_mean(cells, seed) - of_all for seed, of_all in middle.items()})
    if shifts.mean is None or shifts.sd is None:
        return LevelMean(mean, None, None)
    low, high = t_interval(shifts.mean, shifts.sd, shifts.n)
    return LevelMean(mean, mean + low - shifts.mean, mean + high - shifts.mean)


def _seed_mean(cells: list[Mapping[int, float]], seed: int) -> float:
    return math.fsum(values[seed] for values in cells) / len(cells)
