"""The linear model of a grid: main effects and two-way interactions as columns of a design matrix.

A nested factor has its columns only in the cells to which it applies, and so has each interaction in those to which
both factors apply. An interaction that the cells do not identify, or of which they identify only a part, is left out.
Effects whose columns depend on each other cannot be told apart and become one term.

Shapes: K cells; d columns of a term, which are its degrees of freedom.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.statistics.grids.grid import Grid
from ablate.statistics.grids.nesting import Domain, find_nesting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MAX_COLUMNS = 600
"""Largest number of columns; interactions beyond it are left out, and a grid whose main effects need more is too large.
The time is proportional to its square."""
RANK_TOLERANCE = 1e-9
"""An eigenvalue of a Gram matrix below this share of the largest is 0."""


@dataclass(frozen=True, slots=True)
class Source:
    """A main effect (one factor) or a two-way interaction (two).

    Attributes:
        factors: one or two factors.
        within: factor -> its levels to which the effect is confined; empty if the factors apply to all cells.
        is_product: whether they apply to all combinations of these levels.
        around: these factors, and those in which they are nested in turn, directly or not -> levels.
        name: the effect in words.
    """

    factors: tuple[str, ...]
    within: Mapping[str, tuple[str, ...]]
    is_product: bool
    around: Mapping[str, tuple[str, ...]]
    name: str

    def is_part_of(self, other: Source) -> bool:
        """Whether the other effect is an interaction of this one or is nested in it."""
        return set(self.factors) <= {*other.factors, *other.around}


@dataclass(frozen=True, slots=True)
class Term:
    """One or several effects that the cells do not tell apart.

    Attributes:
        sources: the effects.
        columns: the design of shape (K, d).
        metric: the matrix M of shape (d, d) with which coefficients b make the variance b' M b between cells.
    """

    sources: tuple[Source, ...]
    columns: Array
    metric: Array

    def is_part_of(self, other: Term) -> bool:
        """Whether some effect of the other term is an interaction of one of these or is nested in it."""
        return self is not other and any(one.is_part_of(two) for one in self.sources for two in other.sources)


@dataclass(frozen=True, slots=True)
class Model:
    """The model of a grid.

    Attributes:
        terms: main effects in the order of the factors, then interactions.
        unidentified: interactions that the cells do not identify.
        is_cut: whether interactions were left out because they have too many columns.
        weights: weight of each cell, of shape (K,), with the sum 1.
    """

    terms: tuple[Term, ...]
    unidentified: tuple[Source, ...]
    is_cut: bool
    weights: Array


def find_sources(grid: Grid) -> list[Source]:
    """Main effects in the order of the factors, then the two-way interactions of factors that vary together."""
    domains = {name: found or Domain({}) for name, found in find_nesting(grid.factors, grid.cells).items()}
    around = {name: _around(name, domains) for name in grid.factors}
    labels = [level for levels in grid.factors.values() for level in levels]
    found = []
    for size in (1, 2):
        for factors in itertools.combinations(grid.factors, size):
            all_around = _both([around[name] for name in factors])
            parents = {parent for name in factors for parent in domains[name].levels} - set(factors)
            farther = {name for parent in parents for name in around[parent]}
            within = {name: levels for name, levels in all_around.items() if name in parents - farther}
            is_product = all(domains[name].is_product for name in (*factors, *all_around))
            name = " x ".join(factors) + _within_text(within, is_product, labels)
            found.append(Source(factors, within, is_product, all_around, name))
    return [source for source in found if all(len(levels) > 1 for levels in levels_of(source, grid))]


def levels_of(source: Source, grid: Grid) -> list[tuple[str, ...]]:
    """The levels of each of its factors in the cells to which the effect is confined; empty if there are none."""
    if not all(source.around.values()):
        return [() for _ in source.factors]
    return [source.around.get(name, grid.factors[name]) for name in source.factors]


def _around(name: str, domains: Mapping[str, Domain]) -> dict[str, tuple[str, ...]]:
    direct = domains[name].levels
    return _both([direct, *(_around(parent, domains) for parent in direct)])


def _both(given: Sequence[Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """The levels that all of these allow, by factor."""
    found: dict[str, tuple[str, ...]] = {}
    for name, levels in (item for one in given for item in one.items()):
        found[name] = tuple(level for level in found.get(name, levels) if level in levels)
    return found


def _within_text(within: Mapping[str, Sequence[str]], is_product: bool, labels: Sequence[str]) -> str:
    """` within frelu`; a level that several factors have is called by its factor, too."""
    if not is_product:
        return " where it applies"
    parts = [
        " or ".join(level if labels.count(level) == 1 else f"{name}={level}" for level in levels)
        for name, levels in within.items()
    ]
    return f" within {' and '.join(parts)}" if parts else ""


def model_of(grid: Grid) -> Model | None:
    """The model of a grid with two cells or more; None if its main effects have more columns than `MAX_COLUMNS`."""
    import numpy as np

    weights = np.array([float(weight) for weight in grid.weights])
    weights /= weights.sum()
    sources = find_sources(grid)
    sizes = [math.prod(len(levels) - 1 for levels in levels_of(source, grid)) for source in sources]
    mains = [source for source in sources if len(source.factors) == 1]
    pairs = [source for source in sources if len(source.factors) == 2]
    if sum(sizes[: len(mains)]) > MAX_COLUMNS:
        return None
    is_cut = sum(sizes) > MAX_COLUMNS
    ones = np.ones((len(weights), 1))
    main_terms = _told_apart([_term(source, grid, weights) for source in mains], ones, weights)
    base = np.hstack([ones, *(term.columns for term in main_terms)])
    pair_terms = [_term(source, grid, weights) for source in ([] if is_cut else pairs)]
    known: list[Term] = []
    for term in sorted(pair_terms, key=lambda term: len(term.sources[0].around)):
        wider = np.hstack([base, *(other.columns for other in known if other.is_part_of(term))])
        known += [term] if _null_projector(_residual(term.columns, wider)) is None else []
    kept = [term for term in pair_terms if any(term is one for one in known)]
    unidentified = tuple(term.sources[0] for term in pair_terms if not any(term is one for one in known))
    return Model((*main_terms, *_told_apart(kept, base, weights)), unidentified, is_cut, weights)


def _term(source: Source, grid: Grid, weights: Array) -> Term:
    """The term of one effect. Its contrasts are orthonormal if all levels count alike."""
    import numpy as np
    from scipy.linalg import helmert

    keys, names = list(grid.cells), list(grid.factors)
    columns = np.ones((len(keys), 1))
    for factor, levels in zip(source.factors, levels_of(source, grid), strict=True):
        contrasts = np.zeros((len(levels) + 1, len(levels) - 1))  # the last row is for other cells
        contrasts[:-1] = helmert(len(levels)).T * math.sqrt(len(levels))
        places: dict[str | None, int] = {level: place for place, level in enumerate(levels)}
        codes = [places.get(key[names.index(factor)], len(levels)) for key in keys]
        columns = np.einsum("ki,kj->kij", columns, contrasts[codes]).reshape(len(keys), -1)
    if source.is_product:
        share = math.prod(len(levels) / len(grid.factors[name]) for name, levels in source.around.items())
    else:
        share = float(weights[columns.any(axis=1)].sum())
    return Term((source,), columns, share * np.eye(columns.shape[1]))


def _told_apart(terms: Sequence[Term], base: Array, weights: Array) -> list[Term]:
    """The terms; those whose columns depend on each other, given the columns of `base`, are joined.

    Column i belongs to a dependence with column j if the projector onto the null space has an entry for them.
    """
    import numpy as np

    if not terms:
        return []
    columns = _residual(np.hstack([term.columns for term in terms]), base)
    projector = _null_projector(columns)
    if projector is None:
        return list(terms)
    of_term = np.repeat(range(len(terms)), [term.columns.shape[1] for term in terms])
    group = list(range(len(terms)))
    for one, other in itertools.combinations(range(len(terms)), 2):
        if abs(projector[np.ix_(of_term == one, of_term == other)]).max() > math.sqrt(RANK_TOLERANCE):
            group = [group[one] if each == group[other] else each for each in group]
    found = []
    for number in dict.fromkeys(group):
        members = [place for place, each in enumerate(group) if each == number]
        if len(members) == 1:
            found.append(terms[members[0]])
            continue
        sources = tuple(source for member in members for source in terms[member].sources)
        basis = _basis(columns[:, np.isin(of_term, members)])
        centred = basis - weights @ basis
        found.append(Term(sources, basis, centred.T @ (weights[:, None] * centred)))
    return found


def _residual(columns: Array, base: Array) -> Array:
    """The columns less what those of `base` explain."""
    import numpy as np

    inverse = np.linalg.pinv(base.T @ base, rcond=RANK_TOLERANCE, hermitian=True)
    found: Array = columns - base @ (inverse @ (base.T @ columns))
    return found


def _null_projector(columns: Array) -> Array | None:
    """The projector of shape (d, d) onto the coefficients that make no difference; None if there are none but 0."""
    values, vectors = _spectrum(columns)
    null = vectors[:, values <= RANK_TOLERANCE]
    return null @ null.T if null.shape[1] else None


def _basis(columns: Array) -> Array:
    """Columns that span the same space, do not depend on each other and are of size 1."""
    values, vectors = _spectrum(columns)
    is_used = values > RANK_TOLERANCE
    found: Array = columns @ (vectors[:, is_used] / values[is_used] ** 0.5)
    return found


def _spectrum(columns: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of the Gram matrix per cell."""
    import numpy as np

    values, vectors = np.linalg.eigh(columns.T @ columns / len(columns))
    return values, vectors
