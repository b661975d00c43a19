"""Means per level and per pair of levels of a grid, which show its main effects and interactions.

If combinations of levels are missing, plain means mix the effects of several factors: a level that has only easy
combinations looks good. Then the effects of the other factors, estimated by the model of the test, are taken out of
each cell. The difference between the two levels of a factor is the one that its F test tests.

Shapes: n seeds, K cells.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.statistics.estimate import estimate, t_interval
from ablate.statistics.grids.grid import Grid
from ablate.statistics.grids.model import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelMean:
    """The mean over all cells with given levels, each cell with the same weight.

    Attributes:
        mean: mean of the metric; adjusted for the other factors on a grid with empty cells.
        low, high: 95 % t interval, over seeds, of the distance from the mean of all cells to which the factors apply,
            placed around the mean: a shift that all cells of a seed share is not an error of a comparison. None below
            2 seeds, for two equal ones and on a grid with empty cells.
    """

    mean: float
    low: float | None
    high: float | None


Means = Mapping[tuple[str, ...], Mapping[tuple[str, ...], LevelMean]]
"""One or two factors -> their levels -> mean."""


def level_means(grid: Grid, values: Array, model: Model) -> Means:
    """Means per level of each factor, then per pair of levels of each two factors that vary together.

    Levels without a cell are absent.

    Args:
        grid: the cells.
        values: their values, of shape (n, K); see `Grid.array`.
        model: the model of these cells.
    """
    names = list(grid.factors)
    found = {
        tuple(names[place] for place in chosen): _means_over(grid, chosen, values, model)
        for size in (1, 2)
        for chosen in itertools.combinations(range(len(names)), size)
    }
    return {
        names: means
        for names, means in found.items()
        if means and all(len(set(levels)) > 1 for levels in zip(*means, strict=True))
    }


def _means_over(grid: Grid, chosen: tuple[int, ...], values: Array, model: Model) -> dict[tuple[str, ...], LevelMean]:
    names, levels = list(grid.factors), list(grid.factors.values())
    groups: dict[tuple[str, ...], list[int]] = {}
    for cell, key in enumerate(grid.cells):
        own = tuple(level for place in chosen if (level := key[place]) is not None)
        if len(own) == len(chosen):
            groups.setdefault(own, []).append(cell)
    applies = list(itertools.chain.from_iterable(groups.values()))
    if applies and not grid.is_full:
        values = values - _of_others({names[place] for place in chosen}, values, model, applies)
    ordered = itertools.product(*(levels[place] for place in chosen))
    middle = values[:, applies].mean(axis=1) if grid.is_full and len(values) > 1 else None
    return {wanted: _level_mean(values[:, groups[wanted]], middle) for wanted in ordered if wanted in groups}


def _of_others(chosen: set[str], values: Array, model: Model, applies: Sequence[int]) -> Array:
    """What other factors add to the mean of each cell, of shape (K,); the chosen ones apply to the cells `applies`.

    The fit is that of a type II test: without the interactions of the chosen factors and what is nested in them.
    """
    import numpy as np

    own = [term for term in model.terms if any(chosen >= set(source.factors) for source in term.sources)]
    around = {name for term in own for source in term.sources for name in source.around}
    others = [
        term for term in model.terms if not any(chosen & {*source.factors, *source.around} for source in term.sources)
    ]
    columns = [term.columns for term in others]
    design = np.hstack([np.ones((values.shape[1], 1)), *columns, *(term.columns for term in own)])
    coefficients, *_ = np.linalg.lstsq(design, values.mean(axis=0))
    found = np.zeros(values.shape[1])
    start = 1
    for term in others:
        end = start + term.columns.shape[1]
        added = term.columns @ coefficients[start:end]
        # effects sum to 0 over all levels, but not over those at which the chosen factors apply
        is_confined = len(term.sources) > 1 or bool(around & set(term.sources[0].factors))
        found += added - (added[applies].mean() if is_confined else 0.0)
        start = end
    return found


def _level_mean(values: Array, middle: Array | None) -> LevelMean:
    """The mean of some cells; `middle` is the mean of all cells by seed, None without an interval."""
    mean = float(values.mean())
    if middle is None:
        return LevelMean(mean, None, None)
    shifts = estimate(dict(enumerate((values.mean(axis=1) - middle).tolist())))
    if shifts.mean is None or shifts.sd is None:
        return LevelMean(mean, None, None)
    interval = t_interval(shifts.mean, shifts.sd, shifts.n)
    if interval is None:
        return LevelMean(mean, None, None)
    return LevelMean(mean, *(mean + end - shifts.mean for end in interval))
