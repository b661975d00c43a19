from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.grids.grid import grid_of
from ablate.statistics.grids.levels import level_means

FACTORS = {"window": ("1x1", "3x3"), "norm": ("bn", "none", "ln")}


def cells(n: int, seed: int = 0) -> dict[tuple[str, str], dict[int, float]]:
    rng = np.random.default_rng(seed)
    block = rng.normal(0, 10, n)
    keys = [(window, norm) for window in FACTORS["window"] for norm in FACTORS["norm"]]
    return {key: dict(enumerate((place + block + rng.normal(0, 1, n)).tolist())) for place, key in enumerate(keys)}


def test_means_are_given_for_levels_and_for_pairs_of_levels():
    values = cells(4)
    means = level_means(grid_of(values, FACTORS))
    assert list(means) == [("window",), ("norm",), ("window", "norm")]
    assert list(means["norm",]) == [("bn",), ("none",), ("ln",)]
    array = grid_of(values, FACTORS).array().reshape(-1, 2, 3)
    assert means["norm",]["ln",].mean == pytest.approx(array[:, :, 2].mean())
    assert means["window", "norm"]["3x3", "bn"].mean == pytest.approx(array[:, 1, 0].mean())


def test_what_all_cells_of_a_seed_share_is_not_in_the_interval():
    values = cells(6)
    found = level_means(grid_of(values, FACTORS))["window",]["1x1",]
    array = grid_of(values, FACTORS).array().reshape(-1, 2, 3)
    shift = array[:, 0].mean(axis=1) - array.mean(axis=(1, 2))
    low, high = stats.t.interval(0.95, 5, shift.mean(), stats.sem(shift))
    assert found.low - found.mean == pytest.approx(low - shift.mean())
    assert found.high - found.mean == pytest.approx(high - shift.mean())
    assert found.high - found.low < 3  # blocks differ by 10


def test_for_two_levels_the_interval_is_half_of_the_paired_one():
    values = cells(6)
    found = level_means(grid_of(values, FACTORS))["window",]["1x1",]
    array = grid_of(values, FACTORS).array().reshape(-1, 2, 3)
    paired = stats.ttest_rel(array[:, 1].mean(axis=1), array[:, 0].mean(axis=1)).confidence_interval(0.95)
    assert found.high - found.low == pytest.approx((paired.high - paired.low) / 2)


def test_a_grid_with_holes_has_means_over_the_cells_that_are_there():
    values = cells(2)
    del values["1x1", "bn"]
    values["1x1", "ln"] = {0: 5.0}
    means = level_means(grid_of(values, FACTORS))
    none = values["1x1", "none"]
    assert means["window",]["1x1",].mean == pytest.approx((5.0 + (none[0] + none[1]) / 2) / 2)
    assert means["window",]["1x1",].low is None
    assert ("1x1", "bn") not in means["window", "norm"]


def test_one_seed_has_means_without_intervals():
    found = level_means(grid_of(cells(1), FACTORS))["window",]["1x1",]
    assert (found.low, found.high) == (None, None)
