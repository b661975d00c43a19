"""The cells that exclusions remove from a grid."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence

from ablate.errors import Findings, Problem, quote
from ablate.study.document import Study
from ablate.study.levels import Level, text_of
from ablate.study.problems import pointer_of


def cut_cells(exclusions: Sequence[Mapping[int, set[int]]], sizes: Sequence[int]) -> tuple[int, list[int]]:
    """The excluded cells of a grid, and the exclusions that remove no further cell.

    Sets of cells are whole numbers, with a bit for each cell: 10,000 exclusions of 100,000 cells take milliseconds.

    Args:
        exclusions: for each one, index of a factor -> indices of its levels.
        sizes: number of levels of each factor.
    """
    count, cut, idle = math.prod(sizes), 0, []
    strides = [math.prod(sizes[index + 1 :]) for index in range(len(sizes))]
    of_first = [  # for each factor, the cells with its first level
        int(("0" * stride * (size - 1) + "1" * stride) * (count // (stride * size)), 2)
        for size, stride in zip(sizes, strides, strict=True)
    ]
    for number, exclusion in enumerate(exclusions):
        cells = (1 << count) - 1
        for factor, wanted in exclusion.items():
            of_levels = (of_first[factor] << level * strides[factor] for level in wanted)
            cells &= functools.reduce(operator.or_, of_levels, 0)
        if not cells & ~cut:
            idle.append(number)
        cut |= cells
    return cut, idle


def read_exclusions(study: Study, levels: Sequence[Sequence[Level]]) -> list[dict[int, set[int]]]:
    """For each exclusion: index of a factor -> indices of the levels that it removes."""
    factors = {of_factor[0].factor: index for index, of_factor in enumerate(levels)}
    known = [_Levels(of_factor) for of_factor in levels]
    found = Findings()
    exclusions: list[dict[int, set[int]]] = []
    for number, exclusion in enumerate(study.exclude):
        exclusions.append({})
        if not exclusion:
            text = "an empty exclusion would remove every cell; name at least one factor"
            found.add(Problem(f"/exclude/{number}", "invalid", text))
        for factor, wanted in exclusion.items():
            pointer = pointer_of(("exclude", number, factor))
            if factor in factors:
                index = factors[factor]
                exclusions[number][index] = known[index].matching(wanted, pointer, found)
            else:
                text = f"no factor {quote(factor)}{found.nearest(factor, factors)}"
                found.add(Problem(pointer, "unknown_factor", text))
    found.refuse()
    return exclusions


class _Levels:
    """The levels of a factor, to be found by value or label."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self._labels = [level.label for level in levels]
        self._by_value: dict[object, set[int]] = {}
        self._by_name: dict[object, set[int]] = {}
        for index, level in enumerate(levels):
            self._by_value.setdefault(_hashable(level.value), set()).add(index)
            for name in (_hashable(level.value), level.label):
                self._by_name.setdefault(name, set()).add(index)

    def matching(self, wanted: object, pointer: str, found: Findings) -> set[int]:
        """Indices of the levels that match an exclusion's value: one level, or any of a list."""
        any_of = wanted if isinstance(wanted, list) and _hashable(wanted) not in self._by_value else [wanted]
        matched: set[int] = set()
        for value in any_of:
            hits = self._by_name.get(_hashable(value), set())
            if not hits:
                text = f"no level {quote(text_of(value))}{found.nearest(text_of(value), self._labels)}"
                found.add(Problem(pointer, "unknown_level", text))
            matched |= hits
        return matched


def _hashable(value: object) -> object:
    """A value that is equal to another one if the values are; no table is equal to a level."""
    if isinstance(value, Mapping):
        return frozenset(value)
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value
