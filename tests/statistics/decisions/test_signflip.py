from __future__ import annotations

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ablate.statistics.decisions.signflip import EXACT_UP_TO, RANDOM_FLIPS, signflip_p, smallest_p

THOUSANDTHS = st.integers(-9_999, 9_999).map(lambda number: number / 1000)
SAMPLES = st.lists(THOUSANDTHS, min_size=1, max_size=9)


def at_most(rate: float, replicates: int) -> float:
    """A rate and three standard errors."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / replicates)


def null_rate(p_of, n, replicates=1500):
    """How often p <= .05 without an effect: skewed noise in both rows, so that differences are symmetric."""
    rng = np.random.default_rng(n)
    noise = rng.exponential(size=(replicates, 2, n))
    return np.mean([p_of((row - reference).tolist()) <= 0.05 for row, reference in noise])


@pytest.mark.parametrize("n", [6, 8, 12])
def test_null_data_are_called_different_no_more_often_than_alpha(n):
    assert null_rate(signflip_p, n) <= at_most(0.05, 1500)


def test_a_one_sided_p_taken_for_a_two_sided_one_does_not_pass_that_check():
    assert null_rate(lambda differences: signflip_p(differences) / 2, 8) > at_most(0.05, 1500)


def test_random_flips_keep_alpha_too_and_are_not_blind():
    rate = null_rate(signflip_p, EXACT_UP_TO + 4, 600)
    assert 0.02 < rate <= at_most(0.05, 600)


def test_six_differences_of_one_sign_give_two_in_sixty_four():
    assert signflip_p([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == 2 / 64


@pytest.mark.parametrize("n", range(EXACT_UP_TO + 1))
def test_equal_signs_give_the_smallest_p_there_is(n):
    assert signflip_p([0.1 * (k + 1) for k in range(n)]) == smallest_p(n) == min(1.0, 2 / 2**n)


def test_above_the_exact_range_the_smallest_p_counts_the_identity_alone():
    assert signflip_p([1.0 + k for k in range(40)]) == smallest_p(40) == 1 / (RANDOM_FLIPS + 1)


def test_random_flips_come_near_the_exact_p():
    differences = np.random.default_rng(5).normal(0.4, 1, EXACT_UP_TO + 1).tolist()
    sums = [math.fsum(map(math.prod, zip(differences, signs, strict=True))) for signs in _all_signs(differences)]
    exact = np.mean(np.abs(sums) >= abs(math.fsum(differences)) - 1e-9)
    assert signflip_p(differences) == pytest.approx(exact, abs=3 * math.sqrt(exact / RANDOM_FLIPS))


def test_the_random_flips_are_the_same_on_every_machine():
    differences = [math.sin(1 + k) + 0.3 for k in range(20)]
    assert signflip_p(differences) == 0.045


@settings(deadline=None)
@given(st.lists(THOUSANDTHS, min_size=2, max_size=9).filter(any))
def test_the_exact_p_is_that_of_scipys_permutation_test(differences):
    zeros = np.zeros(len(differences))
    expected = stats.permutation_test(
        (np.array(differences), zeros), lambda a, b, axis: np.sum(a - b, axis=axis), vectorized=True,
        permutation_type="samples", n_resamples=np.inf,
    )  # fmt: skip
    assert signflip_p(differences) == pytest.approx(expected.pvalue, abs=1e-12)


def test_sums_that_differ_by_rounding_only_are_ties():
    # 0.1 + 0.2 - 0.3 is not 0 in floats: the two patterns that leave the sum as it is must both count
    assert signflip_p([0.1, 0.2, -0.3]) == 1.0
    assert signflip_p([0.3, 0.1, 0.1, 0.1]) == signflip_p([3, 1, 1, 1])


@settings(deadline=None)
@given(SAMPLES)
def test_zeros_are_kept_and_change_nothing(differences):
    assert signflip_p([*differences, 0.0, 0.0]) == signflip_p(differences)


@settings(deadline=None)
@given(st.one_of(SAMPLES, st.lists(THOUSANDTHS, min_size=15, max_size=18)), st.randoms())
def test_neither_order_nor_sign_nor_unit_matter(differences, random):
    p = signflip_p(differences)
    assert signflip_p(random.sample(differences, len(differences))) == p
    assert signflip_p([-d for d in differences]) == p
    assert signflip_p([1000 * d for d in differences]) == p


def test_without_any_difference_p_is_one():
    assert signflip_p([]) == signflip_p([0.0, 0.0]) == signflip_p([0.0] * 30) == 1.0


def test_the_ends_of_the_floats_are_no_trouble():
    assert signflip_p([1e308] * 6) == signflip_p([5e-324] * 6) == 2 / 64


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_difference_that_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="finite"):
        signflip_p([0.1, value])


def test_many_seeds_take_little_memory_and_give_the_p_of_all_signs_together():
    differences = np.random.default_rng(0).normal(0.03, 1, 5_000)
    tracemalloc.start()
    p = signflip_p(differences.tolist())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200e6, "all signs together would take 400 MB, and their bits as much again"
    assert p == pytest.approx(2 * stats.norm.sf(abs(differences.sum()) / math.sqrt((differences**2).sum())), abs=0.01)


def _all_signs(differences):
    return itertools.product((-1, 1), repeat=len(differences))
