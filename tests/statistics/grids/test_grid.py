from __future__ import annotations

import math
from fractions import Fraction

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


def test_the_array_has_a_row_for_each_seed_and_a_column_for_each_cell():
    grid = grid_of(full(seeds=(5, 2)), FACTORS)
    assert grid.is_full
    np.testing.assert_array_equal(grid.array(), [[2, 12, 22, 102, 112, 122], [5, 15, 25, 105, 115, 125]])


def test_a_missing_cell_is_a_hole_and_rows_without_a_value_are_counted():
    cells = full()
    del cells["1x1", "bn"]
    cells["3x3", "ln"] = {0: math.nan}
    grid = grid_of(cells, FACTORS)
    assert not grid.is_full
    assert grid.notes == ("1 row of the grid has no value.",)


def test_levels_to_which_a_nested_factor_does_not_apply_are_no_holes():
    cells = {("relu", None): {0: 1.0}, ("frelu", "bn"): {0: 2.0}, ("frelu", "none"): {0: 3.0}}
    grid = grid_of(cells, {"activation": ("relu", "frelu"), "norm": ("bn", "none")})
    assert grid.is_full
    assert grid.weights == (Fraction(1, 2), Fraction(1, 4), Fraction(1, 4))


def test_where_no_other_factor_tells_whether_one_applies_this_is_a_level_of_its_own():
    cells = {("relu", None): {0: 1.0}, ("relu", "bn"): {0: 2.0}, ("frelu", "bn"): {0: 3.0}, ("frelu", None): {0: 4.0}}
    grid = grid_of(cells, {"activation": ("relu", "frelu"), "norm": ("bn",)})
    assert grid.factors == {"activation": ("relu", "frelu"), "norm": ("bn", "\u2013")}
    assert grid.is_full


def test_cells_are_not_judged_by_the_seeds_they_lost():
    cells = {key: dict(values) for key, values in full(seeds=(0, 1, 2)).items()}
    for place, key in enumerate(cells):  # every seed is lost somewhere
        del cells[key][place % 3]
    grid = grid_of(cells, FACTORS)
    steps = grid.array()[0] - grid.array()[0, 0]
    np.testing.assert_allclose(steps, [0, 10, 20, 100, 110, 120], atol=1e-9)


def test_cells_that_share_no_seed_have_no_values_to_compare():
    assert grid_of({("1x1", "bn"): {0: 1.0}, ("3x3", "bn"): {1: 1.0}}, FACTORS).array() is None


def test_a_seed_that_some_cell_lacks_is_dropped_as_a_whole():
    cells = full(seeds=(0, 1, 2))
    cells["1x1", "bn"][1] = math.nan
    grid = grid_of(cells, FACTORS)
    assert grid.is_full
    assert grid.seeds == (0, 2)
    assert grid.notes == ("Effects leave out seeds that some cells lack: 1.",)


def test_no_seed_is_dropped_where_less_than_two_would_remain():
    cells = full()
    cells["1x1", "bn"] = {0: 1.0}
    grid = grid_of(cells, FACTORS)
    assert (grid.has_blocks, grid.seeds) == (False, (0, 1))


def test_a_level_without_a_value_leaves_the_rest_a_full_grid():
    cells = {key: values for key, values in full().items() if key[1] != "ln"}
    grid = grid_of(cells, FACTORS)
    assert grid.is_full
    assert grid.factors == {"window": ("1x1", "3x3"), "norm": ("bn", "none")}
    assert "norm is judged without ln, because no run with it gave a value." in grid.notes


def test_a_factor_with_one_level_left_drops_out_and_is_named():
    cells = {key: values for key, values in full().items() if key[0] == "3x3"}
    grid = grid_of(cells, FACTORS)
    assert grid.factors == {"norm": ("bn", "none", "ln")}
    assert set(grid.cells) == {("bn",), ("none",), ("ln",)}
    assert "window cannot be judged, because no run with 1x1 gave a value." in grid.notes


def test_a_factor_without_any_run_that_gave_a_value_is_named():
    factors = {"activation": ("relu", "swish", "frelu"), "norm": ("bn", "none")}
    cells = {("relu", None): {0: 1.0}, ("swish", None): {0: 2.0}, ("frelu", "bn"): {}, ("frelu", "none"): {0: math.nan}}
    assert grid_of(cells, factors).notes == (
        "2 rows of the grid have no value.",
        "activation is judged without frelu, because no run with it gave a value.",
        "norm cannot be judged, because no run with bn or none gave a value.",
    )


def test_a_factor_that_never_had_two_levels_says_so():
    cells = {(window, "0.1"): {0: 1.0} for window in FACTORS["window"]}
    grid = grid_of(cells, {"window": FACTORS["window"], "lr": ("0.1",)})
    assert grid.notes == ("lr has one level, so nothing can be compared.",)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e200])
def test_infinite_values_are_left_out_and_counted(value):
    cells = full(seeds=(0, 1, 2))
    cells["1x1", "bn"][1] = value
    grid = grid_of(cells, FACTORS)
    assert "Effects leave out 1 infinite value." in grid.notes
    assert grid.seeds == (0, 2)


def test_no_cell_is_no_error():
    grid = grid_of({}, FACTORS)
    assert (grid.factors, grid.cells, grid.seeds) == ({}, {}, ())


@pytest.mark.parametrize("key", [("3x3",), ("3x3", "gn"), ("bn", "3x3")])
def test_a_cell_of_another_grid_is_refused(key):
    with pytest.raises(ValueError, match="is not a combination of levels of window, norm"):
        grid_of({key: {0: 1.0}}, FACTORS)
