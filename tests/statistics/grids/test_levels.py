from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.grids import levels
from ablate.statistics.grids.anova import anova
from ablate.statistics.grids.grid import grid_of
from ablate.statistics.grids.levels import Means
from ablate.statistics.grids.model import model_of

FACTORS = {"window": ("1x1", "3x3"), "norm": ("bn", "none", "ln")}


def level_means(given, factors=FACTORS) -> Means:
    grid = grid_of(given, factors)
    return levels.level_means(grid, grid.array(), model_of(grid))


def cells(n: int, seed: int = 0) -> dict[tuple[str, str], dict[int, float]]:
    rng = np.random.default_rng(seed)
    block = rng.normal(0, 10, n)
    keys = [(window, norm) for window in FACTORS["window"] for norm in FACTORS["norm"]]
    return {key: dict(enumerate((place + block + rng.normal(0, 1, n)).tolist())) for place, key in enumerate(keys)}


def test_means_are_given_for_levels_and_for_pairs_of_levels():
    values = cells(4)
    means = level_means(values)
    assert list(means) == [("window",), ("norm",), ("window", "norm")]
    assert list(means["norm",]) == [("bn",), ("none",), ("ln",)]
    array = grid_of(values, FACTORS).array().reshape(-1, 2, 3)
    assert means["norm",]["ln",].mean == pytest.approx(array[:, :, 2].mean())
    assert means["window", "norm"]["3x3", "bn"].mean == pytest.approx(array[:, 1, 0].mean())


def test_what_all_cells_of_a_seed_share_is_not_in_the_interval():
    values = cells(6)
    found = level_means(values)["window",]["1x1",]
    array = grid_of(values, FACTORS).array().reshape(-1, 2, 3)
    shift = array[:, 0].mean(axis=1) - array.mean(axis=(1, 2))
    low, high = stats.t.interval(0.95, 5, shift.mean(), stats.sem(shift))
    assert found.low - found.mean == pytest.approx(low - shift.mean())
    assert found.high - found.mean == pytest.approx(high - shift.mean())
    assert found.high - found.low < 3  # blocks differ by 10


def test_for_two_levels_the_interval_is_half_of_the_paired_one():
    values = cells(6)
    found = level_means(values)["window",]["1x1",]
    array = grid_of(values, FACTORS).array().reshape(-1, 2, 3)
    paired = stats.ttest_rel(array[:, 1].mean(axis=1), array[:, 0].mean(axis=1)).confidence_interval(0.95)
    assert found.high - found.low == pytest.approx((paired.high - paired.low) / 2)


def additive(n: int) -> dict[tuple[str, str, str], dict[int, float]]:
    """Exact effects of three factors: 1 for b, 10 for d, 100 for f."""
    keys = [(one, two, three) for one in "ab" for two in "cd" for three in "ef"]
    return {
        key: {seed: seed + (key[0] == "b") + 10.0 * (key[1] == "d") + 100.0 * (key[2] == "f") for seed in range(n)}
        for key in keys
    }


LETTERS = {"one": ("a", "b"), "two": ("c", "d"), "three": ("e", "f")}


@pytest.mark.parametrize("missing", [["bcf", "bdf"], ["bcf"], ["adf", "bde", "bdf"]])
def test_means_on_a_grid_with_holes_are_adjusted_for_the_other_factors(missing):
    values = {key: found for key, found in additive(3).items() if "".join(key) not in missing}
    full, found = level_means(additive(3), LETTERS), level_means(values, LETTERS)
    for names, means in found.items():
        for level, mean in means.items():
            assert mean.mean == pytest.approx(full[names][level].mean), (names, level)
            assert mean.low is None
    assert len(found) == 6


def test_a_hole_does_not_turn_the_direction_of_the_tested_effect():
    factors = {"activation": ("relu", "frelu"), "steps": ("10", "300")}
    noise = np.random.default_rng(0).normal(0, 0.3, (3, 5))
    levels_of = {("relu", "10"): 20.2, ("relu", "300"): 9.94, ("frelu", "300"): 12.99}
    values = {
        key: dict(enumerate((level + row).tolist())) for (key, level), row in zip(levels_of.items(), noise, strict=True)
    }
    means = level_means(values, factors)
    relu, frelu = means["activation",]["relu",].mean, means["activation",]["frelu",].mean
    comparable = [values[name, "300"][seed] for name in ("frelu", "relu") for seed in range(5)]
    assert frelu - relu == pytest.approx(np.mean(comparable[:5]) - np.mean(comparable[5:]))
    grid = grid_of(values, factors)
    tested = anova(grid.array(), model_of(grid)).effects[0]
    paired = stats.ttest_rel(comparable[:5], comparable[5:])
    assert tested.f == pytest.approx(paired.statistic**2), "the difference of these means is the one that is tested"
    assert means["activation", "steps"]["relu", "10"].mean == pytest.approx(np.mean([*values["relu", "10"].values()]))


@pytest.mark.parametrize("seed", range(12))
def test_with_holes_the_difference_between_two_levels_is_the_one_that_is_tested(seed):
    factors = {"activation": ("relu", "frelu"), "norm": ("bn", "none"), "lr": ("a", "b"), "width": ("1", "2", "3")}
    rng = np.random.default_rng(seed)
    keys = [key for key in itertools.product(*factors.values()) if key[:2] != ("relu", "none")]
    keys = [(key[0], None, *key[2:]) if key[0] == "relu" else key for key in keys]
    values = {key: dict(enumerate(rng.normal(0, 1, 4).tolist())) for key in keys if rng.random() < 0.8}
    grid = grid_of(values, factors)
    for effect in anova(grid.array(), model_of(grid)).effects:
        source = effect.sources[0]
        if len(source.factors) > 1 or len(effect.sources) > 1 or source.factors == ("width",):
            continue
        per_seed = []
        for one in range(4):
            means = level_means({key: {0: found[one]} for key, found in values.items()}, factors)[source.factors]
            low, high = (mean.mean for mean in means.values())
            per_seed.append(high - low)
        assert effect.f == pytest.approx(stats.ttest_1samp(per_seed, 0).statistic ** 2), effect.name


def test_levels_of_a_nested_factor_stay_at_the_level_of_the_rows_to_which_it_applies():
    factors = {"activation": ("relu", "frelu"), "norm": ("bn", "none"), "lr": ("a", "b")}
    keys = [
        ("relu", None, "a"),
        ("relu", None, "b"),
        ("frelu", "bn", "a"),
        ("frelu", "bn", "b"),
        ("frelu", "none", "a"),
    ]
    values = {key: {0: 15.0 - 3 * (key[0] == "frelu") + 2 * (key[1] == "none") + 4 * (key[2] == "b")} for key in keys}
    means = level_means(values, factors)
    assert [means["norm",][level,].mean for level in ("bn", "none")] == pytest.approx([14, 16])
    assert [means["lr",][level,].mean for level in "ab"] == pytest.approx([14, 18])


def test_a_level_that_lost_its_good_seeds_is_not_worse_for_it():
    values = {key: {seed: 10.0 * seed + (key[0] == "3x3") for seed in range(3)} for key in cells(1)}
    values["1x1", "bn"] = {2: 20.0}
    values["1x1", "ln"] = {0: 0.0, 1: 10.0}
    found = level_means(values)
    assert found["window",]["3x3",].mean - found["window",]["1x1",].mean == pytest.approx(1)


def test_levels_without_a_cell_are_absent():
    values = cells(2)
    del values["1x1", "bn"]
    assert ("1x1", "bn") not in level_means(values)["window", "norm"]


def test_one_seed_has_means_without_intervals():
    found = level_means(cells(1))["window",]["1x1",]
    assert (found.low, found.high) == (None, None)
