"""The cells of a grid, ready for analysis: factors with their levels, values by seed, and notes on left-out values.

K is the number of cells and n is the number of seeds in the shapes below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ablate.statistics.decisions.row_comparison import LARGEST
from ablate.statistics.grids.nesting import Levels, find_nesting
from ablate.statistics.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Cells = Mapping[Levels, Mapping[int, float]]
"""A level of each factor, None where it does not apply -> values by seed."""
OWN_LEVEL = "\u2013"
"""Level of a factor where it does not apply, if no other factor tells where that is."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells that have values.

    Attributes:
        factors: name -> levels with a cell, two or more, in the given order.
        cells: a level of each factor, None where it does not apply -> finite values by seed, at least one.
        notes: sentences on left-out values.
    """

    factors: Mapping[str, tuple[str, ...]]
    cells: Cells
    notes: tuple[str, ...]

    @property
    def weights(self) -> tuple[Fraction, ...]:
        """Weight of each cell: every level of a factor counts alike, and so do, within it, those of the next factor.

        They sum to 1 if every combination of levels has a value, else to less.
        """
        sizes = [len(levels) for levels in self.factors.values()]
        return tuple(
            Fraction(1, math.prod(size for size, level in zip(sizes, key, strict=True) if level is not None))
            for key in self.cells
        )

    @property
    def is_full(self) -> bool:
        """Whether every combination of levels that can exist has a value."""
        return sum(self.weights) == 1

    @property
    def has_blocks(self) -> bool:
        """Whether all cells have values for the same seeds."""
        return len({frozenset(values) for values in self.cells.values()}) == 1

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that some cell has, in ascending order."""
        return tuple(sorted({seed for values in self.cells.values() for seed in values}))

    def array(self) -> Array | None:
        """The values, of shape (n, K).

        If seeds differ between cells, it is one row with the least-squares means of the cells in the model
        cell + seed, so that lost seeds do not bias a cell; None if the cells share too few seeds for that.
        """
        import numpy as np

        if self.has_blocks:
            return np.array([[values[seed] for values in self.cells.values()] for seed in self.seeds])
        places = {seed: len(self.cells) + place for place, seed in enumerate(self.seeds)}
        present = [
            (cell, places[seed], value)
            for cell, values in enumerate(self.cells.values())
            for seed, value in values.items()
        ]
        design = np.zeros((len(present), len(self.cells) + len(places)))
        for column in (0, 1):
            design[np.arange(len(present)), [int(one[column]) for one in present]] = 1
        values = np.array([value for *_, value in present])
        effects, _, rank, _ = np.linalg.lstsq(design, values - values.mean())
        effects += np.linalg.lstsq(design, values - values.mean() - design @ effects)[0]  # less rounding
        of_cells, of_seeds = np.split(effects, [len(self.cells)])
        return of_cells[None] + of_seeds.mean() + values.mean() if rank == design.shape[1] - 1 else None


def grid_of(cells: Cells, factors: Mapping[str, Sequence[str]]) -> Grid:
    """The cells that have values, over the factors that vary.

    A block is complete or dropped as a whole: seeds that some cell lacks are left out if at least two seeds remain.

    Args:
        cells: a level of each factor, in the order of `factors`, None where it does not apply -> values by seed; NaN
            means absent, and values whose square is infinite are left out.
        factors: name -> levels.

    Raises:
        ValueError: the key of a cell is not a combination of levels.
    """
    for key in cells:
        if len(key) != len(factors) or any(
            level is not None and level not in of for level, of in zip(key, factors.values(), strict=True)
        ):
            raise ValueError(f"cell {key} is not a combination of levels of {', '.join(factors)}")
    finite = {key: found for key, values in cells.items() if (found := _finite(values))}
    filled = _with_own_levels(finite, factors)
    used = {
        name: tuple(level for level in (*levels, OWN_LEVEL) if any(key[index] == level for key in filled))
        for index, (name, levels) in enumerate(factors.items())
    }
    varying = {name: levels for name, levels in used.items() if len(levels) > 1}
    places = [index for index, name in enumerate(used) if name in varying]
    reduced = {tuple(key[place] for place in places): values for key, values in filled.items()}
    complete, dropped = _complete_blocks(reduced)
    empty = len(cells) - len(filled)
    have = "has" if empty == 1 else "have"
    without = f"{counted(empty, 'row')} of the grid {have} no value." if empty else ""
    notes = (without, _infinite(cells), *(_idle(factors, used) if filled else ()), dropped)
    return Grid(varying, complete, tuple(note for note in notes if note))


def _finite(values: Mapping[int, float]) -> dict[int, float]:
    return {seed: value for seed, value in values.items() if abs(value) < LARGEST}  # False for NaN, too


def _with_own_levels(cells: Cells, factors: Mapping[str, Sequence[str]]) -> Cells:
    """The cells with `OWN_LEVEL` in place of None for factors of which nothing tells where they apply."""
    found = find_nesting(dict.fromkeys(factors, ()), cells)
    own = [place for place, name in enumerate(factors) if found[name] is None]
    return {
        tuple(OWN_LEVEL if level is None and place in own else level for place, level in enumerate(key)): values
        for key, values in cells.items()
    }


def _complete_blocks(cells: Cells) -> tuple[Cells, str]:
    seeds = [set(values) for values in cells.values()]
    common = set.intersection(*seeds) if seeds else set()
    partial = sorted(set().union(*seeds) - common)
    if not partial or len(common) < 2:
        return cells, ""
    note = f"Effects leave out seeds that some cells lack: {', '.join(map(str, partial))}."
    return {key: {seed: values[seed] for seed in common} for key, values in cells.items()}, note


def _infinite(cells: Cells) -> str:
    count = sum(abs(value) >= LARGEST for values in cells.values() for value in values.values())
    return f"Effects leave out {counted(count, 'infinite value')}." if count else ""


def _idle(factors: Mapping[str, Sequence[str]], used: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Factors that cannot be judged, or not at all of their levels."""
    for name, levels in factors.items():
        unused = " or ".join(level for level in levels if level not in used[name])
        if len(levels) == 1 and len(used[name]) < 2:
            yield f"{name} has one level, so nothing can be compared."
        elif unused and len(used[name]) < 2:
            yield f"{name} cannot be judged, because no run with {unused} gave a value."
        elif unused:
            yield f"{name} is judged without {unused}, because no run with it gave a value."
