"""How often the intervals of shares cover the share of infinitely many seeds, where grids are nested or have holes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from ablate.statistics.grids.anova import anova
from ablate.statistics.grids.grid import Cells, grid_of
from ablate.statistics.grids.model import model_of
from ablate.statistics.grids.nesting import Levels

FUNNEL = {"activation": ("relu", "swish", "frelu"), "norm": ("bn", "none", "gn"), "lr": ("low", "high")}
NESTED: list[Levels] = [
    (*pair, lr)
    for pair in [("relu", None), ("swish", None), ("frelu", "bn"), ("frelu", "none"), ("frelu", "gn")]
    for lr in ("low", "high")
]
CROSSED: list[Levels] = list(itertools.product("123", "123", "12"))
TOGETHER: list[Levels] = [(a, a, c) for a in "12" for c in "123"]
DESIGNS = {
    "nested": (FUNNEL, NESTED),
    "nested with a hole": (FUNNEL, NESTED[:-1]),
    "two by two with a hole": ({"A": "12", "B": "12"}, [("1", "1"), ("2", "1"), ("1", "2")]),
    "crossed with a hole": ({"A": "123", "B": "123", "C": "12"}, CROSSED[1:]),
    "crossed with four holes": (
        {"A": "123", "B": "123", "C": "12"}, [key for place, key in enumerate(CROSSED) if place not in (0, 5, 9, 16)],
    ),
    "two that change together": ({"A": "12", "B": "12", "C": "123"}, TOGETHER),
}  # fmt: skip
TABLES = 100


def coverage(factors: dict[str, Sequence[str]], keys: Sequence[Levels], scale: float, n: int) -> list[float]:
    """The share of tables in which each effect is covered, for random effects of this size and noise of sd 1."""
    rng = np.random.default_rng([n, len(keys), round(10 * scale)])
    empty: Cells = {key: {0: 0.0} for key in keys}
    model = model_of(grid_of(empty, factors))
    values = sum(term.columns @ rng.normal(0, scale, term.columns.shape[1]) for term in model.terms)
    signal = signal_of(model, values)
    noise = 1 - float(model.weights @ model.weights)  # what is left of it without the mean of a seed
    truth = [effect.eta_squared * signal / (signal + noise) for effect in anova(values[None], model).effects]
    hits = np.zeros(len(truth))
    for _ in range(TABLES):
        found = anova(values + rng.normal(0, 2, (n, 1)) + rng.normal(0, 1, (n, len(keys))), model)
        hits += [one.low <= true <= one.high for one, true in zip(found.effects, truth, strict=True)]
    return (hits / TABLES).tolist()


def signal_of(model, values: np.ndarray) -> float:
    """The variance that all effects make over all combinations of levels."""
    design = np.hstack([np.ones((len(values), 1)), *(term.columns for term in model.terms)])
    left, found = np.linalg.lstsq(design, values)[0][1:], 0.0
    for term in model.terms:
        own, left = left[: term.columns.shape[1]], left[term.columns.shape[1] :]
        found += float(own @ term.metric @ own)
    return found


@pytest.mark.parametrize("n", [3, 10])
@pytest.mark.parametrize("name", DESIGNS)
def test_intervals_of_nested_and_holed_grids_cover(name, n):
    found = [share for scale in (0.3, 1.0, 4.0) for share in coverage(*DESIGNS[name], scale, n)]
    error = math.sqrt(0.95 * 0.05 / TABLES)
    assert np.mean(found) >= 0.95 - 3 * error / math.sqrt(len(found))
    assert min(found) >= 0.95 - 4 * error
