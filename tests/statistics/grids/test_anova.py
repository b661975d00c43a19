from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.grids.anova import Anova, anova
from ablate.statistics.grids.grid import grid_of
from ablate.statistics.grids.model import model_of

SHAPES = st.lists(st.integers(2, 3), min_size=1, max_size=4)


def anova_of(array: np.ndarray, names="ABCD", seeds=None) -> Anova | None:
    """The effects in an array of shape (seeds, levels of A, levels of B, ...)."""
    n, *shape = array.shape
    seeds = range(n) if seeds is None else seeds
    factors = {name: tuple(map(str, range(size))) for name, size in zip(names, shape, strict=False)}
    keys = itertools.product(*map(range, shape))
    cells = {tuple(map(str, key)): {seed: float(array[k, *key]) for k, seed in enumerate(seeds)} for key in keys}
    grid = grid_of(cells, factors)
    return anova(grid.array(), model_of(grid))


def letters(effect) -> str:
    (source,) = effect.sources
    return "".join(source.factors)


def shares(array: np.ndarray) -> dict[str, float]:
    found = anova_of(array)
    return {letters(effect): effect.eta_squared for effect in found.effects} | {
        "higher": found.higher,
        "residual": found.residual,
    }


def effect_of(array: np.ndarray, name: str):
    return next(effect for effect in anova_of(array).effects if letters(effect) == name)


def random_array(seed: int, n: int, shape, noise: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, shape) + rng.normal(0, 5, (n, *[1] * len(shape))) + rng.normal(0, noise, (n, *shape))


# ---- identities


def test_shares_of_a_two_by_two_grid_are_those_worked_out_by_hand():
    # cell means 1, 3 | 5, 11 around 5: A = -+3, B = -+2, AB = +-1, so SS per seed 36, 16, 4; the second seed adds 10 to
    # every cell and +-1 in the pattern of B to the first: residual 2 x 4 x 0.25 = 2
    cells = np.array([[1.0, 3.0], [5.0, 11.0]])
    half = np.array([[-0.5, 0.5], [-0.5, 0.5]])
    found = shares(np.stack([cells + half, cells - half + 10]))
    total = 2 * (36 + 16 + 4) + 2
    expected = {"A": 72 / total, "B": 32 / total, "AB": 8 / total, "higher": 0, "residual": 2 / total}
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), SHAPES, st.integers(1, 4))
def test_shares_sum_to_one(seed, shape, n):
    assert math.fsum(shares(random_array(seed, n, shape)).values()) == pytest.approx(1, abs=1e-12)


def residual_squares(columns: list[np.ndarray], values: np.ndarray) -> float:
    design = np.column_stack(columns)
    return float(((values - design @ np.linalg.lstsq(design, values)[0]) ** 2).sum())


def dummies(labels: np.ndarray) -> list[np.ndarray]:
    return [(labels == label).astype(float) for label in np.unique(labels)]


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (2, 3, 2), (3, 3, 2, 2)])
def test_shares_are_those_of_least_squares_models_that_grow_by_an_effect(shape):
    n = 3
    array = random_array(sum(shape), n, shape)
    index = np.indices(array.shape).reshape(array.ndim, -1)
    values = array.reshape(-1)
    columns = dummies(index[0])
    left = total = residual_squares(columns, values)
    expected = {}
    names = ["".join(pair) for size in (1, 2) for pair in itertools.combinations("ABCD"[: len(shape)], size)]
    for name in names:
        axes = [1 + "ABCD".index(letter) for letter in name]
        columns += dummies(np.ravel_multi_index([index[axis] for axis in axes], [array.shape[axis] for axis in axes]))
        before, left = left, residual_squares(columns, values)
        expected[name] = (before - left) / total
    cell = dummies(np.ravel_multi_index(list(index[1:]), shape))
    expected["residual"] = residual_squares([*columns, *cell], values) / total
    expected["higher"] = left / total - expected["residual"]
    assert shares(array) == pytest.approx(expected, abs=1e-12)


def test_what_a_seed_adds_to_all_cells_changes_no_share():
    array = random_array(1, 3, (2, 3))
    shifted = array + np.array([100.0, -50.0, 7.0])[:, None, None]
    assert shares(shifted) == pytest.approx(shares(array), abs=1e-12)


def test_a_planted_pure_interaction_is_found_as_such():
    crossed = np.array([[1.0, -1.0], [-1.0, 1.0]])
    array = crossed + np.random.default_rng(0).normal(0, 0.1, (5, 2, 2))
    found = {letters(effect): effect for effect in anova_of(array).effects}
    assert found["AB"].eta_squared > 0.95
    assert found["AB"].p_adj < 0.001
    assert max(found["A"].high, found["B"].high) < 0.02


def test_a_planted_three_way_interaction_is_in_the_higher_share_only():
    signs = np.array([1.0, -1.0])
    array = np.einsum("i,j,k->ijk", signs, signs, signs)[None] + np.random.default_rng(0).normal(0, 0.01, (3, 2, 2, 2))
    assert shares(array)["higher"] > 0.99


# ---- tests


def test_with_two_levels_the_test_is_the_paired_t_test():
    array = random_array(3, 6, (2, 3))
    paired = stats.ttest_rel(array[:, 0].mean(axis=1), array[:, 1].mean(axis=1))
    found = effect_of(array, "A")
    assert (found.f, found.p) == pytest.approx((paired.statistic**2, paired.pvalue), rel=1e-9)
    assert (found.df, found.df_error) == (1, 5)


def test_a_single_factor_has_the_test_of_randomised_blocks():
    array = random_array(4, 5, (3,))
    left = array - array.mean(axis=1, keepdims=True)
    between = 5 * (left.mean(axis=0) ** 2).sum() / 2
    within = ((left - left.mean(axis=0)) ** 2).sum() / 8
    found = effect_of(array, "A")
    assert found.f == pytest.approx(between / within)
    assert found.p == pytest.approx(stats.f.sf(between / within, 2, 8))


def test_seeds_that_react_to_a_factor_each_in_its_own_way_make_no_effect_of_it():
    # a pooled residual would take a factor whose effect has another sign in every seed for a sure one
    rng = np.random.default_rng(2)
    own, pooled = 0, 0
    for _ in range(200):
        array = rng.normal(0, 1, (5, 2, 4)) + 3 * rng.normal(0, 1, (5, 1, 1)) * np.array([-1, 1])[:, None]
        found = anova_of(array)
        own += found.effects[0].p <= 0.05
        cell_error = found.residual / (7 * 4)
        pooled += stats.f.sf(found.effects[0].eta_squared / cell_error, 1, 28) <= 0.05
    assert own / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert pooled / 200 > 0.2


def test_effects_of_pure_noise_are_seldom_significant_after_holm():
    rng = np.random.default_rng(9)
    wrong = sum(
        any(effect.p_adj <= 0.05 for effect in anova_of(rng.normal(0, 1, (5, 2, 2, 2))).effects) for _ in range(400)
    )
    assert wrong / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


# ---- intervals


def covered(n: int, cells: np.ndarray, tables: int) -> dict[str, float]:
    """How often each effect's interval has its true share, for noise of sd 1."""
    truth = shares(cells[None])
    signal = float(((cells - cells.mean()) ** 2).sum())
    true = {name: share * signal / (signal + cells.size - 1) for name, share in truth.items()}
    rng = np.random.default_rng(n)
    hits = dict.fromkeys(true, 0)
    for _ in range(tables):
        array = cells + rng.normal(0, 2, (n, 1, 1)) + rng.normal(0, 1, (n, *cells.shape))
        for effect in anova_of(array).effects:
            name = letters(effect)
            hits[name] += effect.low <= true[name] <= effect.high
    return {"".join(name): hits[name] / tables for name in hits if name not in ("higher", "residual")}


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("effects", [(0, 0, 0), (1, 0, 0), (0.5, 0.5, 0.5), (2, 1, 0), (6, 4, 2)])
def test_the_intervals_cover_the_share_of_infinitely_many_seeds(n, effects):
    a, b = np.linspace(-1, 1, 3)[:, None], np.linspace(-1, 1, 3)[None, :]
    cells = effects[0] * a + effects[1] * b + effects[2] * a * b
    if not cells.any():
        cells = cells + 1e-9 * a  # no share is defined where nothing differs
    tables = 150
    found = covered(n, cells, tables)
    assert min(found.values()) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / tables)


def test_shares_of_effects_far_above_the_noise_have_short_intervals():
    cells = 4 * np.array([[0.0, 1, 3], [2, 2, 7]])
    array = cells + np.random.default_rng(0).normal(0, 1, (10, 2, 3))
    assert all(0.001 < effect.high - effect.low < 0.06 for effect in anova_of(array).effects)


def test_bootstrapping_three_seeds_would_not_cover_it():
    a, b = np.linspace(-1, 1, 3)[:, None], np.linspace(-1, 1, 3)[None, :]
    cells = 0.5 * (a + b + a * b)
    rng = np.random.default_rng(1)
    true = shares(cells[None])["A"] * float((cells**2).sum()) / (float((cells**2).sum()) + 8)
    hits = 0
    for _ in range(20):
        array = cells + rng.normal(0, 1, (3, 3, 3))
        resampled = [shares(array[rng.integers(0, 3, 3)])["A"] for _ in range(60)]
        hits += np.quantile(resampled, 0.025) <= true <= np.quantile(resampled, 0.975)
    assert hits / 20 < 0.95 - 3 * math.sqrt(0.95 * 0.05 / 20)


# ---- laws


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([-1.0, 1000.0]), st.permutations(range(4)))
def test_neither_units_nor_direction_nor_names_of_seeds_matter(seed, factor, names):
    array = random_array(seed, 4, (2, 3))
    plain = anova_of(array)
    found = anova_of(factor * array, seeds=names)
    assert (found.higher, found.residual) == pytest.approx((plain.higher, plain.residual), abs=1e-12)
    for one, other in zip(found.effects, plain.effects, strict=True):
        assert (one.f, one.p, one.low, one.high) == pytest.approx((other.f, other.p, other.low, other.high), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.permutations(range(3)))
def test_the_order_of_levels_and_factors_does_not_matter(seed, order):
    array = random_array(seed, 3, (2, 3))
    turned = shares(array[:, :, order].swapaxes(1, 2))
    plain = shares(array)
    assert turned == pytest.approx(plain | {"A": plain["B"], "B": plain["A"]}, abs=1e-12)


# ---- degenerate data


def test_one_seed_has_shares_and_no_test():
    found = anova_of(random_array(1, 1, (2, 2)))
    assert found.residual == 0
    assert math.fsum(effect.eta_squared for effect in found.effects) == pytest.approx(1, abs=1e-12)
    assert all((effect.f, effect.p, effect.p_adj, effect.low) == (None,) * 4 for effect in found.effects)


def test_seeds_that_all_agree_leave_nothing_to_test_against():
    array = np.stack([np.array([[0.1, 0.2], [0.3, 0.7]]) + shift for shift in (0.0, 0.1, 0.7)])
    found = anova_of(array)
    assert found.residual == pytest.approx(0, abs=1e-12)
    assert all(effect.p is None for effect in found.effects)


@pytest.mark.parametrize(
    "array", [np.zeros((3, 2, 2)), np.full((1, 2, 2), 0.1), np.arange(3.0)[:, None, None] + np.zeros((3, 2, 2))]
)
def test_equal_cells_have_no_shares(array):
    assert anova_of(array) is None


@pytest.mark.parametrize("offset", [0.0, 1e6, 1e12, 1e15])
def test_a_large_value_that_all_cells_share_changes_no_share(offset):
    array = np.round(random_array(5, 3, (2, 3)) * 1000)  # whole numbers, so that adding the offset rounds nothing
    plain, found = anova_of(array), anova_of(array + offset)
    for one, other in zip(plain.effects, found.effects, strict=True):
        assert other.eta_squared == pytest.approx(one.eta_squared)
        assert other.p == pytest.approx(one.p)
        assert (other.low, other.high) == pytest.approx((one.low, one.high))


def test_values_that_differ_by_the_rounding_of_a_sum_have_no_shares():
    assert anova_of(np.array([[0.1 + 0.2, 0.3], [0.7 + 0.1, 0.8]])) is None


def test_an_overwhelming_effect_has_a_p_above_zero_and_a_share_below_one():
    array = np.array([0.0, 1e7])[None, :] + np.random.default_rng(0).normal(0, 1, (20, 2))
    found = effect_of(array, "A")
    assert found.p > 0
    assert 0.99 < found.low <= found.high < 1


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-540, 2.0**490])
def test_the_unit_of_the_metric_changes_no_share_however_small_or_large(unit):
    array = random_array(5, 3, (2, 3))
    assert anova_of(array * unit) == anova_of(array)
