from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from ablate.statistics.grids.fanova import cell_effects, fanova
from ablate.statistics.grids.grid import grid_of

FACTORS = {"weak": ("a", "b", "c"), "strong": ("a", "b", "c"), "none": ("a", "b")}


def values(n: int = 3, noise: float = 0.3) -> dict[tuple[str, ...], dict[int, float]]:
    rng = np.random.default_rng(0)
    block = rng.normal(0, 5, n)
    size = {"a": 0.0, "b": 1.0, "c": 2.0}
    return {
        key: dict(enumerate((size[key[0]] + 4 * size[key[1]] + block + rng.normal(0, noise, n)).tolist()))
        for key in itertools.product(*FACTORS.values())
    }


def with_holes() -> dict[tuple[str, ...], dict[int, float]]:
    cells = values()
    del cells["a", "a", "b"], cells["b", "c", "a"]
    return cells


@pytest.fixture(scope="module")
def found():
    return fanova(grid_of(with_holes(), FACTORS))


def test_a_planted_strong_factor_comes_first_on_a_grid_with_holes(found):
    assert [one.factor for one in found] == ["weak", "strong", "none"]
    weak, strong, none = (one.share for one in found)
    assert strong > 0.8
    assert strong > weak > none
    assert none < 0.02


def test_shares_lie_between_those_of_the_single_forests_and_sum_to_one_at_most(found):
    assert all(0 <= one.low <= one.share <= one.high <= 1 for one in found)
    assert any(one.low < one.high for one in found)
    assert sum(one.share for one in found) <= 1 + 1e-9


def test_the_same_grid_has_the_same_shares_and_optuna_says_nothing(found, capfd):
    assert fanova(grid_of(with_holes(), FACTORS)) == found
    assert capfd.readouterr() == ("", "")


def test_a_planted_interaction_is_left_out_of_the_main_effects():
    crossed = {key: {0: float((key[0] == "a") ^ (key[1] == "a"))} for key in itertools.product("ab", "ab", "abc")}
    del crossed["a", "a", "a"]
    found = fanova(grid_of(crossed, {"one": ("a", "b"), "other": ("a", "b"), "third": ("a", "b", "c")}))
    assert sum(one.share for one in found) < 0.5


# ---- the effects of cells


def test_cells_are_not_judged_by_the_seeds_they_lost():
    cells = values(n=4, noise=0.0)
    for seed in (0, 1):
        del cells["a", "a", "a"][seed]
    del cells["c", "b", "b"][3]
    found = cell_effects(grid_of(cells | {("b", "b", "b"): {}}, FACTORS))
    assert max(found.values()) - min(found.values()) == pytest.approx(1)
    steps = {key: found[key] - found["a", "b", "a"] for key in found}
    assert steps["a", "a", "a"] / steps["c", "b", "b"] == pytest.approx(-2)
    assert steps["c", "b", "b"] > 0


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_do_not_matter_to_the_forest(scale):
    cells = values(n=2, noise=0.3)
    del cells["a", "a", "a"]
    scaled = {key: {seed: scale * value for seed, value in of.items()} for key, of in cells.items()}
    for ours, theirs in zip(fanova(grid_of(scaled, FACTORS)), fanova(grid_of(cells, FACTORS)), strict=True):
        assert ours.share == pytest.approx(theirs.share, abs=0.01)  # splits of a forest turn on last bits


def test_equal_cells_have_no_effects():
    cells = {key: {seed: 0.1 * seed for seed in range(3)} for key in itertools.product(*FACTORS.values())}
    del cells["a", "a", "a"]
    assert cell_effects(grid_of(cells, FACTORS)) == {}
    assert fanova(grid_of(cells, FACTORS)) == ()


def test_seeds_that_no_two_cells_share_are_no_error():
    cells = {key: {seed: float(seed)} for seed, key in enumerate(itertools.product(*FACTORS.values()))}
    assert all(map(math.isfinite, cell_effects(grid_of(cells, FACTORS)).values()))


def test_many_levels_do_not_take_a_time_that_doubles_with_each():
    levels = tuple(map(str, range(40)))  # as names, they would be 2^40 combinations
    cells = {(level, word): {0: float(place)} for place, level in enumerate(levels) for word in ("on", "off")}
    del cells["0", "on"]
    many, other = fanova(grid_of(cells, {"many": levels, "other": ("on", "off")}))
    assert many.share > 0.9
    assert other.share < 0.05
