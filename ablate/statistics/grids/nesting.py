"""Nested factors: which levels of other factors a factor applies to, such as `norm` to the level `frelu` only.

This is found in the cells of the design. A factor that applies to some cells only is nested in the fewest factors whose
levels tell where; those apply to more cells than it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Levels = tuple[str | None, ...]
"""A level of each factor, in the order of the factors; None where the factor does not apply."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a factor applies.

    Attributes:
        levels: factor -> its levels at which this one applies; empty if it applies to all cells.
        is_product: whether it applies to all combinations of these levels.
    """

    levels: Mapping[str, tuple[str, ...]]
    is_product: bool = True


def find_nesting(factors: Mapping[str, Sequence[str]], cells: Iterable[Levels]) -> dict[str, Domain | None]:
    """The domain of each factor; None if the levels of no other factors tell where it applies.

    Args:
        factors: name -> levels, in the order in which domains list them.
        cells: all cells of the design.
    """
    keys, names = list(cells), list(factors)
    sizes = [sum(key[place] is not None for key in keys) for place in range(len(names))]
    return {name: _find_domain(place, keys, sizes, factors) for place, name in enumerate(names)}


def _find_domain(
    place: int, keys: Sequence[Levels], sizes: Sequence[int], factors: Mapping[str, Sequence[str]]
) -> Domain | None:
    inside = [key for key in keys if key[place] is not None]
    outside = [key for key in keys if key[place] is None]
    if not outside or not inside:
        return Domain({})

    def tell(parents: Sequence[int]) -> bool:
        where = {tuple(key[parent] for parent in parents) for key in inside}
        return not any(tuple(key[parent] for parent in parents) in where for key in outside)

    wider = [other for other, size in enumerate(sizes) if size > len(inside)]
    always = [other for other in wider if all(key[other] is not None for key in inside)]
    parents = sorted(always, key=lambda other: sizes[other])
    if not tell(parents):
        return None
    for parent in reversed(parents):
        rest = [other for other in parents if other != parent]
        parents = rest if tell(rest) else parents
    seen = {parent: {key[parent] for key in inside} for parent in sorted(parents)}
    named = {list(factors)[parent]: levels for parent, levels in seen.items()}
    is_product = not any(all(key[parent] in levels for parent, levels in seen.items()) for key in outside)
    return Domain(
        {name: tuple(level for level in factors[name] if level in levels) for name, levels in named.items()}, is_product
    )
