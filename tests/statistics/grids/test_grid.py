from __future__ import annotations

import math

import numpy as np
import pytest

from ablate.statistics.grids.grid import grid_of

FACTORS = {"window": ("1x1", "3x3"), "norm": ("bn", "none", "ln")}


def full(seeds=(0, 1)) -> dict[tuple[str, str], dict[int, float]]:
    return {
        (window, norm): {seed: 100.0 * i + 10 * j + seed for seed in seeds}
        for i, window in enumerate(FACTORS["window"])
        for j, norm in enumerate(FACTORS["norm"])
    }


def test_the_array_has_a_seed_a_row_and_an_axis_a_factor():
    cells = dict(reversed(full(seeds=(5, 2)).items()))
    grid = grid_of(cells, FACTORS)
    assert grid.is_balanced
    assert grid.array().shape == (2, 2, 3)
    np.testing.assert_array_equal(grid.array()[0], [[2, 12, 22], [102, 112, 122]])


def test_a_missing_cell_is_a_hole_and_is_counted():
    cells = full()
    del cells["1x1", "bn"]
    cells["3x3", "ln"] = {0: math.nan}
    grid = grid_of(cells, FACTORS)
    assert not grid.is_balanced
    assert grid.notes == ("2 of 6 cells are empty: 1 not in the study, 1 without a value",)


def test_a_seed_that_some_cell_lacks_is_dropped_as_a_whole():
    cells = full(seeds=(0, 1, 2))
    cells["1x1", "bn"][1] = math.nan
    grid = grid_of(cells, FACTORS)
    assert grid.is_balanced
    assert grid.seeds == (0, 2)
    assert grid.notes == ("seeds left out because some cells lack them: 1",)


def test_no_seed_is_dropped_where_less_than_two_would_remain():
    cells = full()
    cells["1x1", "bn"] = {0: 1.0}
    grid = grid_of(cells, FACTORS)
    assert (grid.is_balanced, grid.seeds) == (False, (0, 1))


def test_a_level_without_a_value_leaves_the_rest_a_full_grid():
    cells = {key: values for key, values in full().items() if key[1] != "ln"}
    grid = grid_of(cells, FACTORS)
    assert grid.is_balanced
    assert grid.factors == {"window": ("1x1", "3x3"), "norm": ("bn", "none")}
    assert "factor norm has no values at ln" in grid.notes


def test_a_factor_with_one_level_left_drops_out_and_is_named():
    cells = {key: values for key, values in full().items() if key[0] == "3x3"}
    grid = grid_of(cells, FACTORS)
    assert grid.factors == {"norm": ("bn", "none", "ln")}
    assert set(grid.cells) == {("bn",), ("none",), ("ln",)}
    assert "factor window has values at one level only (3x3), so it has no effect" in grid.notes


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e200])
def test_infinite_values_are_left_out_and_counted(value):
    cells = full(seeds=(0, 1, 2))
    cells["1x1", "bn"][1] = value
    grid = grid_of(cells, FACTORS)
    assert "left out: 1 infinite value" in grid.notes
    assert grid.seeds == (0, 2)


def test_no_cell_is_no_error():
    grid = grid_of({}, FACTORS)
    assert (grid.factors, grid.cells, grid.seeds, grid.is_balanced) == ({}, {}, (), False)


@pytest.mark.parametrize("key", [("3x3",), ("3x3", "gn"), ("bn", "3x3")])
def test_a_cell_of_another_grid_is_refused(key):
    with pytest.raises(ValueError, match="is not a combination of levels of window, norm"):
        grid_of({key: {0: 1.0}}, FACTORS)
