from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.estimate import Estimate, estimate, t_interval

VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
SAMPLES = st.lists(VALUES, min_size=1, max_size=12)


def test_no_seed_has_neither_mean_nor_spread():
    assert estimate({}) == Estimate(0, None, None)


def test_one_seed_has_a_mean_and_no_spread():
    assert estimate({4: 1.5}) == Estimate(1, 1.5, None)


def test_the_spread_is_that_of_the_sample():
    assert estimate({0: 1.0, 1: 2.0, 2: 4.0}).sd == pytest.approx(math.sqrt(7 / 3), abs=1e-15)


def test_equal_values_have_exactly_no_spread():
    found = estimate(dict.fromkeys(range(7), 0.1))
    assert (found.mean, found.sd) == (0.1, 0.0)


@given(SAMPLES, st.randoms())
def test_neither_names_nor_order_of_seeds_change_an_estimate(values, random):
    shuffled = random.sample(values, len(values))
    assert estimate(dict(enumerate(values))) == estimate({3 * k + 1: value for k, value in enumerate(shuffled)})


@given(SAMPLES, st.floats(-1e3, 1e3))
def test_a_shift_of_all_values_shifts_the_mean_and_keeps_the_spread(values, shift):
    before, after = estimate(dict(enumerate(values))), estimate({k: v + shift for k, v in enumerate(values)})
    assert after.mean == pytest.approx(before.mean + shift, abs=1e-8)
    assert (after.sd is None) == (before.sd is None)
    if before.sd is not None:
        assert after.sd == pytest.approx(before.sd, abs=1e-8)


@given(st.lists(VALUES, min_size=2, max_size=12, unique=True), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_is_the_one_of_scipy(values, confidence):
    found = estimate(dict(enumerate(values)))
    low, high = t_interval(found.mean, found.sd, found.n, confidence)
    expected = stats.t.interval(confidence, found.n - 1, found.mean, found.sd / math.sqrt(found.n))
    assert (low, high) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_without_spread_the_interval_is_a_point():
    assert t_interval(0.3, 0.0, 3) == (0.3, 0.3)


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="n >= 2"):
        t_interval(1.0, 0.5, 1)
