"""The cells of a grid, ready for analysis: factors with their levels, values by seed, and notes on left-out values.

L1, L2, ... are the numbers of levels and n is the number of seeds in the shapes below.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.statistics.decisions.row_comparison import LARGEST
from ablate.statistics.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Levels = tuple[str, ...]
"""A level of each factor, in the order of the factors."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells that have values.

    Attributes:
        factors: name -> levels with a cell, two or more, in the given order.
        cells: a level of each factor -> finite values by seed, at least one.
        notes: sentences on left-out values.
    """

    factors: Mapping[str, tuple[str, ...]]
    cells: Mapping[Levels, Mapping[int, float]]
    notes: tuple[str, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether every combination of levels has a value for every seed."""
        return is_full(self.factors, self.cells) and len({frozenset(values) for values in self.cells.values()}) == 1

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that some cell has, in ascending order."""
        return tuple(sorted({seed for values in self.cells.values() for seed in values}))

    def array(self) -> NDArray[np.float64]:
        """The values of a balanced grid, of shape (n, L1, L2, ...)."""
        import numpy as np

        combinations = list(itertools.product(*self.factors.values()))
        flat = [[self.cells[levels][seed] for levels in combinations] for seed in self.seeds]
        return np.array(flat, dtype=float).reshape(len(flat), *map(len, self.factors.values()))


def is_full(factors: Mapping[str, Sequence[str]], cells: Mapping[Levels, Mapping[int, float]]) -> bool:
    """Whether there is a cell for every combination of levels."""
    return len(cells) == math.prod(map(len, factors.values()))


def grid_of(cells: Mapping[Levels, Mapping[int, float]], factors: Mapping[str, Sequence[str]]) -> Grid:
    """The cells that have values, over the factors that vary.

    A block is complete or dropped as a whole: on a full grid, seeds that some cell lacks are left out if at least two
    seeds remain.

    Args:
        cells: a level of each factor, in the order of `factors` -> values by seed; NaN means absent, and values whose
            square is infinite are left out.
        factors: name -> levels.

    Raises:
        ValueError: the key of a cell is not a combination of levels.
    """
    for key in cells:
        if len(key) != len(factors) or any(level not in of for level, of in zip(key, factors.values(), strict=True)):
            raise ValueError(f"cell {key} is not a combination of levels of {', '.join(factors)}")
    filled = {key: finite for key, values in cells.items() if (finite := _finite(values))}
    used = {
        name: tuple(level for level in levels if any(key[index] == level for key in filled))
        for index, (name, levels) in enumerate(factors.items())
    }
    varying = {name: levels for name, levels in used.items() if len(levels) > 1}
    places = [index for index, name in enumerate(used) if name in varying]
    reduced = {tuple(key[place] for place in places): values for key, values in filled.items()}
    complete, dropped = _complete_blocks(reduced) if is_full(varying, reduced) else (reduced, "")
    notes = (_gaps(cells, filled, factors), _infinite(cells), *_idle(factors, used), dropped)
    return Grid(varying, complete, tuple(note for note in notes if note))


def _finite(values: Mapping[int, float]) -> dict[int, float]:
    return {seed: value for seed, value in values.items() if abs(value) < LARGEST}  # False for NaN, too


def _complete_blocks(cells: Mapping[Levels, Mapping[int, float]]) -> tuple[Mapping[Levels, Mapping[int, float]], str]:
    seeds = [set(values) for values in cells.values()]
    common = set.intersection(*seeds) if seeds else set()
    partial = sorted(set().union(*seeds) - common)
    if not partial or len(common) < 2:
        return cells, ""
    note = f"seeds left out because some cells lack them: {', '.join(map(str, partial))}"
    return {key: {seed: values[seed] for seed in common} for key, values in cells.items()}, note


def _gaps(cells: Mapping[Levels, object], filled: Mapping[Levels, object], factors: Mapping[str, Sequence[str]]) -> str:
    total = math.prod(map(len, factors.values()))
    if len(filled) == total:
        return ""
    excluded = total - len(cells)
    parts = [f"{excluded} not in the study"] * (excluded > 0)
    parts += [f"{len(cells) - len(filled)} without a value"] * (len(cells) > len(filled))
    return f"{total - len(filled)} of {total} cells are empty: {', '.join(parts)}"


def _infinite(cells: Mapping[Levels, Mapping[int, float]]) -> str:
    count = sum(abs(value) >= LARGEST for values in cells.values() for value in values.values())
    return f"left out: {counted(count, 'infinite value')}" if count else ""


def _idle(factors: Mapping[str, Sequence[str]], used: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, levels in factors.items():
        unused = [level for level in levels if level not in used[name]]
        if len(used[name]) == 1:
            yield f"factor {name} has values at one level only ({used[name][0]}), so it has no effect"
        elif unused and used[name]:
            yield f"factor {name} has no values at {', '.join(unused)}"
