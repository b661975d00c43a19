"""Means per level and per pair of levels of a grid, which show its main effects and interactions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablate.statistics.estimate import estimate, t_interval
from ablate.statistics.grids.grid import Grid


@dataclass(frozen=True, slots=True)
class LevelMean:
    """The mean over all cells with given levels, each cell with the same weight.

    Attributes:
        mean: mean of the metric.
        low, high: 95 % t interval, over seeds, of the distance from the mean of all cells to which the factors apply,
            placed around the mean: a shift that all cells of a seed share is not an error of a comparison. None below
            2 seeds and on a grid with empty cells.
    """

    mean: float
    low: float | None
    high: float | None


Means = Mapping[tuple[str, ...], Mapping[tuple[str, ...], LevelMean]]
"""One or two factors -> their levels -> mean."""


def level_means(grid: Grid) -> Means:
    """Means per level of each factor, then per pair of levels of each two factors that vary together.

    Levels without a cell are absent.
    """
    places = range(len(grid.factors))
    found = {
        tuple(list(grid.factors)[place] for place in chosen): _means_over(grid, chosen)
        for size in (1, 2)
        for chosen in itertools.combinations(places, size)
    }
    return {
        names: means
        for names, means in found.items()
        if means and all(len(set(levels)) > 1 for levels in zip(*means, strict=True))
    }


def _means_over(grid: Grid, places: tuple[int, ...]) -> dict[tuple[str, ...], LevelMean]:
    levels = list(grid.factors.values())
    groups: dict[tuple[str, ...], list[Mapping[int, float]]] = {}
    seeds = grid.seeds if grid.is_full and grid.has_blocks else ()
    for key, values in grid.cells.items():
        chosen = tuple(level for place in places if (level := key[place]) is not None)
        if len(chosen) == len(places):
            groups.setdefault(chosen, []).append(values)
    ordered = itertools.product(*(levels[place] for place in places))
    everything = list(itertools.chain.from_iterable(groups.values()))
    middle = {seed: _seed_mean(everything, seed) for seed in (seeds if everything else ())}
    return {wanted: _level_mean(groups[wanted], middle) for wanted in ordered if wanted in groups}


def _level_mean(cells: Sequence[Mapping[int, float]], middle: Mapping[int, float]) -> LevelMean:
    """The mean of some cells; `middle` is the mean of all cells by seed, empty without an interval."""
    mean = math.fsum(math.fsum(values.values()) / len(values) for values in cells) / len(cells)
    if len(middle) < 2:
        return LevelMean(mean, None, None)
    shifts = estimate({seed: _seed_mean(cells, seed) - of_all for seed, of_all in middle.items()})
    if shifts.mean is None or shifts.sd is None:
        return LevelMean(mean, None, None)
    low, high = t_interval(shifts.mean, shifts.sd, shifts.n)
    return LevelMean(mean, mean + low - shifts.mean, mean + high - shifts.mean)


def _seed_mean(cells: Sequence[Mapping[int, float]], seed: int) -> float:
    return math.fsum(values[seed] for values in cells) / len(cells)
