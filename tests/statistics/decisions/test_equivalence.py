from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.decisions.equivalence import two_one_sided
from ablate.statistics.estimate import t_interval


def shown_at_the_margin(shows, sd, replicates=3000, n=6):
    """How often equivalence within +-1 is shown where the true difference is exactly 1."""
    draws = np.random.default_rng(7).normal(1, sd, (replicates, n))
    return np.mean([shows(float(d.mean()), float(d.std(ddof=1)), n) for d in draws])


def most(replicates=3000):
    return 0.05 + 3 * math.sqrt(0.05 * 0.95 / replicates)


@pytest.mark.parametrize(("sd", "least"), [(0.5, 0.03), (2.0, 0.0)])
def test_a_true_difference_at_the_margin_is_called_equivalent_no_more_often_than_alpha(sd, least):
    rate = shown_at_the_margin(lambda mean, sd, n: two_one_sided(mean, sd, n, margin=1).is_shown, sd)
    assert least <= rate <= most()


def test_taking_no_significant_difference_for_equivalence_does_not_pass_that_check():
    assert shown_at_the_margin(lambda mean, sd, n: math.prod(t_interval(mean, sd, n)) < 0, sd=2.0) > most()


def test_looking_at_the_mean_alone_does_not_pass_that_check():
    assert shown_at_the_margin(lambda mean, sd, n: abs(mean) < 1, sd=0.5) > most()


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(0.01, 2), st.integers(3, 30), st.floats(0.05, 3))
def test_it_is_the_two_one_sided_t_tests(mean, sd, n, margin):
    error = sd / math.sqrt(n)
    p = max(stats.t.sf((mean + margin) / error, n - 1), stats.t.cdf((mean - margin) / error, n - 1))
    found = two_one_sided(mean, sd, n, margin=margin)
    assert found.is_shown == (p < 0.05) or p == pytest.approx(0.05, abs=1e-9)
    assert (found.low, found.high) == t_interval(mean, sd, n, 0.90)


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(0.01, 2), st.integers(3, 30), st.floats(0.05, 3))
def test_the_sign_of_the_difference_does_not_matter(mean, sd, n, margin):
    there, back = (two_one_sided(m, sd, n, margin=margin) for m in (mean, -mean))
    assert (there.is_shown, there.low, there.high) == (back.is_shown, -back.high, -back.low)


def test_more_comparisons_make_it_harder():
    assert two_one_sided(0.1, 0.5, 8, margin=0.5).is_shown
    found = two_one_sided(0.1, 0.5, 8, margin=0.5, comparisons=10)
    assert not found.is_shown
    assert (found.low, found.high) == t_interval(0.1, 0.5, 8, 0.99)


def test_an_interval_that_touches_the_margin_is_not_inside():
    _, high = t_interval(0.0, 1.0, 5, 0.9)
    assert not two_one_sided(0.0, 1.0, 5, margin=high).is_shown
    assert two_one_sided(0.0, 1.0, 5, margin=math.nextafter(high, 9)).is_shown


@pytest.mark.parametrize(("n", "comparisons", "is_shown"), [(3, 1, False), (4, 1, False), (5, 1, True), (5, 5, False)])
def test_seeds_that_all_tie_show_equivalence_only_where_their_number_does(n, comparisons, is_shown):
    found = two_one_sided(0.0, 0.0, n, margin=0.5, comparisons=comparisons)
    assert (found.low, found.high, found.is_shown) == (0.0, 0.0, is_shown)


def test_equal_differences_outside_the_margin_are_not_equivalent():
    assert not two_one_sided(0.6, 0.0, 20, margin=0.5).is_shown


@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan])
def test_a_margin_is_above_zero(margin):
    with pytest.raises(ValueError, match="above 0"):
        two_one_sided(0.1, 0.5, 8, margin=margin)


@pytest.mark.parametrize("n", [1, 2])
def test_below_three_seeds_there_is_no_test(n):
    with pytest.raises(ValueError, match=f"n >= 3, given {n}"):
        two_one_sided(0.1, 0.5, n, margin=1)
