from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ablate.statistics.grids.amounts import Amount, effect_amount, noise_amount, noncentrality, share_interval

EXACT = Amount(2.0, 2.0, 2.0)


@pytest.mark.parametrize("df", [1, 2, 6])
@pytest.mark.parametrize("chi_squared", [2.0, 200.0, 9e4])
def test_at_the_noncentrality_chi_squared_has_the_probability_asked_for(chi_squared, df):
    center = noncentrality(chi_squared, df, 0.025)
    assert stats.ncx2.cdf(chi_squared, df, center) == pytest.approx(0.025, rel=1e-4)


def test_the_noncentrality_goes_on_smoothly_where_its_limit_is_used():
    below, above = noncentrality(0.999e5, 2, 0.025), noncentrality(1.001e5, 2, 0.025)
    assert above / below == pytest.approx(1.002, rel=1e-3)


def test_a_chi_squared_too_small_even_for_no_effect_has_the_noncentrality_zero():
    assert noncentrality(0.5, 2, 0.975) == 0
    assert noncentrality(0.0, 1, 0.025) == 0


def test_the_amount_behind_a_clear_effect_of_one_degree_has_the_squared_ends_of_the_t_interval():
    values = np.array([4.8, 5.1, 5.6, 4.9, 5.3])
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    found = effect_amount(5 * values.mean() ** 2, 1, values.var(ddof=1), 4)
    assert (found.low, found.high) == pytest.approx((5 * low**2, 5 * high**2), rel=1e-6)
    assert found.value == pytest.approx(5 * values.mean() ** 2 - values.var(ddof=1))


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("effect", [(0.0, 0.0, 0.0), (0.5, -0.5, 0.0), (3.0, -1.0, -2.0)])
def test_the_bounds_of_an_amount_cover_it(effect, n):
    rng = np.random.default_rng(n)
    truth = n * float(np.square(effect).sum())
    hits = 0
    for _ in range(300):
        values = np.array(effect) + rng.normal(0, 1, (n, 3))
        wave = values - values.mean(axis=1, keepdims=True)
        center = wave.mean(axis=0)
        found = effect_amount(n * (center**2).sum(), 2, ((wave - center) ** 2).sum() / (2 * (n - 1)), 2 * (n - 1))
        hits += found.low - 1e-9 <= truth <= found.high
    assert hits / 300 >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / 300)


def test_the_bounds_of_noise_are_those_of_a_variance():
    found = noise_amount(20.0, 8)
    low, high = stats.chi2.interval(0.95, 8)
    assert (found.value, found.low, found.high) == pytest.approx((20, 160 / high, 160 / low))


def test_a_share_of_amounts_known_exactly_is_a_point():
    assert share_interval(EXACT, [EXACT, EXACT], EXACT) == pytest.approx((0.25, 0.25))


def test_a_share_moves_with_either_part_alone_as_far_as_the_part_does():
    vague = Amount(2.0, 1.0, 4.0)
    assert share_interval(vague, [], EXACT) == pytest.approx((1 / 3, 2 / 3))
    assert share_interval(EXACT, [], vague) == pytest.approx((1 / 3, 2 / 3))


def test_a_share_of_two_vague_parts_is_vaguer_than_of_one_and_less_than_the_extremes():
    vague = Amount(2.0, 1.0, 4.0)
    low, high = share_interval(vague, [], vague)
    assert 1 / 5 < low < 1 / 3
    assert 2 / 3 < high < 4 / 5


def test_an_amount_that_may_be_nothing_has_a_share_that_may_be_nothing():
    low, high = share_interval(Amount(0.5, 0.0, 3.0), [EXACT], EXACT)
    assert low == 0
    assert 0 < high < 1
